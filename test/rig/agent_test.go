//go:build rig

package rig

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/objects/registry"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/web"
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
	pulses      = "/3200/1/5501"
	relay       = "/3306/0/5850"
	lamp        = "/3311/0/5850" // an LED of the PCA9552, through the kernel's driver
)

// Twelve devices: seven on I2C, by drivers of ours and the kernel's, three lines, a PWM channel and a meter on the network.
const boardToml = `
endpoint = "sabrelite"

[[server]]
uri             = "coaps://%[1]s:%[2]s"
short_server_id = 101
lifetime        = "2m"
identity        = "board"
key             = "%[3]s"

[[server]]
uri             = "coap://%[1]s:%[4]s"
short_server_id = 102
security        = "none"
lifetime        = "5m"

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

[[sensor]]
name     = "outside"
driver   = "hwmon"
device   = "tmp421"
interval = "1s"

  [[sensor.channel]]
  name = "temp1"

[[sensor]]
name     = "rack"
driver   = "hwmon"
device   = "emc1413"
interval = "1s"

  [[sensor.channel]]
  name = "temp2"
  unit = "K"

[[sensor]]
name    = "clock"
driver  = "ds3231"
bus     = "/dev/i2c-0"
address = 0x68

  [[sensor.channel]]
  name = "temperature"

[[sensor]]
name   = "pulses"
driver = "gpio-in"
chip   = "/dev/gpiochip0"
line   = 6
edge   = "both"

[[actuator]]
name   = "lamp"
driver = "led"
device = "pca955x:lamp"
object = 3311

[[actuator]]
name      = "fan"
driver    = "pwm"
device    = "pwmchip0"
line      = 0
frequency = 1000

[[sensor]]
name     = "meter"
driver   = "modbus"
bus      = "tcp:%[1]s:%[5]d"
interval = "1s"

  [[sensor.channel]]
  name     = "power"
  register = 1
  unit     = "W"
  from_unit = "kW"

[[sensor]]
name     = "compass"
driver   = "iio"
device   = "lsm303dlh_magn"
interval = "1s"

  [[sensor.channel]]
  name = "magn_x"
`

// onThePage is what Leshan's page shows of the twelve: the value, or "" for one that moves, and the unit by object instance.
var onThePage = map[string][2]string{
	"3303/0": {"-5", "Cel"},                    // cabinet
	"3315/0": {"95000", "Pa"},                  // weather
	"3200/0": {"true", ""},                     // door
	"3306/0": {"false", ""},                    // relay
	"3303/1": {"32.938", "Cel"},                // outside
	"3303/2": {"314.15", "K"},                  // rack
	"3303/3": {"", "Cel"},                      // clock: no DS3231, so no value
	"3200/1": {"false", ""},                    // pulses
	"3311/0": {"true", ""},                     // lamp
	"3306/1": {"false", ""},                    // fan
	"3328/0": {"2000", "W"},                    // meter
	"3314/0": {"0.000056540000000000004", "T"}, // compass: what the kernel makes of it, see SetField
}

// field is the agent on the board and the servers that watch it.
type field struct {
	*Board
	server, demo *leshan.Server
}

// TestAgent has the agent on the emulated board register over DTLS at Leshan on
// this machine, and follows every reading and every write from end to end.
func TestAgent(t *testing.T) {
	inTurn(t)
	key := []byte("0123456789abcdef")
	options := leshan.Options{Models: leshan.Models(t, 3200, 3303, 3306, 3311, 3314, 3315, 3328)}
	s := leshan.Start(t, options)
	s.PSK(t, endpoint, "board", key)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.CoAPS, "coaps://"), ":")
	demo := leshan.StartDemo(t, options)
	_, demoPort, _ := strings.Cut(strings.TrimPrefix(demo.CoAP, "coap://"), ":")
	meter := StartMeter(t, 1, 2, 3)
	f := field{server: s, demo: demo, Board: Start(t, Config{
		Programs: map[string]string{"/usr/bin/lwm2m-agent": Build(t, "./cmd/lwm2m-agent"), "/usr/bin/supervisor": Build(t, "./test/rig/supervisor")},
		Files:    map[string][]byte{"/etc/lwm2m-agent/agent.toml": fmt.Appendf(nil, boardToml, Host, port, hex.EncodeToString(key), demoPort, meter), "/etc/lwm2m-agent/fast.toml": []byte(fastToml())},
	})}
	f.AddDPS310(t)
	f.SetPart(t, "tmp421", "temperature0", 33)
	f.SetPart(t, "emc1413", "temperature1", 41)
	f.AddThermometers(t)
	f.AddMagnetometer(t)
	f.SetField(t, 46.728)
	f.Run(t, "chmod 600 /etc/lwm2m-agent/agent.toml")
	pid := f.Spawn(t, "/usr/bin/supervisor /usr/bin/lwm2m-agent run -state /tmp/state")
	c := s.AwaitRegistered(t, endpoint, slow)
	for _, link := range []string{"</3303/0>", "</3315/0>", "</3200/0>", "</3306/0>"} {
		if !strings.Contains(c.Links, link) {
			t.Fatalf("%s is missing in %s", link, c.Links)
		}
	}
	t.Run("temperature", f.checkTemperature)
	t.Run("pressure", f.checkPressure)
	t.Run("input", f.checkInput)
	t.Run("pulses", f.checkPulses)
	t.Run("output", f.checkOutput)
	t.Run("LED", f.checkLED)
	t.Run("twelve devices", f.checkPage)
	t.Run("sensor taken away", f.checkTakenAway)
	t.Run("recording", f.checkRecording)
	t.Run("network", f.checkNetwork)
	t.Run("killed", f.checkKilled)
	t.Run("end", func(t *testing.T) {
		f.set(t, relay, "true")
		f.WaitOutput(t, slow, 5, true)
		f.Run(t, "kill "+pid)
		f.WaitOutput(t, slow, 5, false) // the relay's safe state
	})
	t.Run("fast channels", f.checkFast)
	f.PowerOff(t)
}

