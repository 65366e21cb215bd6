package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// machine is a DeviceHost.
type machine struct {
	now       time.Time
	notBefore time.Time
	zone      string
	offset    string
	free      int64
	known     bool
	log       []string
	err       error
}

func newMachine() *machine {
	return &machine{now: start, notBefore: start.Add(-time.Hour), zone: "Europe/Vienna", offset: "+01:00", free: 1000, known: true}
}

func (m *machine) MemoryFree() (int64, bool) { return m.free, m.known }
func (m *machine) Now() time.Time            { return m.now }
func (m *machine) NotBefore() time.Time      { return m.notBefore }
func (m *machine) UTCOffset() string         { return m.offset }
func (m *machine) Timezone() string          { return m.zone }

func (m *machine) ZoneOf(offset int) string {
	if offset%3600 != 0 {
		return ""
	}
	return fmt.Sprintf("Etc/GMT%+d", -offset/3600)
}

func (m *machine) HasTimezone(name string) bool {
	return strings.HasPrefix(name, "Europe/") || strings.HasPrefix(name, "Etc/")
}

func (m *machine) SetTime(_ context.Context, t time.Time) error {
	m.log = append(m.log, "time "+t.UTC().Format(time.RFC3339))
	if m.err == nil {
		m.now = t
	}
	return m.err
}

func (m *machine) SetTimezone(_ context.Context, name string) error {
	m.log = append(m.log, "zone "+name)
	if m.err == nil {
		m.zone = name
	}
	return m.err
}

func (f *fixture) device(m *machine, hooks DeviceHooks) *Device {
	f.Helper()
	d, err := NewDevice(f.tree, m, DeviceFacts{
		Manufacturer: "Example", Model: "GW", Serial: "17", Firmware: "13", Type: "gateway", Hardware: "A", Software: "1.0",
		Bindings: "U", MemoryTotal: 2000,
	}, hooks)
	f.check(err)
	return d
}

func TestDevice(t *testing.T) {
	f := newFixture(t)
	m := newMachine()
	d := f.device(m, DeviceHooks{FactoryReset: func(context.Context, model.Origin) error { return nil }})
	f.check(d.SetPower([]Power{
		{Source: SourceInternalBattery, Voltage: new(int64(3700)), Current: new(int64(-120))},
		{Source: SourceUSB},
		{Source: SourceMains, Voltage: new(int64(230_000))},
	}, &Battery{Level: new(int64(80)), Status: BatteryCharging}))
	f.check(d.SetExternal(lwm2m.Objlnk(10241, 0)))
	want := map[string]string{
		"/3/0/0": "Example", "/3/0/1": "GW", "/3/0/2": "17", "/3/0/3": "13", "/3/0/6/0": "1", "/3/0/6/1": "5", "/3/0/6/2": "6",
		"/3/0/7/0": "3700", "/3/0/7/2": "230000", "/3/0/8/0": "-120", "/3/0/9": "80", "/3/0/10": "1000", "/3/0/11/0": "0",
		"/3/0/13": "1767323045", "/3/0/14": "+01:00", "/3/0/15": "Europe/Vienna", "/3/0/16": "U", "/3/0/17": "gateway",
		"/3/0/18": "A", "/3/0/19": "1.0", "/3/0/20": "1", "/3/0/21": "2000", "/3/0/22/0": "10241:0",
	}
	if d := cmp.Diff(want, f.values("/3")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := len(f.listed("/3/0")); got != 23 {
		t.Errorf("%d resources, want all 23: %v", got, f.listed("/3/0"))
	}
	m.free, m.now = 900, m.now.Add(time.Minute)
	f.has(map[string]string{"/3/0/10": "900", "/3/0/13": "1767323105"})

	f.check(d.SetPower([]Power{{Source: SourceMains}}, nil))
	f.check(d.SetExternal())
	f.check(d.SetFacts(DeviceFacts{Bindings: "UT", Firmware: "14"}))
	want = map[string]string{
		"/3/0/3": "14", "/3/0/6/0": "6", "/3/0/10": "900", "/3/0/11/0": "0", "/3/0/13": "1767323105", "/3/0/14": "+01:00",
		"/3/0/15": "Europe/Vienna", "/3/0/16": "UT",
	}
	if d := cmp.Diff(want, f.values("/3")); d != "" {
		t.Errorf("when little is known (-want +got):\n%s", d)
	}
}

func TestDeviceOfWhichLittleIsKnown(t *testing.T) {
	f := newFixture(t)
	_, err := NewDevice(f.tree, &machine{now: start, offset: "+00:00"}, DeviceFacts{Bindings: "U"}, DeviceHooks{})
	f.check(err)
	want := []string{"/3/0/4", "/3/0/11", "/3/0/12", "/3/0/13", "/3/0/14", "/3/0/15", "/3/0/16"}
	if d := cmp.Diff(want, f.listed("/3/0")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	f.has(map[string]string{"/3/0/15": ""})
}

func TestErrorCodes(t *testing.T) {
	f := newFixture(t)
	d := f.device(newMachine(), DeviceHooks{})
	for _, c := range []struct {
		codes []int
		want  map[string]string
	}{
		{nil, map[string]string{"/3/0/11/0": "0"}},
		{[]int{7}, map[string]string{"/3/0/11/0": "7"}},
		{[]int{8, 7, 8}, map[string]string{"/3/0/11/0": "7", "/3/0/11/1": "8"}},
		{[]int{8, 7, 16}, map[string]string{"/3/0/11/0": "7", "/3/0/11/1": "8", "/3/0/11/2": "16"}},
		{[]int{8, 16}, map[string]string{"/3/0/11/1": "8", "/3/0/11/2": "16"}}, // those that stay keep their number
		{[]int{8, 16, 1}, map[string]string{"/3/0/11/0": "1", "/3/0/11/1": "8", "/3/0/11/2": "16"}},
		{[]int{16}, map[string]string{"/3/0/11/2": "16"}},
		{[]int{0}, map[string]string{"/3/0/11/0": "0"}},
	} {
		f.check(d.SetErrors(c.codes...))
		if d := cmp.Diff(c.want, f.values("/3/0/11")); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.codes, d)
		}
	}
	for _, code := range []int{-1, 33} {
		if err := d.SetErrors(code); err == nil {
			t.Errorf("error code %d was taken", code)
		}
	}
}

