//go:build rig

package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/hw"
	"lwm2m-agent/test/rig"
)

// slow is how long what crosses the emulated board may take.
const slow = 90 * time.Second

func units() []unit {
	const bus, chip = "/dev/i2c-0", "/dev/gpiochip0"
	return []unit{
		{Name: "cabinet", Driver: "tmp105", Bus: bus, Address: rig.TMP105, Interval: 100 * time.Millisecond},
		{Name: "absent", Driver: "lm75", Bus: bus, Address: 0x49, Interval: time.Second},
		{Name: "swapped", Driver: "bme280", Bus: bus, Address: rig.DPS310, Interval: time.Second},
		{Name: "weather", Driver: "iio", Device: "dps310", Interval: time.Second},
		{Name: "outside", Driver: "hwmon", Device: "tmp421", Interval: time.Second},
		{Name: "rack", Driver: "hwmon", Device: "emc1413", Interval: time.Second},
		{Name: "clock", Driver: "ds3231", Bus: bus, Address: rig.DS1338, Interval: time.Second},
		{Name: "fan", Driver: "pwm", Device: "pwmchip0", Actuator: true},
		{Name: "door", Driver: "gpio-in", Chip: chip, Line: 4, Debounce: 20 * time.Millisecond},
		{Name: "pulses", Driver: "gpio-in", Chip: chip, Line: 6, Edge: hw.EdgeBoth},
		{Name: "relay", Driver: "gpio-out", Chip: chip, Line: 5, Actuator: true},
	}
}

// board is the program on the emulated board.
type board struct{ *rig.Board }

// tell gives the program a line.
func (b board) tell(t *testing.T, line string) {
	t.Helper()
	b.Run(t, "echo "+line+" > /tmp/fifo")
}

// reads waits for a reading that begins with what is wanted. It is content with
// one that was printed before, so each is wanted once.
func (b board) reads(t *testing.T, want string) string {
	t.Helper()
	return b.WaitConsole(t, slow, "READING "+want)
}

func TestOnBoard(t *testing.T) {
	setup, err := json.Marshal(units())
	if err != nil {
		t.Fatal(err)
	}
	b := board{rig.Start(t, rig.Config{
		Programs: map[string]string{"/usr/bin/onboard": rig.Build(t, "./hw/onboard")},
		Files:    map[string][]byte{"/etc/setup.json": setup},
	})}
	b.SetTemperature(t, 21.5)
	b.Run(t, "mkfifo /tmp/fifo")
	b.Spawn(t, "/usr/bin/onboard /etc/setup.json /tmp/fifo")
	b.WaitConsole(t, slow, "READY")

	b.reads(t, "cabinet temperature 21.5 good")
	b.reads(t, `absent temperature invalid sensor "absent": lm75 at /dev/i2c-0 0x49: no device answers`)
	b.reads(t, `swapped humidity invalid sensor "swapped": bme280 at /dev/i2c-0 0x76: another device is there: chip id`)
	b.SetTemperature(t, -0.0625) // 12 bits
	b.reads(t, "cabinet temperature -0.0625 good")

	b.SetPressure(t, 98000)
	b.AddDPS310(t)
	b.reads(t, "weather pressure 98000 good")
	b.reads(t, `swapped humidity invalid sensor "swapped": bme280 at /dev/i2c-0 0x76: the address is in use by the kernel's driver dps310`)
	b.reads(t, `clock temperature invalid sensor "clock": ds3231 at /dev/i2c-0 0x68: another device is there: its registers do not begin anew`)
	t.Run("kernel's thermometers", b.checkThermometers)
	t.Run("fan", b.checkFan)
	b.tell(t, "scan")
	t.Run("edges", b.checkEdges)
	t.Run("output", b.checkOutput)
	t.Run("scan", b.checkScan)
	t.Run("bus", b.checkBus)

	b.tell(t, "set relay on")
	b.WaitOutput(t, slow, 5, true)
	b.tell(t, "end")
	b.WaitOutput(t, slow, 5, false)
	b.WaitConsole(t, slow, "ENDED")
	b.PowerOff(t)
}

