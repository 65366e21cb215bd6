package health

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ticking is a clock that goes on by a second each time.
func ticking() func() time.Time {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func second(n int) time.Time { return time.Date(2026, 3, 1, 12, 0, n, 0, time.UTC) }

// told is a trouble in short.
func told(n Trouble) string {
	return fmt.Sprintf("%s %s %s %s", n.Code, n.On, n.Detail, n.Since.Format("05"))
}

func TestTroubles(t *testing.T) {
	tr := NewTracker(ticking())
	if len(tr.Troubles()) != 0 {
		t.Error("a new tracker has troubles")
	}
	tr.Set(ServerMissing, "", "")                        // a warning, second 1
	tr.Set(SensorFailing, "b", "no answer")              // an error, second 2
	tr.Set(StateVolatile, "", "")                        // a warning, second 3
	tr.Set(SensorFailing, "a", "no answer")              // second 4
	tr.Set(SensorFailing, "b", "garbage")                // another detail, same trouble
	tr.Set(SensorFailing, "b", "garbage")                // nothing new
	tr.Clear(ServerUnreachable, "101")                   // was never set
	tr.Set(ServerUnreachable, "101", "no answer in 8 s") // second 6: that of the other detail is not used
	troubles := tr.Troubles()
	got := make([]string, len(troubles))
	for i, n := range troubles {
		got[i] = told(n)
	}
	want := []string{
		"sensor-failing b garbage 02", "sensor-failing a no answer 04", "server-unreachable 101 no answer in 8 s 06",
		"server-missing   01", "state-volatile   03",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	tr.Clear(SensorFailing, "b")
	tr.Clear(StateVolatile, "")
	if n := len(tr.Troubles()); n != 3 {
		t.Errorf("%d troubles after two were cleared", n)
	}
	first := tr.Troubles()[0]
	if first.Severity != Error || first.Remedy == "" || first.Subject != "sensor" || !first.Since.Equal(second(4)) {
		t.Errorf("%+v", first)
	}
}

func TestUnknownCodePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a code that is not in the table was taken")
		}
	}()
	NewTracker(ticking()).Set("no-such-code", "", "")
}

func TestDeviceErrors(t *testing.T) {
	tr := NewTracker(ticking())
	check := func(want ...DeviceError) {
		t.Helper()
		if d := cmp.Diff(want, tr.DeviceErrors()); d != "" {
			t.Error(d)
		}
	}
	check(DeviceOK)
	tr.Set(ServerMissing, "", "") // has none
	check(DeviceOK)
	tr.Set(SensorFailing, "a", "")
	tr.Set(SensorFailing, "b", "")
	tr.Set(ServerUnreachable, "1", "")
	tr.Set(StateDamaged, "state.db", "")
	check(NoIPConnectivity, PeripheralFault, StorageFault)
	tr.Clear(SensorFailing, "a")
	check(NoIPConnectivity, PeripheralFault, StorageFault)
	tr.Clear(SensorFailing, "b")
	check(NoIPConnectivity, StorageFault)
}

// TestBounds: a board with any number of broken sensors costs no more than so many
// entries, and a subscriber that does not look no more than so many changes.
func TestBounds(t *testing.T) {
	tr := NewTracker(ticking())
	s := tr.Subscribe()
	defer s.Close()
	for i := range 3 * maxTroubles {
		tr.Set(SensorFailing, fmt.Sprint(i), "")
	}
	if n := len(tr.Troubles()); n != maxTroubles {
		t.Errorf("%d troubles", n)
	}
	for i := range 3 * maxTroubles {
		tr.Set(SensorFailing, "0", fmt.Sprint(i))
	}
	changes := s.Take()
	if len(changes) != maxPending || changes[len(changes)-1].Trouble.Detail != fmt.Sprint(3*maxTroubles-1) {
		t.Errorf("%d changes", len(changes))
	}
}

func TestSubscribe(t *testing.T) {
	tr := NewTracker(ticking())
	tr.Set(StateVolatile, "", "before")
	s := tr.Subscribe()
	select {
	case <-s.Wake():
		t.Error("woken by what was before")
	default:
	}
	tr.Set(SensorFailing, "a", "no answer")
	tr.Set(SensorFailing, "a", "no answer")
	tr.Set(SensorFailing, "a", "garbage")
	tr.Clear(SensorFailing, "a")
	tr.Clear(SensorFailing, "a")
	<-s.Wake()
	changes := s.Take()
	got := make([]string, len(changes))
	for i, c := range changes {
		got[i] = fmt.Sprint(c.Set, " ", told(c.Trouble))
	}
	want := []string{"true sensor-failing a no answer 02", "true sensor-failing a garbage 02", "false sensor-failing a garbage 02"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(s.Take()) != 0 {
		t.Error("the same was taken twice")
	}
	s.Close()
	tr.Set(SensorFailing, "a", "no answer")
	select {
	case <-s.Wake():
		t.Error("woken after Close")
	default:
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	tr := NewTracker(func() time.Time { return second(0) })
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s := tr.Subscribe()
			for j := range 100 {
				tr.Set(SensorFailing, fmt.Sprint(i, j%3), fmt.Sprint(j))
				tr.Troubles()
				tr.DeviceErrors()
				s.Take()
				tr.Clear(SensorFailing, fmt.Sprint(i, j%2))
			}
			s.Close()
		})
	}
	all.Wait()
}

// TestKinds: every kind says what people need, in the form that lists and docs
// show.
func TestKinds(t *testing.T) {
	code := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := make(map[Code]bool)
	for _, k := range Kinds() {
		if !code.MatchString(string(k.Code)) || seen[k.Code] {
			t.Errorf("code %q", k.Code)
		}
		seen[k.Code] = true
		if k.Text == "" || strings.HasSuffix(k.Text, ".") || len(k.Remedy) < 20 || !strings.HasSuffix(k.Remedy, ".") {
			t.Errorf("%s: text %q, remedy %q", k.Code, k.Text, k.Remedy)
		}
		if k.Device > 8 && k.Device < 16 || k.Device > 32 {
			t.Errorf("%s: %d is no error code that 3/0/11 may have", k.Code, k.Device)
		}
	}
	Kinds()[0].Code = "changed"
	if Kinds()[0].Code == "changed" {
		t.Error("the table can be changed from outside")
	}
	if text, err := Warning.MarshalText(); err != nil || string(text) != "warning" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestPage: the page says what the table says.
func TestPage(t *testing.T) {
	var want bytes.Buffer
	if err := WritePage(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.String(), string(got)); d != "" {
		t.Errorf("run ./dev generate:\n%s", d)
	}
}
