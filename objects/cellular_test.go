package objects

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// told collects what hooks were called for.
type told struct {
	calls []string
	fail  error
	not   string // how a call begins that is refused
}

func (d *told) say(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	d.calls = append(d.calls, call)
	if d.not != "" && strings.HasPrefix(call, d.not) {
		return errors.New("this one is refused")
	}
	return d.fail
}

func (d *told) cellular() CellularHooks {
	return CellularHooks{
		Exact: func(periodic, active time.Duration) (time.Duration, time.Duration) {
			return periodic.Round(time.Hour), active.Round(2 * time.Second)
		},
		SetPSM: func(_ context.Context, on bool, periodic, active time.Duration) error {
			return d.say("PSM %v %v %v", on, periodic, active)
		},
		SetEDRX: func(_ context.Context, mode EDRXMode, on bool, cycle uint8) error {
			return d.say("eDRX %d %v %d", mode, on, cycle)
		},
	}
}

func (d *told) apn() APNHooks {
	return APNHooks{
		Set: func(_ context.Context, iid uint16, apn string, t PDNType, login *APNLogin) error {
			if login == nil {
				return d.say("%d %q %d", iid, apn, t)
			}
			return d.say("%d %q %d %d %s:%s", iid, apn, t, login.Authentication, login.User, login.Secret)
		},
		TakeBack: func(_ context.Context, iid uint16, apn string, t PDNType) error {
			return d.say("back %d %q %d", iid, apn, t)
		},
		Changed: func(iid uint16) { _ = d.say("anew %d", iid) },
	}
}

var fullPower = CellularPower{PSM: true, Periodic: 24 * time.Hour, Active: 30 * time.Second, EDRX: map[EDRXMode]uint8{EDRXWBS1: 5}, HasPSM: true, HasEDRX: true}

func TestCellularConnectivity(t *testing.T) {
	tests := []struct {
		path  string
		value lwm2m.Value
		calls []string
		code  lwm2m.Code
		after lwm2m.Value
	}{
		{"/10/0/4", lwm2m.Integer(7300), []string{"PSM true 2h0m0s 30s"}, 0, lwm2m.Integer(7200)},
		{"/10/0/5", lwm2m.Integer(61), []string{"PSM true 24h0m0s 1m2s"}, 0, lwm2m.Integer(62)},
		{"/10/0/5", lwm2m.Integer(30), nil, 0, lwm2m.Integer(30)},
		{"/10/0/5", lwm2m.Integer(11161), nil, lwm2m.BadRequest, lwm2m.Integer(30)},
		{"/10/0/4", lwm2m.Integer(-1), nil, lwm2m.BadRequest, lwm2m.Integer(86400)},
		{"/10/0/13", lwm2m.Unsigned(2), []string{"PSM false 24h0m0s 30s"}, 0, lwm2m.Unsigned(2)},
		{"/10/0/13", lwm2m.Unsigned(1), []string{"eDRX 8 false 5"}, 0, lwm2m.Unsigned(1)},
		{"/10/0/13", lwm2m.Unsigned(4), nil, lwm2m.BadRequest, lwm2m.Unsigned(3)},
		{"/10/0/8", lwm2m.Opaque([]byte{9}), []string{"eDRX 8 true 9"}, 0, lwm2m.Opaque([]byte{9})},
		{"/10/0/8", lwm2m.Opaque([]byte{0x35}), nil, lwm2m.BadRequest, lwm2m.Opaque([]byte{5})},
		{"/10/0/8", lwm2m.Opaque(nil), nil, lwm2m.BadRequest, lwm2m.Opaque([]byte{5})},
	}
	for _, tt := range tests {
		f := newFixture(t)
		d := &told{}
		c, err := NewCellularConnectivity(f.tree, d.cellular())
		f.check(err)
		f.check(c.Publish(fullPower, []uint16{1}))
		p := lwm2m.MustPath(tt.path)
		err = f.tree.Write(f.Context(), model.FromServer(101), model.Replace, p, []lwm2m.Node{{Path: p, Value: tt.value}})
		if (err == nil) != (tt.code == 0) || err != nil && lwm2m.CodeOf(err) != tt.code || !slices.Equal(d.calls, tt.calls) || f.tree.Value(p) != tt.after {
			t.Errorf("%s=%v: %v, %q, then %v", tt.path, tt.value, err, d.calls, f.tree.Value(p))
		}
	}
}