func TestResetErrorCodes(t *testing.T) {
	f := newFixture(t)
	d := f.device(newMachine(), DeviceHooks{})
	f.check(d.SetErrors(7, 8))
	f.check(d.SetErrors(8))
	f.check(f.execute("/3/0/12", "")) // evaluated anew: numbered from 0
	if d := cmp.Diff(map[string]string{"/3/0/11/0": "8"}, f.values("/3/0/11")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	f = newFixture(t)
	d = f.device(newMachine(), DeviceHooks{Errors: func() []int { return []int{1} }})
	f.check(d.SetErrors(7))
	f.check(f.execute("/3/0/12", ""))
	if d := cmp.Diff(map[string]string{"/3/0/11/0": "1"}, f.values("/3/0/11")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDeviceExecute(t *testing.T) {
	f := newFixture(t)
	var log []string
	note := func(what string, err error) func(context.Context, model.Origin) error {
		return func(_ context.Context, o model.Origin) error {
			log = append(log, fmt.Sprint(what, " ", o.Server))
			return err
		}
	}
	f.device(newMachine(), DeviceHooks{Reboot: note("reboot", nil), FactoryReset: note("reset", errors.New("write-protected"))})
	f.check(f.execute("/3/0/4", ""))
	f.refused(f.execute("/3/0/5", ""), lwm2m.InternalServerError, "write-protected")
	if d := cmp.Diff([]string{"reboot 1", "reset 1"}, log); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	f = newFixture(t)
	f.device(newMachine(), DeviceHooks{})
	f.refused(f.execute("/3/0/4", ""), lwm2m.MethodNotAllowed, "cannot be executed here")
	f.refused(f.execute("/3/0/5", ""), lwm2m.NotFound, "")
	f.refused(f.execute("/3/0/0", ""), lwm2m.MethodNotAllowed, "cannot be executed")
}

func TestDeviceClock(t *testing.T) {
	for _, c := range []struct {
		path  string
		value lwm2m.Value
		log   []string
		words string // of the refusal with 4.00
	}{
		{"/3/0/13", lwm2m.Time(start.Add(time.Hour)), []string{"time 2026-01-02T04:04:05Z"}, ""},
		{"/3/0/13", lwm2m.Time(start.Add(-2 * time.Hour)), nil, "is in the past: it is 2026-01-02T02:04:05Z at least"},
		{"/3/0/13", lwm2m.UnixTime(-1), nil, "is in the past"},
		{"/3/0/13", lwm2m.UnixTime(1 << 40), nil, "too far ahead"},
		{"/3/0/14", lwm2m.String("+01:00"), nil, ""}, // as it is: the time zone stays
		{"/3/0/14", lwm2m.String("+02:00"), []string{"zone Etc/GMT-2"}, ""},
		{"/3/0/14", lwm2m.String("UTC+2"), nil, "is no offset"},
		{"/3/0/14", lwm2m.String("UTC-05"), []string{"zone Etc/GMT+5"}, ""},
		{"/3/0/14", lwm2m.String("+05:30"), nil, "no time zone is always at"},
		{"/3/0/15", lwm2m.String("Europe/Berlin"), []string{"zone Europe/Berlin"}, ""},
		{"/3/0/15", lwm2m.String("Mars/Base"), nil, "not a time zone that this device knows"},
		{"/3/0/15", lwm2m.String(""), nil, "not a time zone"},
	} {
		f := newFixture(t)
		m := newMachine()
		f.device(m, DeviceHooks{})
		err := f.write(c.path, c.value)
		if c.words != "" {
			f.refused(err, lwm2m.BadRequest, c.words)
		} else {
			f.check(err)
		}
		if d := cmp.Diff(c.log, m.log); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.path, c.value, d)
		}
		f.has(map[string]string{"/3/0/13": lwm2m.Time(m.now).String(), "/3/0/14": m.offset, "/3/0/15": m.zone})
	}
}

// TestDeviceClockIsTakenBack: time zone and time are written at once, and the
// second fails.
func TestDeviceClockIsTakenBack(t *testing.T) {
	f := newFixture(t)
	m := newMachine()
	d := f.device(m, DeviceHooks{})
	e := &model.Edit{Set: []lwm2m.Node{
		{Path: lwm2m.MustPath("/3/0/13"), Value: lwm2m.Time(start.Add(time.Hour))}, {Path: lwm2m.MustPath("/3/0/15"), Value: lwm2m.String("Europe/Rome")},
	}}
	tx, err := d.Prepare(t.Context(), e)
	f.check(err)
	f.check(tx.Commit(t.Context()))
	m.now = m.now.Add(3 * time.Second)
	tx.Abort()
	want := []string{"time 2026-01-02T04:04:05Z", "zone Europe/Rome", "zone Europe/Vienna", "time 2026-01-02T03:04:08Z"}
	if d := cmp.Diff(want, m.log); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	m.err = errors.New("not authorised")
	f.refused(f.write("/3/0/13", lwm2m.Time(start.Add(2*time.Hour))), lwm2m.InternalServerError, "not authorised")
	f.refused(f.write("/3/0/15", lwm2m.String("Europe/Rome")), lwm2m.InternalServerError, "not authorised")
	f.has(map[string]string{"/3/0/15": "Europe/Vienna"})
}

func TestDeviceStays(t *testing.T) {
	f := newFixture(t)
	m := newMachine()
	d := f.device(m, DeviceHooks{})
	f.refused(f.write("/3/0/0", lwm2m.String("x")), lwm2m.MethodNotAllowed, "cannot be written")
	f.refused(f.writeFrom(model.Origin{Kind: model.OriginBootstrap}, "/3/0/0", lwm2m.String("x")), lwm2m.MethodNotAllowed, "cannot be written")
	f.refused(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/3/0")), lwm2m.MethodNotAllowed, "")
	f.refused(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/3/0/15")), lwm2m.MethodNotAllowed, "stays as it is")
	_, err := f.tree.Create(t.Context(), model.FromServer(1), lwm2m.MustPath("/3"), nil)
	f.refused(err, lwm2m.MethodNotAllowed, "")
	at := lwm2m.MustPath("/3/0")
	f.check(f.tree.Write(t.Context(), model.FromServer(1), model.Replace, at, []lwm2m.Node{{Path: at.Child(15), Value: lwm2m.String("Europe/Rome")}}))
	f.has(map[string]string{"/3/0/13": "1767323045", "/3/0/14": "+01:00", "/3/0/15": "Europe/Rome"})
	m.zone = "Europe/Oslo"
	f.check(d.ClockChanged())
	f.has(map[string]string{"/3/0/15": "Europe/Oslo"})
}

func TestParseOffset(t *testing.T) {
	for text, want := range map[string]int{
		"Z": 0, "UTC": 0, "+00:00": 0, "-00:00": 0, "+01": 3600, "+0130": 5400, "+01:30": 5400, "-03:30": -12600,
		"UTC+01:00": 3600, "UTCZ": 0, "+14:00": 50400, "-12:00": -43200,
	} {
		if got, ok := parseOffset(text); !ok || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "+", "+1", "01:00", "+1:00", "+01:0", "+01:60", "+14:01", "-12:01", "+99:99", "+01:00:00", "UTC+1", "±01:00", "+0a:00", "+01-00"} {
		if got, ok := parseOffset(text); ok {
			t.Errorf("%q is taken for %d s", text, got)
		}
	}
}

func FuzzParseOffset(f *testing.F) {
	for _, seed := range []string{"Z", "+01:00", "-0330", "UTC+02", "+1", "", "UTC"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if offset, ok := parseOffset(s); ok && (offset < -12*3600 || offset > 14*3600) {
			t.Errorf("%q is %d s", s, offset)
		}
	})
}
