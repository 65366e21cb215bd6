package config

import (
	"slices"
	"strings"
	"testing"
)

// guardedText has a lamp that is nobody's business, and outputs with interlocks on all kinds of places.
const guardedText = filesText + `
[[sensor]]
name   = "door"
driver = "gpio-in"
chip   = "/dev/gpiochip0"
line   = 17

[[sensor]]
name   = "level"
driver = "modbus"
bus    = "tcp:192.0.2.7:502"
  [[sensor.channel]]
  name     = "value"
  register = 12

[[derived]]
name   = "mean level"
kind   = "mean"
inputs = ["level/value"]
window = "1m"

[[actuator]]
name   = "pump"
driver = "gpio-out"
chip   = "/dev/gpiochip0"
line   = 22
  [[actuator.interlock]]
  input = "door/state"
  [[actuator.interlock]]
  input = "mean level"
  above = 80

[[actuator]]
name   = "lamp"
driver = "gpio-out"
chip   = "/dev/gpiochip0"
line   = 5

[[actuator]]
name    = "valve"
driver  = "pca9685"
bus     = "/dev/i2c-1"
address = 0x40
line    = 3
  [[actuator.interlock]]
  input = "door/state"

[[actuator]]
name     = "heater"
driver   = "modbus"
bus      = "/dev/ttyUSB0"
unit     = 3
register = 5
table    = "coil"
  [[actuator.interlock]]
  input = "door/state"
`

// TestInterlocksAreNotForServers: a server changes nothing that an interlock rests on, and puts nothing in its place.
func TestInterlocksAreNotForServers(t *testing.T) {
	f := folder(t, guardedText)
	const lamp, rests = "[[actuator]]\nname='lamp'\n", "cannot be set remotely, interlocks rest on it"
	output := func(driver, place string) string { return "[[actuator]]\nname='x'\ndriver='" + driver + "'\n" + place }
	input := func(driver, place string) string { return "[[sensor]]\nname='x'\ndriver='" + driver + "'\n" + place }
	where := func(name string) string { return `x": cannot be set remotely, it is or may be where ` + name }
	for _, tt := range []struct{ name, candidate, want string }{ // "": taken
		{"the safe state", "[[actuator]]\nname='pump'\nsafe='on'\n", `candidate:3: actuator "pump": safe: ` + rests},
		{"the level of the output", "[[actuator]]\nname='pump'\nactive='low'\n", `candidate:3: actuator "pump": active: ` + rests},
		{"the place of the output", "[[actuator]]\nname='pump'\nline=23\n", `candidate:3: actuator "pump": line: ` + rests},
		{"the level of the input", "[[sensor]]\nname='door'\nactive='low'\n", `candidate:3: sensor "door": active: ` + rests},
		{"the input of the input", "[[sensor]]\nname='level'\n[[sensor.channel]]\nname='value'\noffset=-50\n", `sensor "level": channel: ` + rests},
		{"a derived input", "[[derived]]\nname='mean level'\nkind='minimum'\n", `candidate:3: derived "mean level": kind: ` + rests},
		{"another sensor below a derived input", "[[derived]]\nname='mean level'\ninputs=['a/value']\n", `candidate:3: derived "mean level": inputs: ` + rests},
		{"a derived sensor of the input's name", "[[derived]]\nname='door/state'\nkind='sum'\ninputs=['a/value']\n", `candidate:1: derived "door/state": ` + rests},
		{"one of the name of the input's input", "[[derived]]\nname='level/value'\nkind='sum'\ninputs=['a/value']\n", `candidate:1: derived "level/value": ` + rests},
		{"all as it is", strings.Replace(guardedText, `"1234"`, `"***"`, 1), ""},

		{"another output", lamp + "safe='on'\nactive='low'\n", ""},
		{"another output, to a free line", lamp + "line=6\n", ""},
		{"another output, to the line", lamp + "line=22\n", `lamp": cannot be set remotely, it is or may be where actuator "pump" is`},
		{"a line", output("gpio-out", "chip='/dev/gpiochip0'\nline=7\n"), ""},
		{"the line of another chip", output("gpio-out", "chip='gpiochip1'\nline=22\n"), ""},
		{"the line by its name", output("gpio-out", "chip='/dev/gpiochip0'\nline='PUMP'\n"), where(`actuator "pump"`)},
		{"the line of a chip by its label", output("gpio-out", "chip='soc'\nline=22\n"), where(`actuator "pump"`)},
		{"the line as an input", input("gpio-in", "chip='gpiochip0'\nline=22\n"), where(`actuator "pump"`)},
		{"the input's line as an output", output("gpio-out", "chip='soc'\nline=17\n"), where(`sensor "door"`)},
		{"the input's line once more", input("gpio-in", "chip='soc'\nline=17\n"), ""},
		{"an output of the part", output("pca9685", "bus='/dev/i2c-1'\naddress=0x40\nline=4\n"), ""},
		{"the output of the part", output("pca9685", "bus='/dev/i2c-1'\naddress=0x40\nline=3\n"), where(`actuator "valve"`)},
		{"the part by another bus", output("pca9685", "bus='/dev/i2c-5'\naddress=0x40\nline=4\n"), where(`actuator "valve"`)},
		{"another part", output("pca9685", "bus='/dev/i2c-1'\naddress=0x41\nline=3\n"), ""},
		{"another register of the device", output("modbus", "bus='/dev/ttyUSB0'\nunit='03'\nregister=6\n"), where(`actuator "heater"`)},
		{"another device", output("modbus", "bus='/dev/ttyUSB0'\nunit=4\nregister=5\n"), ""},
		{"the device by another port", output("modbus", "bus='/dev/serial0'\nunit=3\nregister=5\n"), where(`actuator "heater"`)},
		{"another port", output("modbus", "bus='/dev/ttyUSB1'\nunit=3\nregister=5\n"), ""},
		{"a register that an input is", output("modbus", "bus='tcp:192.0.2.7:502'\nunit=9\nregister=12\n"), where(`sensor "level"`)},
		{"a host that may be it", output("modbus", "bus='tcp:plc:502'\nregister=12\n"), where(`sensor "level"`)},
		{"another host", output("modbus", "bus='tcp:192.0.2.8:502'\nregister=12\n"), ""},
		{"reading the device", input("modbus", "bus='/dev/ttyUSB0'\nunit=3\n[[sensor.channel]]\nname='t'\nregister=5\n"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Draft(tt.candidate, "", true)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %s", err, tt.want)
			}
			if _, err := f.Draft(tt.candidate, "", false); err != nil && strings.Contains(err.Error(), "remotely") {
				t.Errorf("the user is refused: %v", err)
			}
		})
	}
}