// TestKindsOfCell: each kind of cell has its cycle. One that is written leaves the others as they are, and turns discontinuous reception on in all of them
// where it was off; what was never there cannot be taken back alone.
func TestKindsOfCell(t *testing.T) {
	full := map[EDRXMode]uint8{EDRXIu: 1, EDRXWBS1: 5, EDRXNBS1: 9, EDRXAGb: 3}
	all := func(on bool) []string {
		out := make([]string, 0, len(edrxModes))
		for _, mode := range edrxModes {
			out = append(out, fmt.Sprintf("eDRX %d %v %d", mode, on, full[mode]))
		}
		return out
	}
	for _, tt := range []struct {
		cycles  map[EDRXMode]uint8
		off     bool
		path    string
		value   lwm2m.Value
		refused bool // by the modem, behind that
		calls   []string
	}{
		{full, false, "/10/0/7", lwm2m.Opaque([]byte{13}), false, []string{"eDRX 7 true 13"}},
		{full, false, "/10/0/9", lwm2m.Opaque([]byte{2}), false, []string{"eDRX 9 true 2"}},
		{full, false, "/10/0/10", lwm2m.Opaque([]byte{4}), false, []string{"eDRX 10 true 4"}},
		{full, false, "/10/0/13", lwm2m.Unsigned(0), false, all(false)},
		{full, true, "/10/0/13", lwm2m.Unsigned(2), false, all(true)},
		{full, true, "/10/0/9", lwm2m.Opaque([]byte{9}), false, all(true)},
		{full, false, "/10/0/9", lwm2m.Opaque([]byte{2}), true, []string{"eDRX 9 true 2", "eDRX 9 true 9"}},
		{map[EDRXMode]uint8{EDRXWBS1: 5}, false, "/10/0/9", lwm2m.Opaque([]byte{2}), true, []string{"eDRX 9 true 2", "eDRX 9 true 2"}},
	} {
		f := newFixture(t)
		d := &told{}
		c, err := NewCellularConnectivity(f.tree, d.cellular())
		f.check(err)
		f.check(c.Publish(CellularPower{EDRX: tt.cycles, HasEDRX: true}, nil))
		if tt.off {
			f.check(c.Publish(CellularPower{HasEDRX: true}, nil))
		}
		p := lwm2m.MustPath(tt.path)
		tx, err := c.Prepare(f.Context(), &model.Edit{Set: []lwm2m.Node{{Path: p, Value: tt.value}}})
		f.check(err)
		f.check(tx.Commit(f.Context()))
		if tt.refused {
			tx.Abort()
		}
		if !slices.Equal(d.calls, tt.calls) {
			t.Errorf("%s=%v, off %v: %q, want %q", tt.path, tt.value, tt.off, d.calls, tt.calls)
		}
	}
}

func TestModemRefusesTimers(t *testing.T) {
	f := newFixture(t)
	d := &told{fail: errors.New("the modem refuses")}
	c, err := NewCellularConnectivity(f.tree, d.cellular())
	f.check(err)
	f.check(c.Publish(fullPower, nil))
	p := lwm2m.MustPath("/10/0/4")
	if err := f.tree.Write(f.Context(), model.FromServer(101), model.Replace, p, []lwm2m.Node{{Path: p, Value: lwm2m.Integer(3600)}}); err == nil || f.tree.Value(p).Int() != 86400 {
		t.Errorf("%v, then %v", err, f.tree.Value(p))
	}
	f.check(c.Publish(CellularPower{}, nil))
	if err := f.tree.Write(f.Context(), model.FromServer(101), model.Replace, p, []lwm2m.Node{{Path: p, Value: lwm2m.Integer(3600)}}); lwm2m.CodeOf(err) != lwm2m.MethodNotAllowed {
		t.Errorf("without power saving mode: %v", err)
	}
}