func (b board) checkScan(t *testing.T) {
	b.WaitConsole(t, slow, "SCANNED")
	console := "\n" + strings.Join(b.Console(), "\n") + "\n"
	for _, want := range []string{
		"/dev/i2c-0 0x48 [ads1115 ina219 ina226 lm75 lm75b pca9685 tmp102 tmp105] ",
		"/dev/i2c-0 0x76 [bme280 bmp280] dps310",
		"/dev/gpiochip0 209c000.gpio 32",
		"iio:device0 dps310 2",
	} {
		if !strings.Contains(console, "\nSCAN "+strings.TrimSpace(want)) {
			t.Errorf("the scan did not find %s", want)
		}
	}
}

// checkThermometers has parts come that the kernel serves.
func (b board) checkThermometers(t *testing.T) {
	b.SetPart(t, "tmp421", "temperature0", 33)
	b.SetPart(t, "tmp421", "temperature1", -12)
	b.SetPart(t, "emc1413", "temperature1", 41)
	b.AddThermometers(t)
	for _, want := range []string{
		"outside temp1 32.938 good", "outside temp2 -12 good", // 33 and -12 °C in sixteenths, as the kernel has them
		"rack temp2 41 good", // whole degrees, as the kernel's driver reads it
	} {
		b.reads(t, want)
	}
}

// checkFan drives a PWM channel of the kernel.
func (b board) checkFan(t *testing.T) {
	const channel = "/sys/class/pwm/pwmchip0/pwm0/"
	b.reads(t, "fan level 0 good")
	b.tell(t, "set fan on")
	b.reads(t, "fan level 100 good")
	if got := strings.Fields(b.Run(t, "cd "+channel+"; cat period duty_cycle enable")); strings.Join(got, " ") != "5000000 5000000 1" {
		t.Errorf("period, duty cycle, enable: %s", got)
	}
}

// checkEdges drives a line from outside, and follows each edge.
func (b board) checkEdges(t *testing.T) {
	b.DriveLine(t, 0, 4, true)
	b.reads(t, "door state true good")
	b.reads(t, "door count 1 good")
	for edge := 1; edge <= 100; edge++ {
		b.DriveLine(t, 0, 6, edge%2 == 1)
		b.reads(t, fmt.Sprintf("pulses count %d good", edge))
	}
}

func (b board) checkOutput(t *testing.T) {
	for _, on := range []bool{true, false, true, false} {
		b.tell(t, "set relay "+map[bool]string{true: "on", false: "off"}[on])
		b.WaitOutput(t, slow, 5, on)
		if got := b.OutputLevel(t, 0, 5); got != on {
			t.Errorf("the data register says %v, want %v", got, on)
		}
	}
	b.reads(t, "relay state true good")
}

// checkBus takes the bus away in the middle of sampling and gives it back.
func (b board) checkBus(t *testing.T) {
	const gone = ` invalid sensor "cabinet": tmp105 at /dev/i2c-0 0x48: /dev/i2c-0 does not exist`
	last := "-0.0625"
	for _, next := range []string{"1", "2", "3"} {
		b.UnbindI2C(t)
		b.reads(t, "cabinet temperature "+last+gone)
		b.BindI2C(t)
		celsius, err := strconv.ParseFloat(next, 64)
		if err != nil {
			t.Fatal(err)
		}
		b.SetTemperature(t, celsius)
		b.reads(t, "cabinet temperature "+next+" good")
		last = next
	}
	b.reads(t, `weather pressure 98000 invalid sensor "weather": iio at dps310: dps310 does not exist`)
	b.AddDPS310(t)
	b.SetPressure(t, 101300)
	b.reads(t, "weather pressure 101") // 101174 Pa: the emulated part's temperature is off
}
