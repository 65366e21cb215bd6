package demo

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		m := &Machine{Say: func(text string) { said = append(said, text) }}
		if !m.Now().Equal(time.Now()) {
			t.Errorf("it is %v", m.Now())
		}
		wanted := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		for what, err := range map[string]error{
			"CanReboot": m.CanReboot(t.Context()), "Reboot": m.Reboot(t.Context()), "SetTime": m.SetTime(t.Context(), wanted),
			"SetTimezone": m.SetTimezone(t.Context(), "Europe/Vienna"),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		<-time.After(time.Hour)
		if got := m.Now(); !got.Equal(wanted.Add(time.Hour)) {
			t.Errorf("an hour later it is %v", got)
		}
		if got := m.SimulatedTimezone(); got != "Europe/Vienna" {
			t.Errorf("the time zone is %q", got)
		}
		all := strings.Join(said, "\n")
		for _, want := range []string{"reboot", "2040-01-02T03:04:05Z", "Europe/Vienna"} {
			if len(said) != 3 || !strings.Contains(all, want) {
				t.Errorf("said %q, not of %s", said, want)
			}
		}
	})
}
