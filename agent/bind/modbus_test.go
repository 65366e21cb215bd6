package bind

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/hw"
	"lwm2m-agent/objects/registry"
)

// TestModbusFromFile takes the lines that the documentation shows down to the
// hardware and the objects.
func TestModbusFromFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.toml")
	text := `
[[sensor]]
name     = "meter"
driver   = "modbus"
bus      = "tcp:192.0.2.7:502"
unit     = 1
interval = "10s"
  [[sensor.channel]]
  name     = "power"
  register = 12
  table    = "input"
  type     = "float32"
  object   = 3305
  resource = 5800

[[actuator]]
name     = "boiler"
driver   = "modbus"
bus      = "/dev/ttyUSB0"
baud     = 9600
register = 100
table    = "holding"
object   = 3308
safe     = 20
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, config.Options{StateDir: t.TempDir(), Drivers: Drivers()})
	if err != nil {
		t.Fatal(err)
	}
	if problems := Check(cfg, registry.Definitions()); len(problems) > 0 {
		t.Fatal(problems)
	}
	setup := SetupOf(cfg)
	want := []hw.ChannelConfig{{Name: "power", Register: &hw.Register{Number: 12, Table: "input", Type: "float32"}}}
	if d := cmp.Diff(want, setup.Sensors[0].Channels); d != "" || setup.Sensors[0].Unit != "1" {
		t.Errorf("unit %q, channels %s", setup.Sensors[0].Unit, d)
	}
	if d := cmp.Diff(&hw.Register{Number: 100, Table: "holding"}, setup.Actuators[0].Register); d != "" {
		t.Error(d)
	}
	groups := arrange(registry.Definitions(), "meter", []hw.Channel{{Name: "power", Quantity: hw.Generic, Kind: hw.KindFloat}}, sensorWish(&cfg.Sensors[0]))
	if len(groups) != 1 || groups[0].oid != 3305 || groups[0].channels["power"] != 5800 {
		t.Errorf("%+v", groups)
	}
	place := actuatorPlace(&cfg.Actuators[0], hw.Channel{Name: "value", Quantity: hw.Generic})
	if place.oid != 3308 || resourceOf(registry.Definitions(), place) != 5900 {
		t.Errorf("%+v", place)
	}
}
