//go:build interop

package interop

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/leshan"
)

// checkInheritance has Leshan attach periods to an object, and observe a resource of it that
// changes every second; what is attached to the resource comes first.
func (s peer) checkInheritance(t *testing.T) {
	t.Helper()
	const sensor = "/3303/0/5700"
	step := func(least, most float64) {
		t.Helper()
		after := s.Now(t)
		first := number(t, must(t, "2.05", s.Observe(t, s.endpoint, sensor, lwm2m.FormatText)).Content[sensor])
		e := s.AwaitNotification(t, after, patience, s.endpoint, sensor, func(leshan.Content) bool { return true })
		if risen := number(t, e.Content[sensor]) - first; risen < least || risen > most {
			t.Errorf("notified after %v s, want %v to %v", risen, least, most)
		}
		s.Forget(t, s.endpoint, sensor)
	}
	must(t, "2.04", s.WriteAttributes(t, s.endpoint, "/3303", "pmin=8"))
	step(7, 60)
	must(t, "2.04", s.WriteAttributes(t, s.endpoint, sensor, "pmin=0"))
	step(0.5, 6)
	must(t, "2.04", s.WriteAttributes(t, s.endpoint, sensor, "pmin"))
	must(t, "2.04", s.WriteAttributes(t, s.endpoint, "/3303", "pmin"))
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("%q is no number", text)
	}
	return f
}

// checkStored has Leshan disable the agent, which goes on watching what was observed. Leshan
// gets it with the times of then: by Send, or if it wants none when it observes again.
func (s peer) checkStored(t *testing.T) {
	t.Helper()
	const sensor, seconds = "/3303/0/5700", 4
	must(t, "2.04", s.Replace(t, s.endpoint, "/1/0/5", leshan.AnyFormat, leshan.Values{"": fmt.Sprint(seconds)}))
	for _, muted := range []bool{false, true} {
		must(t, "2.04", s.Replace(t, s.endpoint, "/1/0/23", leshan.AnyFormat, leshan.Values{"": fmt.Sprint(muted)}))
		must(t, "2.05", s.Observe(t, s.endpoint, sensor, lwm2m.FormatSenMLCBOR))
		after := s.Now(t)
		must(t, "2.04", s.Execute(t, s.endpoint, "/1/0/4", ""))
		s.AwaitType(t, after, patience, "unregistered", s.endpoint)
		s.AwaitType(t, after, patience, "registered", s.endpoint)
		typ := "send"
		if muted {
			typ = "notification"
			must(t, "2.05", s.Observe(t, s.endpoint, sensor, lwm2m.FormatSenMLJSON))
		}
		e := s.Await(t, after, patience, "stored values", func(e leshan.Event) bool {
			return e.Type == typ && len(e.History) > 0 && e.History[0].Time > 0
		})
		s.checkHistory(t, e.History, sensor, seconds-2)
		if muted {
			must(t, "2.05", s.Cancel(t, s.endpoint, sensor))
		}
	}
}

// checkHistory checks the values of a ramp that rises every second, whatever their order.
func (peer) checkHistory(t *testing.T, history []leshan.Past, path string, atLeast int) {
	t.Helper()
	slices.SortFunc(history, func(a, b leshan.Past) int { return int(a.Time - b.Time) })
	if len(history) < atLeast {
		t.Errorf("there are %d values, want at least %d: %v", len(history), atLeast, history)
	}
	for i, past := range history {
		if age := time.Since(time.UnixMilli(past.Time)); past.Content[path] == "" || age < 0 || age > patience {
			t.Errorf("value %d of %d has the age %s: %v", i, len(history), age, past)
		}
		if i > 0 && past.Time-history[i-1].Time < 500 {
			t.Errorf("value %d came %d ms after the one before", i, past.Time-history[i-1].Time)
		}
	}
}
