//go:build rig

package rig

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
	"lwm2m-agent/test/leshan"
)

const (
	endpoint = "sabrelite"
	// slow is how long what crosses the emulated board may take.
	slow = 90 * time.Second
)

// The objects of the board's sensors and outputs.
const (
	temperature = "/3303/0/5700" // the TMP105
	pressure    = "/3315/0/5700" // the DPS310, through the kernel's IIO
	doorState   = "/3200/0/5500"
	doorCount   = "/3200/0/5501"
	relay       = "/3306/0/5850"
)

const boardToml = `
endpoint = "sabrelite"

[[server]]
uri             = "coaps://%s:%s"
short_server_id = 101
lifetime        = "2m"
identity        = "board"
key             = "%s"

[[sensor]]
name     = "cabinet"
driver   = "tmp105"
bus      = "/dev/i2c-0"
address  = 0x48
interval = "1s"

[[sensor]]
name     = "weather"
driver   = "iio"
device   = "dps310"
interval = "1s"

  [[sensor.channel]]
  name = "pressure"

[[sensor]]
name     = "door"
driver   = "gpio-in"
chip     = "/dev/gpiochip0"
line     = 4
debounce = "20ms"

[[actuator]]
name   = "relay"
driver = "gpio-out"
chip   = "/dev/gpiochip0"
line   = 5
`

// field is the agent on the board and the server that watches it.
type field struct {
	*Board
	server *leshan.Server
}

// TestAgent has the agent on the emulated board register over DTLS at Leshan on
// this machine, and follows every reading and every write from end to end.
func TestAgent(t *testing.T) {
	key := []byte("0123456789abcdef")
	oids := []uint16{3200, 3303, 3306, 3315}
	models := make([]model.Definition, 0, len(oids))
	for _, oid := range oids {
		def, ok := registry.Definitions().Object(oid)
		if !ok {
			t.Fatalf("object %d is not in the registry", oid)
		}
		models = append(models, *def)
	}
	s := leshan.Start(t, leshan.Options{Models: models})
	s.PSK(t, endpoint, "board", key)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.CoAPS, "coaps://"), ":")
	f := field{server: s, Board: Start(t, Config{
		Programs: map[string]string{"/usr/bin/lwm2m-agent": Build(t, "./cmd/lwm2m-agent")},
		Files:    map[string][]byte{"/etc/lwm2m-agent/agent.toml": fmt.Appendf(nil, boardToml, Host, port, hex.EncodeToString(key))},
	})}
	f.AddDPS310(t)
	f.Run(t, "chmod 600 /etc/lwm2m-agent/agent.toml")
	pid := f.Spawn(t, "/usr/bin/lwm2m-agent run -state /tmp/state")
	c := s.AwaitRegistered(t, endpoint, slow)
	for _, link := range []string{"</3303/0>", "</3315/0>", "</3200/0>", "</3306/0>"} {
		if !strings.Contains(c.Links, link) {
			t.Fatalf("%s is missing in %s", link, c.Links)
		}
	}
	t.Run("temperature", f.checkTemperature)
	t.Run("pressure", f.checkPressure)
	t.Run("input", f.checkInput)
	t.Run("output", f.checkOutput)
	t.Run("sensor taken away", f.checkTakenAway)
	t.Run("network", f.checkNetwork)
	t.Run("end", func(t *testing.T) {
		f.set(t, "true")
		f.WaitOutput(t, slow, 5, true)
		f.Run(t, "kill "+pid)
		f.WaitOutput(t, slow, 5, false) // the relay's safe state
	})
	f.PowerOff(t)
}

// observe observes a path and returns what ends it.
func (f field) observe(t *testing.T, path string) (cancel func()) {
	t.Helper()
	if a := f.server.Observe(t, endpoint, path, lwm2m.FormatText); a.Code != "2.05" {
		t.Fatalf("observe %s: %+v", path, a)
	}
	return func() { f.server.Cancel(t, endpoint, path) }
}

// await waits for a notification with a value, caused by an action.
func (f field) await(t *testing.T, path, value string, act func()) {
	t.Helper()
	after := f.server.Now(t)
	act()
	f.server.AwaitNotification(t, after, slow, endpoint, path, func(c leshan.Content) bool { return c[path] == value })
}

func (f field) checkTemperature(t *testing.T) {
	defer f.observe(t, temperature)()
	f.await(t, temperature, "21.5", func() { f.SetTemperature(t, 21.5) })
	f.await(t, temperature, "-5.0", func() { f.SetTemperature(t, -5) })
	if a := f.server.Read(t, endpoint, "/3303/0/5701", lwm2m.FormatText); a.Content["/3303/0/5701"] != "Cel" {
		t.Errorf("unit: %+v", a)
	}
}

func (f field) checkPressure(t *testing.T) {
	defer f.observe(t, pressure)()
	f.await(t, pressure, "98000.0", func() { f.SetPressure(t, 98000) })
	f.await(t, pressure, "95000.0", func() { f.SetPressure(t, 95000) })
}

func (f field) checkInput(t *testing.T) {
	defer f.observe(t, doorState)()
	f.await(t, doorState, "true", func() { f.DriveLine(t, 0, 4, true) })
	f.await(t, doorState, "false", func() { f.DriveLine(t, 0, 4, false) })
	f.await(t, doorState, "true", func() { f.DriveLine(t, 0, 4, true) })
	if a := f.server.Read(t, endpoint, doorCount, lwm2m.FormatText); a.Content[doorCount] != "2" {
		t.Errorf("the door was opened twice, the counter says %+v", a)
	}
}

func (f field) set(t *testing.T, value string) {
	t.Helper()
	if a := f.server.Replace(t, endpoint, relay, lwm2m.FormatText, leshan.Values{"": value}); a.Code != "2.04" {
		t.Fatalf("switch the relay to %s: %+v", value, a)
	}
}

func (f field) checkOutput(t *testing.T) {
	for _, on := range []bool{true, false} {
		f.set(t, fmt.Sprint(on))
		f.WaitOutput(t, slow, 5, on)
		if f.OutputLevel(t, 0, 5) != on {
			t.Errorf("the data register does not say %v", on)
		}
	}
}

// checkTakenAway takes the bus away under the sensor and gives it back: the
// object stays, says that its value is not good, and follows again.
func (f field) checkTakenAway(t *testing.T) {
	const level = "/3303/0/6049" // Measurement Quality Level
	defer f.observe(t, level)()
	f.await(t, level, "0", func() { f.UnbindI2C(t) })
	if a := f.server.Read(t, endpoint, temperature, lwm2m.FormatText); a.Content[temperature] != "-5.0" {
		t.Errorf("without its sensor the object answers %+v, want the last value", a)
	}
	f.await(t, level, "100", func() { f.BindI2C(t) })
	defer f.observe(t, temperature)()
	f.await(t, temperature, "30.0", func() { f.SetTemperature(t, 30) })
}

// checkNetwork pulls the cable and plugs it in again: what has changed meanwhile
// arrives.
func (f field) checkNetwork(t *testing.T) {
	defer f.observe(t, temperature)()
	f.Network(t, false)
	f.Run(t, "while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 100000; done")
	f.SetTemperature(t, 12)
	f.await(t, temperature, "12.0", func() { f.Network(t, true) })
}
