//go:build rig

package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"lwm2m-agent/hw/playback"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/workspace"
)

// industrialToml has what works, a line that is in use, and a part that SMBus commands cannot read.
const industrialToml = `
endpoint = "industrial"

[[sensor]]
name     = "door"
driver   = "gpio-in"
line     = "DOOR"
bias     = "pull-up"
debounce = "1s"

[[sensor]]
name   = "pulses"
driver = "gpio-in"
chip   = "cabinet"
line   = 1
bias   = "pull-down"

[[actuator]]
name   = "pump"
driver = "gpio-out"
line   = "PUMP"

  [[actuator.interlock]]
  input = "door/state"
  while = "off"

[[sensor]]
name   = "taken"
driver = "gpio-in"
chip   = "cabinet"
line   = 3

[[actuator]]
name    = "dimmer"
driver  = "pca9685"
bus     = "/dev/i2c-1"
address = 0x60
line    = 3

[[sensor]]
name    = "cabinet"
driver  = "lm75"
bus     = "/dev/i2c-1"
address = 0x4a
interval = "1s"

[[sensor]]
name    = "swapped"
driver  = "lis3dh"
bus     = "/dev/i2c-1"
address = 0x18

[[sensor]]
name    = "climate"
driver  = "sht3x"
bus     = "/dev/i2c-1"
address = 0x44
`

// smbusParts are drivers whose transfers are SMBus commands all, and the address that each has on RegistersBus.
var smbusParts = map[uint16]string{
	0x18: "mcp9808", 0x19: "lis3dh", 0x20: "mcp23017", 0x40: "ina226", 0x44: "sht3x", 0x48: "ads1115", 0x4a: "lm75", 0x60: "pca9685", 0x68: "ds3231", 0x76: "bme280",
}

// memoryOf are channels that an i2c-stub cannot tell apart: it has one register where the part has one measurement after the other.
var memoryOf = map[string]string{"ads1115": "in0"}

// TestIndustrialPC has the agent on a PC whose adapters know SMBus commands only, and whose lines are the kernel's simulation.
func TestIndustrialPC(t *testing.T) {
	inTurn(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("gpio-sim is built for the PC by this machine's compiler, which is for no x86-64")
	}
	p := StartIndustrialPC(t, Config{
		Programs: map[string]string{
			"/usr/bin/lwm2m-agent": gateway.Binary(t, "GOARCH=amd64"),
			"/usr/bin/module":      Build(t, "./test/rig/module", "GOARCH=amd64"), "/usr/bin/supervisor": Build(t, "./test/rig/supervisor", "GOARCH=amd64"),
			"/usr/bin/lapse": Build(t, "./test/rig/lapse", "GOARCH=amd64"),
		},
		Files: map[string][]byte{"/etc/lwm2m-agent/agent.toml": []byte(industrialToml), "/etc/ec25.at": transcript(t, "ec25")},
	})
	parts := make(map[uint16]*playback.File)
	for address, driver := range smbusParts {
		parts[address] = recording(t, driver)
	}
	p.AddRegisters(t, parts)
	p.AddLines(t, "cabinet", "DOOR", "PULSES", "PUMP", "!other-driver", "MODEM", "MODEM2")
	t.Run("scan", func(t *testing.T) { checkScan(t, p) })
	for address, driver := range smbusParts {
		if driver != "sht3x" && driver != "pca9685" {
			t.Run(driver, func(t *testing.T) { checkRegisters(t, p, driver, address, parts[address]) })
		}
	}
	t.Run("check", func(t *testing.T) { checkCheck(t, p) })

	p.Drive(t, 1, 1, true)
	pid := p.Spawn(t, "lwm2m-agent run -state /tmp/state")
	awaitValue(t, p, "/3200/0/5500", "true") // by its pull-up: nobody drives it
	t.Run("bias", func(t *testing.T) {
		for line, want := range []string{"pull-up", "pull-down"} {
			if got := p.Pull(t, line); got != want {
				t.Errorf("line %d has a %s, want %s", line, got, want)
			}
		}
	})
	t.Run("debounce", func(t *testing.T) { checkDebounce(t, p) })
	t.Run("edges", func(t *testing.T) { checkEdges(t, p, pid) })
	t.Run("interlock", func(t *testing.T) { checkInterlock(t, p) })
	t.Run("outputs", func(t *testing.T) { checkOutputs(t, p, pid) })
	t.Run("modem power", func(t *testing.T) { checkModemPower(t, p) })
	t.Run("modem power cut", func(t *testing.T) { checkModemPowerCut(t, p) })
	p.PowerOff(t)
}

// checkScan finds what is there; the display's memory at an LM75's address is read through the chipset as one.
func checkScan(t *testing.T, p *IndustrialPC) {
	t.Helper()
	scan := strings.Join(strings.Fields(p.Run(t, "lwm2m-agent scan")), " ")
	for _, want := range []string{
		"i2c /dev/i2c-0 SMBus I801 adapter at 0700 9 devices answer", "i2c /dev/i2c-0 0x57",
		"i2c /dev/i2c-1 SMBus stub driver 10 devices answer", "i2c /dev/i2c-1 0x76 bme280, bmp280",
		"gpio /dev/gpiochip0 cabinet 6 lines: 0=DOOR 1=PULSES 2=PUMP 4=MODEM 5=MODEM2",
	} {
		if !strings.Contains(scan, want) {
			t.Errorf("no %q in %s", want, scan)
		}
	}
	// Bytes 0 and 1 of an EDID are 00 and FF (VESA E-EDID, section 3.3): 7 steps of 0.125 °C.
	if got := record(t, p, "lm75b", SMBus, EDID); got != "temperature 0.875 Cel good" {
		t.Errorf("through the chipset: %s", got)
	}
}