// TestInterlocksStay: what the user has set by command of outputs with interlocks, and of what these look at, stays
// when a server's candidate does not have it; all else goes.
func TestInterlocksStay(t *testing.T) {
	f := folder(t, filesText)
	const (
		door = "[[sensor]]\nname = \"door\"\ndriver = \"gpio-in\"\nchip = \"/dev/gpiochip0\"\nline = 17\nactive = \"low\"\n"
		fan  = "\n[[actuator]]\nsafe = \"on\"\nname = \"fan\"\ndriver = \"gpio-out\"\nchip = \"/dev/gpiochip0\"\nline = 22\n\n[[actuator.interlock]]\ninput = \"door/state\"\n"
		lamp = "\n[[actuator]]\nname = \"lamp\"\ndriver = \"gpio-out\"\nchip = \"/dev/gpiochip0\"\nline = 5\n"
		log  = "\n[log]\nlevel = \"warn\"\n"
	)
	overlay := f.mustDraft(t, door+fan+lamp, "", false).Overlay
	for name, candidate := range map[string]string{"without them": log, "with a part of them": "[[sensor]]\nname='door'\n[[actuator]]\nname='fan'\nline=22\n" + log, "with all": door + fan + log} {
		l := f.mustDraft(t, candidate, overlay, true)
		if l.Overlay != door+fan+log || !slices.Contains(l.Changes, `actuator "lamp": removed`) || len(l.Changes) != 2 {
			t.Errorf("%s:\n%s%q", name, l.Overlay, l.Changes)
		}
	}
	const other = "[[actuator]]\nname='fan2'\ndriver='gpio-out'\nchip='gpiochip0'\nline=22\n"
	if _, err := f.Draft(other, overlay, true); err == nil || !strings.Contains(err.Error(), `actuator "fan2": cannot be set remotely, it is or may be where actuator "fan" is`) {
		t.Errorf("in place of the fan: %v", err)
	}
	if l := f.mustDraft(t, log, overlay, false); strings.Contains(l.Overlay, "fan") {
		t.Errorf("a local candidate replaces all: %s", l.Overlay)
	}
}
