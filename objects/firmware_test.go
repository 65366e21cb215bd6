package objects

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// updater records what object 5 asks for.
type updater struct {
	calls  []string
	refuse error
}

func (u *updater) call(format string, args ...any) error {
	u.calls = append(u.calls, fmt.Sprintf(format, args...))
	return u.refuse
}

func (u *updater) Receive(_ context.Context, size int64) (model.Stream, error) {
	return u, u.call("receive %d", size)
}
func (u *updater) Fetch(_ context.Context, uri string) error { return u.call("fetch %s", uri) }
func (u *updater) Reset(context.Context) error               { return u.call("reset") }
func (u *updater) Update(context.Context) error              { return u.call("update") }
func (u *updater) Cancel(context.Context) error              { return u.call("cancel") }
func (u *updater) Write(_ context.Context, b []byte) error   { return u.call("write %s", b) }
func (u *updater) Close(context.Context) error               { return u.call("close") }
func (u *updater) Abort(err error)                           { _ = u.call("abort %v", err) }
func (u *updater) SetPolicy(_ context.Context, p FirmwarePolicy) error {
	return u.call("policy %+v", p)
}

func (f *fixture) firmware(u *updater) *Firmware {
	f.Helper()
	o, err := NewFirmware(f.tree, u, []FirmwareProtocol{FirmwareCoAP, FirmwareHTTPS}, FirmwareStatus{Changed: start, Policy: FirmwarePolicy{Severity: 1}})
	f.check(err)
	return o
}

func TestFirmwareShowsItsStatus(t *testing.T) {
	f := newFixture(t)
	o := f.firmware(&updater{})
	f.has(map[string]string{
		"/5/0/1": "", "/5/0/3": "0", "/5/0/5": "0", "/5/0/6": "", "/5/0/7": "", "/5/0/8/0": "0", "/5/0/8/1": "3", "/5/0/9": "2",
		"/5/0/11": "1", "/5/0/12": lwm2m.Time(start).String(), "/5/0/13": "0", "/5/0/14": "0",
	})
	watch := f.tree.Subscribe()
	defer watch.Close()
	watch.Watch(lwm2m.MustPath("/5"))
	f.check(o.Publish(FirmwareStatus{
		State: 2, URI: "coap://x/y", Name: "gateway", Version: "2.0", Changed: start.Add(time.Hour), Policy: FirmwarePolicy{2, 60, true},
	}))
	f.has(map[string]string{
		"/5/0/1": "coap://x/y", "/5/0/3": "2", "/5/0/6": "gateway", "/5/0/7": "2.0", "/5/0/11": "2", "/5/0/13": "60", "/5/0/14": "1",
	})
	if p := watch.Take(nil); len(p.Changes) == 0 || p.Changes[0].Path != lwm2m.MustPath("/5/0/12") {
		t.Errorf("the time of the change is not told first: %v", p.Changes)
	}
}

func TestFirmwareHandsOnWhatIsWritten(t *testing.T) {
	for _, c := range []struct {
		name   string
		values map[string]lwm2m.Value
		want   string
	}{
		{"package", map[string]lwm2m.Value{"/5/0/0": lwm2m.Opaque([]byte("abc"))}, "receive 3, write abc, close"},
		{"NUL", map[string]lwm2m.Value{"/5/0/0": lwm2m.Opaque([]byte{0})}, "reset"},
		{"no package", map[string]lwm2m.Value{"/5/0/0": lwm2m.Opaque(nil)}, "reset"},
		{"URI", map[string]lwm2m.Value{"/5/0/1": lwm2m.String("coap://x/y")}, "fetch coap://x/y"},
		{"empty URI", map[string]lwm2m.Value{"/5/0/1": lwm2m.String("")}, "reset"},
		{
			"policy first",
			map[string]lwm2m.Value{"/5/0/1": lwm2m.String("coap://x/y"), "/5/0/13": lwm2m.Unsigned(60), "/5/0/14": lwm2m.Boolean(true)},
			"policy {Severity:1 MaxDefer:60 Automatic:true}, fetch coap://x/y",
		},
		{"the policy that holds", map[string]lwm2m.Value{"/5/0/11": lwm2m.Integer(1)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			u := &updater{}
			f.firmware(u)
			f.check(f.put(model.FromServer(1), c.values))
			if got := strings.Join(u.calls, ", "); got != c.want {
				t.Errorf("asked for %q, want %q", got, c.want)
			}
			f.has(map[string]string{"/5/0/0": "", "/5/0/1": ""}) // the status says what holds
		})
	}
}

