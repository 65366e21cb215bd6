package agent

import (
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// TestModemPower has an actuator switched that a modem has its power from.
func TestModemPower(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	cfg.Actuators[0].Safe = config.Safe{On: true, Level: 100}
	a, _ := l.run(t, cfg)
	l.next(t, server.Registered)
	for _, on := range []bool{false, true} {
		if err := a.switchPower(t.Context(), "relay", on); err != nil {
			t.Fatal(err)
		}
		until(t, a, "/3306/0/5850", lwm2m.Boolean(on))
	}
	if err := a.switchPower(t.Context(), "nothing", true); err == nil {
		t.Error("what is not there was switched")
	}
}

// TestModemPowerIsGivenBack ends the agent while it has taken a modem's power away: at once, and in order. The line would stay as it is.
func TestModemPowerIsGivenBack(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	cfg.Actuators[0].Safe = config.Safe{Keep: true} // the simulated one begins with off
	if !noted(t, cfg, []byte{}) {                   // as a process that was killed leaves it
		t.Fatal("nothing is noted")
	}
	a, stop := l.run(t, cfg)
	until(t, a, "/3306/0/5850", lwm2m.Boolean(true))
	if err := a.modemPower.Switch(t.Context(), "relay", false); err != nil {
		t.Fatal(err)
	}
	stop()
	if noted(t, cfg, nil) {
		t.Error("the power was off at the end")
	}
}

// noted reports whether the state directory says that the relay is off, after it was made to say so unless record is nil.
func noted(t *testing.T, cfg *config.Config, record []byte) bool {
	t.Helper()
	st, err := store.Open(cfg.StateDir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	kept := st.SmallBucket("power/")
	if record != nil {
		if err := kept.Save("relay", record); err != nil {
			t.Fatal(err)
		}
	}
	got, err := kept.Load("relay")
	if err != nil {
		t.Fatal(err)
	}
	return got != nil
}