// record samples a part, by a driver, through its recorder.
func record(t *testing.T, p *IndustrialPC, driver, bus string, address uint16) string {
	t.Helper()
	return p.Run(t, fmt.Sprintf("lwm2m-agent sensor record -driver %s -bus %s -address %#x -samples 1 -o /tmp/%[1]s.txt", driver, bus, address))
}

// checkRegisters reads a part through SMBus commands and compares with the readings of its recording.
func checkRegisters(t *testing.T, p *IndustrialPC, driver string, address uint16, file *playback.File) {
	t.Helper()
	got := record(t, p, driver, RegistersBus, address)
	for _, want := range file.Steps[1].Readings {
		if strings.HasPrefix(want, memoryOf[driver]) && !strings.Contains(got+"\n", want+"\n") {
			t.Errorf("read\n%s\nwithout %s\n%s", got, want, p.Run(t, "cat /tmp/"+driver+".txt"))
		}
	}
}

// checkCheck tells what works from a line that is in use and from a part that an adapter for SMBus commands cannot read.
func checkCheck(t *testing.T, p *IndustrialPC) {
	t.Helper()
	output, status := p.Try(t, "lwm2m-agent check")
	check := strings.Join(strings.Fields(output), " ")
	for _, want := range []string{
		"ok sensor door line DOOR", "ok sensor cabinet /dev/i2c-1 0x4a temperature 21.5", "ok actuator dimmer /dev/i2c-1 0x60 line 3",
		`FAILS sensor taken cabinet line 3 /etc/lwm2m-agent/agent.toml:27: sensor "taken": gpio-in at cabinet line 3: the line is in use by "other-driver"`,
		`FAILS sensor swapped /dev/i2c-1 0x18 /etc/lwm2m-agent/agent.toml:47: sensor "swapped": lis3dh at /dev/i2c-1 0x18: another device is there`,
		`FAILS sensor climate /dev/i2c-1 0x44 /etc/lwm2m-agent/agent.toml:53: sensor "climate": sht3x at /dev/i2c-1 0x44: the bus cannot carry what this part needs`,
		"3 of 8 parts need attention",
	} {
		if status == 0 || !strings.Contains(check, want) {
			t.Errorf("status %d, no %q in %s", status, want, check)
		}
	}
}

// checkDebounce has a door that bounces before it is opened and before it is closed: it was closed once.
func checkDebounce(t *testing.T, p *IndustrialPC) {
	t.Helper()
	p.Drive(t, 0, 5, false, true)
	p.Drive(t, 0, 1, false)
	awaitValue(t, p, "/3200/0/5500", "false")
	p.Drive(t, 0, 5, true, false)
	p.Drive(t, 0, 1, true)
	awaitValue(t, p, "/3200/0/5500", "true")
	awaitValue(t, p, "/3200/0/5501", "1")
}

// checkEdges counts edges, and those too that the kernel had no room to keep while the agent stood still.
func checkEdges(t *testing.T, p *IndustrialPC, pid string) {
	t.Helper()
	p.Drive(t, 1, 200, true, false)
	awaitValue(t, p, "/3200/1/5501", "200")
	p.Run(t, "kill -STOP "+pid)
	p.Drive(t, 1, 600, true, false)
	p.Run(t, "kill -CONT "+pid)
	awaitValue(t, p, "/3200/1/5501", "800")
	const lost = "176 edges came faster than they were read" // of 1200, 1024 were kept
	p.process.WaitLine(t, slow, lost, func(line string) bool { return strings.Contains(line, "unit=pulses") && strings.Contains(line, lost) })
}

// checkInterlock has the door stop the pump, which stays so when it says nothing any more, and without any server.
func checkInterlock(t *testing.T, p *IndustrialPC) {
	t.Helper()
	p.Run(t, "lwm2m-agent write /3306/0/5850 true")
	if !p.Level(t, 2) {
		t.Error("the pump is off")
	}
	p.Drive(t, 0, 1, false)
	awaitValue(t, p, "/3306/0/5850", "false")
	if p.Level(t, 2) {
		t.Error("the pump is on behind the door")
	}
	output, status := p.Try(t, "lwm2m-agent write /3306/0/5850 true 2>&1")
	if want := `"door/state" is off`; status == 0 || !strings.Contains(output, "interlocked") || !strings.Contains(output, want) || p.Level(t, 2) {
		t.Errorf("status %d, no %q in %s, pump %v", status, want, output, p.Level(t, 2))
	}
	p.Drive(t, 0, 1, true)
	awaitValue(t, p, "/3200/0/5500", "true")
	if p.Level(t, 2) {
		t.Error("the pump went on by itself")
	}
}

// checkOutputs switches a line and a PWM channel, and sees the line in its safe state behind the agent's end.
func checkOutputs(t *testing.T, p *IndustrialPC, pid string) {
	t.Helper()
	p.Run(t, "lwm2m-agent write /3306/0/5850 true && lwm2m-agent write /3306/1/5851 50")
	if !p.Level(t, 2) {
		t.Error("the pump is off")
	}
	if got := p.Run(t, "for r in 0x12 0x13 0x14 0x15; do i2cget -y 1 0x60 $r; done"); got != "0x00\n0x00\n0x00\n0x08" {
		t.Errorf("LED3_ON and LED3_OFF are %q, want 0 and 2048", got)
	}
	p.Run(t, "kill "+pid+"; while kill -0 "+pid+"; do usleep 50000; done 2>/dev/null")
	if p.Level(t, 2) {
		t.Error("the pump is on behind the agent's end")
	}
}

// recording is the playback file of a driver.
func recording(t *testing.T, driver string) *playback.File {
	t.Helper()
	f, err := os.Open(filepath.Join(workspace.Root(t), "hw/testdata/playback", driver+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file, err := playback.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
