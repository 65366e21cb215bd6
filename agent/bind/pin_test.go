package bind

import (
	"log/slog"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem"
)

// TestPINIsNotGivenAgain: a card that has refused the PIN is not given it after a restart of the agent either; a start without a PIN
// forgets that.
func TestPINIsNotGivenAgain(t *testing.T) {
	dir := t.TempDir()
	give := func(pin string, verdict modem.Verdict) (given bool) {
		t.Helper()
		st, err := store.Open(dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		m := &Modems{Store: st, Log: slog.New(slog.DiscardHandler)}
		section := &config.Modem{Name: "wwan"}
		if pin != "" {
			section.PIN = config.NewSecret([]byte(pin))
		}
		given, err = m.pinOf(section).Give("8949", func(got modem.Secret) (modem.Verdict, error) {
			if string(got) != pin {
				t.Error("another PIN")
			}
			if again, err := m.pinOf(section).Give("8949", nil); again || err != nil { // as if the agent had been killed by now
				t.Errorf("given again: %v, %v", again, err)
			}
			return verdict, nil
		})
		if err != nil {
			t.Error(err)
		}
		return given
	}
	for i, tt := range []struct {
		pin     string
		verdict modem.Verdict
		given   bool
	}{{"4711", modem.PINWrong, true}, {"4711", modem.PINTaken, false}, {"4712", modem.PINTaken, true}, {"4711", modem.PINTaken, false}, {"", modem.PINTaken, false}, {"4711", modem.PINTaken, true}} {
		if got := give(tt.pin, tt.verdict); got != tt.given {
			t.Errorf("%d: given %v", i, got)
		}
	}
}