// TestFirstCycle: discontinuous reception that is turned on where no cycle is known is asked for with a usual one, in the modes that the modem takes.
func TestFirstCycle(t *testing.T) {
	f := newFixture(t)
	d := &told{}
	hooks := d.cellular()
	var refuses []EDRXMode
	set := hooks.SetEDRX
	hooks.SetEDRX = func(ctx context.Context, mode EDRXMode, on bool, cycle uint8) error {
		return errors.Join(set(ctx, mode, on, cycle), map[bool]error{true: errors.New("no such cell")}[slices.Contains(refuses, mode)])
	}
	c, err := NewCellularConnectivity(f.tree, hooks)
	f.check(err)
	p := lwm2m.MustPath("/10/0/13")
	for _, tt := range []struct {
		refuses []EDRXMode
		after   uint64
	}{{nil, 2}, {[]EDRXMode{EDRXWBS1}, 2}, {[]EDRXMode{EDRXWBS1, EDRXNBS1}, 0}} {
		f.check(c.Publish(CellularPower{HasEDRX: true}, nil))
		refuses, d.calls = tt.refuses, nil
		err := f.tree.Write(f.Context(), model.FromServer(101), model.Replace, p, []lwm2m.Node{{Path: p, Value: lwm2m.Unsigned(2)}})
		if (err == nil) != (tt.after == 2) || f.tree.Value(p) != lwm2m.Unsigned(tt.after) || !slices.Equal(d.calls, []string{"eDRX 8 true 2", "eDRX 9 true 2"}) {
			t.Errorf("refused %v: %v, %q, then %v", tt.refuses, err, d.calls, f.tree.Value(p))
		}
	}
}

// TestReplacedInstance: what a modem has stays, also where a server replaces the instance.
func TestReplacedInstance(t *testing.T) {
	f := newFixture(t)
	d := &told{}
	c, err := NewCellularConnectivity(f.tree, d.cellular())
	f.check(err)
	f.check(c.Publish(fullPower, nil))
	p := lwm2m.MustPath("/10/0")
	f.check(f.tree.Write(f.Context(), model.FromServer(101), model.Replace, p, []lwm2m.Node{{Path: p.Child(4), Value: lwm2m.Integer(3600)}}))
	if f.tree.Value(p.Child(5)).Int() != 30 || f.tree.Value(p.Child(4)).Int() != 3600 || !slices.Equal(d.calls, []string{"PSM true 1h0m0s 30s"}) {
		t.Errorf("%v, %q", f.values("/10/0"), d.calls)
	}
	_, err = NewAPNConnectionProfile(f.tree, d.apn())
	f.check(err)
	for _, p := range []string{"/10/0", "/10/0/4", "/11/1"} {
		if err := f.tree.Delete(f.Context(), model.FromServer(101), lwm2m.MustPath(p)); err == nil {
			t.Errorf("%s was deleted", p)
		}
	}
}

func fullProfile() APNProfile {
	a := []netip.Addr{netip.MustParseAddr("10.45.0.2")}
	dns := []netip.Addr{a[0], netip.MustParseAddr("10.45.0.54")}
	return APNProfile{
		Instance: 1, APN: "iot.lab", Type: PDNIPv4, Active: true, Since: start, Sent: new(int64(5)), Received: new(int64(7)),
		Addresses: a, Gateways: a, DNS: dns,
	}
}