func TestFirmwareRefuses(t *testing.T) {
	f := newFixture(t)
	u := &updater{}
	f.firmware(u)
	f.refused(f.put(model.FromServer(1), map[string]lwm2m.Value{
		"/5/0/0": lwm2m.Opaque([]byte("abc")), "/5/0/1": lwm2m.String("coap://x/y"),
	}), lwm2m.BadRequest, "write one of them")
	f.refused(f.put(model.FromServer(1), map[string]lwm2m.Value{"/5/0/11": lwm2m.Integer(3)}), lwm2m.BadRequest, "")
	f.refused(f.put(model.FromServer(1), map[string]lwm2m.Value{"/5/0/1": lwm2m.String(strings.Repeat("x", 256))}), lwm2m.BadRequest, "")
	f.refused(f.put(model.FromServer(1), map[string]lwm2m.Value{"/5/0/3": lwm2m.Integer(2)}), lwm2m.MethodNotAllowed, "")
	u.refuse = lwm2m.Errorf(lwm2m.MethodNotAllowed, "not now")
	f.refused(f.put(model.FromServer(1), map[string]lwm2m.Value{"/5/0/0": lwm2m.Opaque([]byte("abc"))}), lwm2m.MethodNotAllowed, "not now")
	f.refused(f.tree.Execute(t.Context(), model.FromServer(1), lwm2m.MustPath("/5/0/2"), nil), lwm2m.MethodNotAllowed, "not now")
	_, err := f.tree.Stream(t.Context(), model.FromServer(1), lwm2m.MustPath("/5/0/0"), 9)
	f.refused(err, lwm2m.MethodNotAllowed, "not now")
	_, err = f.tree.Stream(t.Context(), model.FromServer(1), lwm2m.MustPath("/5/0/1"), 9)
	f.refused(err, lwm2m.MethodNotAllowed, "pieces")
}

func TestFirmwareExecutes(t *testing.T) {
	f := newFixture(t)
	u := &updater{}
	f.firmware(u)
	f.check(f.tree.Execute(t.Context(), model.FromServer(1), lwm2m.MustPath("/5/0/2"), nil))
	f.check(f.tree.Execute(t.Context(), model.FromServer(1), lwm2m.MustPath("/5/0/10"), nil))
	s, err := f.tree.Stream(t.Context(), model.FromServer(1), lwm2m.MustPath("/5/0/0"), 9)
	f.check(err)
	f.check(s.Write(t.Context(), []byte("abc")))
	if got := strings.Join(u.calls, ", "); got != "update, cancel, receive 9, write abc" {
		t.Errorf("asked for %q", got)
	}
}

// TestFirmwareKeepsItsPolicy: a server that deletes what stays is told so, and nothing else of its request happens.
func TestFirmwareKeepsItsPolicy(t *testing.T) {
	f := newFixture(t)
	f.firmware(&updater{})
	origin, delay := model.FromServer(1), lwm2m.MustPath("/5/0/13")
	for _, p := range []string{"/5/0/11", "/5/0/13", "/5/0/14"} {
		f.refused(f.tree.Delete(t.Context(), origin, lwm2m.MustPath(p)), lwm2m.MethodNotAllowed, p+" cannot be deleted")
	}
	set := []lwm2m.Node{{Path: delay, Value: lwm2m.Unsigned(7)}}
	f.refused(f.tree.WriteAll(t.Context(), origin, set, lwm2m.MustPath("/5/0/11")), lwm2m.MethodNotAllowed, "/5/0/11 cannot be deleted")
	f.has(map[string]string{"/5/0/11": "1", "/5/0/13": "0"})
	f.check(f.tree.Write(t.Context(), origin, model.Replace, lwm2m.MustPath("/5/0"), set)) // which leaves what it does not mention
	f.has(map[string]string{"/5/0/11": "1", "/5/0/13": "7"})
}