// What is sampled fast, and what it may take: of memory in bytes, and of this machine's core, since the emulated one is many times slower.
// On a quiet machine it is less than a tenth of that; on a busy one the emulated core's time passes while it does not run.
const (
	fastChannels = 64
	fastTime     = 5 // s
	fastMemory   = 15_000_000
	fastShare    = 0.25
)

// fastToml are simulated channels that are sampled ten times in a second.
func fastToml() string {
	text := "endpoint = \"fast\"\n"
	for i := range fastChannels {
		text += fmt.Sprintf("[[sensor]]\nname = \"fast %d\"\ndriver = \"sim\"\nobject = 3303\nmin = 20\nmax = 30\nperiod = \"10s\"\ninterval = \"100ms\"\n", i)
	}
	return text
}

// checkFast measures what fast channels take of the emulated core and of memory, and how much slower than this machine the core is: by
// the time of the same sum over zeros.
func (f field) checkFast(t *testing.T) {
	const sum = "dd if=/dev/zero bs=1M count=%d 2>/dev/null | sha256sum"
	pid := f.Spawn(t, "/usr/bin/lwm2m-agent run -config /etc/lwm2m-agent/fast.toml -state /tmp/fast -socket /tmp/fast.sock")
	f.Run(t, fmt.Sprintf("until /usr/bin/lwm2m-agent read -socket /tmp/fast.sock /3303/%d/5700; do usleep 100000; done >/dev/null 2>&1", fastChannels-1))
	ticks := func() float64 {
		return f.number(t, "set -- $(cut -d')' -f2 /proc/"+pid+"/stat); echo $((${12} + ${13}))")
	}
	began, up := ticks(), f.number(t, "cut -d' ' -f1 /proc/uptime")
	f.Run(t, fmt.Sprintf("sleep %d", fastTime))
	ended, now := ticks(), f.number(t, "cut -d' ' -f1 /proc/uptime")
	share := (ended - began) / 100 / (now - up) // USER_HZ
	memory := 1024 * f.number(t, "sed -n 's/VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/"+pid+"/status")
	f.Run(t, "kill "+pid)
	emulated := f.number(t, "began=$(cut -d' ' -f1 /proc/uptime); "+fmt.Sprintf(sum, 4)+" >/dev/null; echo $began $(cut -d' ' -f1 /proc/uptime) | awk '{print $2 - $1}'") / 4
	began2 := time.Now()
	if out, err := exec.CommandContext(t.Context(), "busybox", "sh", "-c", fmt.Sprintf(sum, 64)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	slower := emulated / (time.Since(began2).Seconds() / 64)
	t.Logf("%d channels at 10 Hz take %.1f %% of a core that is %.0f times slower than this machine's, and %.1f MB", fastChannels, 100*share, slower, memory/1e6)
	if memory > fastMemory || share/slower > fastShare {
		t.Errorf("%.1f MB, %.1f %% of this machine's core", memory/1e6, 100*share/slower)
	}
}

// number runs a command that prints one.
func (f field) number(t *testing.T, command string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(f.Run(t, command), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
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

// checkPulses counts both edges of 100 pulses a second, for two seconds.
func (f field) checkPulses(t *testing.T) {
	defer f.observe(t, pulses)()
	f.await(t, pulses, "400", func() { f.Pulse(t, 6, 200, 10*time.Millisecond) })
}

func (f field) set(t *testing.T, path, value string) {
	t.Helper()
	if a := f.server.Replace(t, endpoint, path, lwm2m.FormatText, leshan.Values{"": value}); a.Code != "2.04" {
		t.Fatalf("switch %s to %s: %+v", path, value, a)
	}
}

func (f field) checkLED(t *testing.T) {
	for value, want := range map[string]string{"false": "off", "true": "on"} {
		f.set(t, lamp, value)
		if got := f.Lamp(t); got != want {
			t.Errorf("set to %s the LED is %s", value, got)
		}
	}
	f.set(t, lamp, "true")
}

func (f field) checkOutput(t *testing.T) {
	for _, on := range []bool{true, false} {
		f.set(t, relay, fmt.Sprint(on))
		f.WaitOutput(t, slow, 5, on)
		if f.OutputLevel(t, 0, 5) != on {
			t.Errorf("the data register does not say %v", on)
		}
	}
}

// checkKilled kills the agent while the relay is on: its supervisor holds the line, the next process goes on with it.
func (f field) checkKilled(t *testing.T) {
	f.set(t, relay, "true")
	f.WaitOutput(t, slow, 5, true)
	f.Run(t, "kill -9 $(pidof lwm2m-agent)")
	f.WaitConsole(t, slow, "SUPERVISOR run 2 ready with 1")
	if !f.OutputLevel(t, 0, 5) {
		t.Error("the relay has dropped out")
	}
	awaitValue(t, f.Board, relay, "true") // where the machine is busy, the line counts as one that hangs at first
	f.set(t, relay, "false")
	f.WaitOutput(t, slow, 5, false)
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

// checkPage looks at the page of Leshan's demo server for what came of the twelve devices: each under its object's name, with its unit.
func (f field) checkPage(t *testing.T) {
	f.demo.AwaitRegistered(t, endpoint, slow)
	page := web.Start(t).Open(t, f.demo.Page+"/#/clients")
	for _, instance := range slices.Sorted(maps.Keys(onThePage)) {
		want := onThePage[instance]
		oid, _, _ := strings.Cut(instance, "/")
		id, err := strconv.ParseUint(oid, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		def, _ := registry.Definitions().Object(uint16(id))
		page.Eval(t, fmt.Sprintf("location.hash = '#/clients/%s/%s'", endpoint, oid), nil)
		page.WaitText(t, "main", def.Name+"-v")
		f.awaitQuality(t, instance)
		page.Eval(t, "delete window.asked", nil)
		page.WaitFor(t, fmt.Sprintf("(%s)['/%s/5750'] > '' || %s", resourcesShown, instance, fmt.Sprintf(readOnPage, instance)))
		var shown map[string]string
		page.Eval(t, resourcesShown, &shown)
		at := func(rid string) string { return shown["/"+instance+"/"+rid] }
		value := at("5700") + at("5702") + at("5500") + at("5850")
		if want[0] != "" && value != want[0] || at("5701") != want[1] {
			t.Errorf("%s, /%s shows %q in %q, want %q in %q: %v", def.Name, instance, value, at("5701"), want[0], want[1], shown)
		}
	}
	page.Screenshot(t, "leshan")
}

// awaitQuality waits until an object is good, or, where its part is another, is not: on a busy machine a sample may come too late.
func (f field) awaitQuality(t *testing.T, instance string) {
	t.Helper()
	const level = "/6049" // Measurement Quality Level, which switches and inputs lack
	bad := instance == "3303/3"
	for deadline := time.Now().Add(slow); ; {
		content := f.demo.Read(t, endpoint, "/"+instance, lwm2m.FormatTLV).Content
		if len(content) > 0 && (content["/"+instance+level] == "0") == bad {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("/%s is %v, want bad: %v", instance, content, bad)
		}
	}
}

// readOnPage presses the button that reads an instance, and again after the 5 s that the page gives the board, and is false.
const readOnPage = `(button => {
	if (!(performance.now() - window.asked < 6000)) {
		button.click();
		window.asked = performance.now();
	}
	return false;
})(document.querySelector("button[title='Read /%s']"))`

// resourcesShown are the values on Leshan's page, by path: in each row behind the resource's name, its path and its buttons.
const resourcesShown = `Object.fromEntries([...document.querySelectorAll("main .v-expansion-panel-header")].map(row => {
	const lines = e => e.innerText.split("\n").map(s => s.trim()).filter(s => s !== "");
	const words = lines(row), buttons = [...row.querySelectorAll("button")].flatMap(lines);
	const path = words.findIndex(s => s.startsWith("/"));
	return [words[path], words.slice(path + 1 + buttons.length).join()];
}))`

// checkRecording records a part on the board, and replays it there.
func (f field) checkRecording(t *testing.T) {
	const record = "lwm2m-agent sensor record -driver tmp105 -bus /dev/i2c-0 -address 0x48 -samples 1 -o /tmp/tmp105.txt; lwm2m-agent sensor replay /tmp/tmp105.txt"
	if out := f.Run(t, "PATH=$PATH:/usr/bin; "+record); out != "temperature 30 Cel good\ntemperature 30 Cel good" {
		t.Errorf("recorded and replayed %q", out)
	}
	if file := f.Run(t, "cat /tmp/tmp105.txt"); !strings.Contains(file, "\nsample\n> 00 < 1e 00\n= temperature 30 Cel good") {
		t.Errorf("recorded\n%s", file)
	}
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
