package bind

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// A server may not switch on what an input that fails, is doubtful or says so
// holds in its safe state, and is told why; the output is switched off at once.
func TestInterlockedActuator(t *testing.T) {
	cfg := &config.Config{
		Sensors: []config.Sensor{{Name: "door", Driver: "gpio-in", Instance: config.NoInstance, Settings: config.Settings{Chip: "/dev/no-such-chip", Line: config.Line{Given: true}}}},
		Actuators: []config.Actuator{{
			Name: "pump", Driver: "sim", Resource: config.NoResource, Instance: config.NoInstance, Interlocks: []config.Interlock{{Input: "door/state"}},
		}},
	}
	f := newFixture(t, t.TempDir(), nil, nil)
	if err := f.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Hardware().Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-f.Hardware().Ready()
	sub := f.tree.Subscribe()
	defer sub.Close()
	sub.Watch(lwm2m.MustPath("/3306/0/5850"))
	write := func(on bool) error {
		return f.tree.Write(t.Context(), model.FromServer(1), model.Update, lwm2m.MustPath("/3306/0"), []lwm2m.Node{{Path: lwm2m.MustPath("/3306/0/5850"), Value: lwm2m.Boolean(on)}})
	}
	refused := func(why string) {
		t.Helper()
		err := write(true)
		var coded *lwm2m.Error
		if !errors.As(err, &coded) || coded.Code != lwm2m.MethodNotAllowed || !strings.Contains(err.Error(), why) {
			t.Errorf("refused with %v, want 4.05 and %s", err, why)
		}
		got := f.health.Troubles()
		for _, trouble := range got {
			if trouble.Code == health.ActuatorInterlocked && trouble.On == "pump" && strings.Contains(trouble.Detail, why) {
				return
			}
		}
		t.Errorf("troubles %+v", got)
	}
	say := func(open bool, q hw.Quality) {
		f.stage.Deliver(hw.Unit{Role: hw.RoleSensor, Name: "door"}, []hw.Reading{
			{Channel: "state", Value: hw.Bool(open), Time: time.Now(), Quality: q, Reason: "it bounces"},
		})
	}
	refused(`"door/state" is invalid: sensor "door": gpio-in at /dev/no-such-chip line 0`)
	if err := write(false); err != nil {
		t.Errorf("the safe state is refused: %v", err)
	}
	say(false, hw.Good)
	if err := write(true); err != nil {
		t.Fatal(err)
	}
	sub.Take(nil)
	for _, q := range []hw.Quality{hw.Good, hw.Uncertain} {
		say(q == hw.Good, q)
		for f.value("/3306/0/5850") != lwm2m.Boolean(false) {
			<-sub.Wake()
			sub.Take(nil)
		}
		refused(map[hw.Quality]string{hw.Good: `"door/state" is on`, hw.Uncertain: `"door/state" is uncertain: it bounces`}[q])
		say(false, hw.Good)
		if err := write(true); err != nil {
			t.Fatal(err)
		}
	}
	for _, trouble := range f.health.Troubles() {
		if trouble.Code == health.ActuatorInterlocked {
			t.Errorf("released, there is %+v", trouble)
		}
	}
}