func TestAPNProfile(t *testing.T) {
	f := newFixture(t)
	d := &told{}
	o, err := NewAPNConnectionProfile(f.tree, d.apn())
	f.check(err)
	f.check(o.Publish([]APNProfile{fullProfile(), {Instance: 2, APN: "ims", Type: PDNIPv4v6}}))
	write := func(iid string, values map[uint16]lwm2m.Value) error {
		nodes := make([]lwm2m.Node, 0, len(values))
		p := lwm2m.MustPath("/11/" + iid)
		for rid, v := range values {
			nodes = append(nodes, lwm2m.Node{Path: p.Child(rid), Value: v})
		}
		lwm2m.SortNodes(nodes)
		d.calls = nil
		return f.tree.Write(f.Context(), model.FromServer(101), model.Update, p, nodes)
	}
	f.check(write("1", map[uint16]lwm2m.Value{1: lwm2m.String("new.lab")}))
	if want := []string{`1 "new.lab" 1`, `anew 1`}; !slices.Equal(d.calls, want) {
		t.Errorf("APN: %q", d.calls)
	}
	f.check(write("1", map[uint16]lwm2m.Value{4: lwm2m.Integer(1), 5: lwm2m.String("u"), 6: lwm2m.String("hunter2")}))
	if want := []string{`1 "new.lab" 1 1 u:hunter2`, `anew 1`}; !slices.Equal(d.calls, want) {
		t.Errorf("login: %q", d.calls)
	}
	f.check(write("1", map[uint16]lwm2m.Value{5: lwm2m.String("v")}))
	if d.calls[0] != `1 "new.lab" 1 1 v:hunter2` {
		t.Errorf("another user: %q", d.calls)
	}
	nodes, err := f.tree.Read(model.FromAgent(), lwm2m.MustPath("/11"), nil)
	f.check(err)
	if strings.Contains(fmt.Sprint(nodes), "hunter2") {
		t.Errorf("the secret shows: %v", nodes)
	}
	for rid, v := range map[uint16]lwm2m.Value{0: lwm2m.String("x"), 3: lwm2m.Boolean(false), 4: lwm2m.Integer(4), 24: lwm2m.Integer(4)} {
		if err := write("1", map[uint16]lwm2m.Value{rid: v}); err == nil || len(d.calls) > 0 {
			t.Errorf("/11/1/%d: %v, %q", rid, err, d.calls)
		}
	}
	back := fullProfile() // the network has refused the login, and the one before is back
	back.APN = "new.lab"
	for _, login := range []*APNLogin{nil, {APNPAP, "w", "before"}} {
		f.check(write("1", map[uint16]lwm2m.Value{4: lwm2m.Integer(2), 5: lwm2m.String("u"), 6: lwm2m.String("hunter2")}))
		back.Login = &APNLogin{APNCHAP, "u", "hunter2"}
		f.check(o.Publish([]APNProfile{back, {Instance: 2, APN: "ims", Type: PDNIPv4v6}}))
		if v := f.tree.Value(lwm2m.MustPath("/11/1/4")); v.Int() != int64(APNPAPOrCHAP) {
			t.Errorf("what was written shows as %v", v)
		}
		back.Login = login
		f.check(o.Publish([]APNProfile{back, {Instance: 2, APN: "ims", Type: PDNIPv4v6}}))
		want, user := `1 "new.lab" 1 1 :`, ""
		if login != nil {
			want, user = `1 "new.lab" 1 1 w:before`, "w"
		}
		if v := f.tree.Value(lwm2m.MustPath("/11/1/5")); v.Text() != user {
			t.Errorf("the user is %v", v)
		}
		f.check(write("1", map[uint16]lwm2m.Value{4: lwm2m.Integer(1)}))
		if d.calls[0] != want {
			t.Errorf("after %v: %q", login, d.calls)
		}
	}
	d.fail = errors.New("the modem refuses")
	if err := write("1", map[uint16]lwm2m.Value{1: lwm2m.String("x")}); err == nil || len(d.calls) > 1 || f.tree.Value(lwm2m.MustPath("/11/1/1")).Text() != "new.lab" {
		t.Errorf("refused: %v, %q", err, d.calls)
	}
	d.fail, d.not = nil, "2 "
	p := lwm2m.MustPath("/11")
	two := []lwm2m.Node{{Path: p.Child(1).Child(1), Value: lwm2m.String("x")}, {Path: p.Child(2).Child(1), Value: lwm2m.String("y")}}
	d.calls = nil
	if err := f.tree.WriteAll(f.Context(), model.FromServer(101), two); err == nil || !slices.Equal(d.calls, []string{`1 "x" 1`, `2 "y" 3`, `back 1 "new.lab" 1`}) {
		t.Errorf("the second is refused: %v, %q", err, d.calls)
	}
	rejected := APNProfile{Instance: 1, APN: "new.lab", Type: PDNIPv4, Reject: new(int64(33)), Since: start}
	f.check(o.Publish([]APNProfile{rejected}))
	if v := f.tree.Value(lwm2m.MustPath("/11/1/11/0")); v.Int() != 33 || len(f.tree.Instances(11)) != 1 {
		t.Errorf("rejected: %v, %v", v, f.tree.Instances(11))
	}
}
