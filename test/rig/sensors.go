package rig

import (
	"encoding/json"
	"fmt"

	"lwm2m-agent/test/workspace"
)

// SetTemperature sets what the TMP105 measures, in °C. Its default resolution is 0.5 °C.
func (b *Board) SetTemperature(t workspace.T, celsius float64) {
	t.Helper()
	b.SetPart(t, "tmp105", "temperature", celsius)
}

// AddThermometers puts the kernel's drivers on the TMP421 and the EMC1413, which then are hwmon devices of these names.
func (b *Board) AddThermometers(t workspace.T) {
	t.Helper()
	for part, address := range map[string]int{"tmp421": TMP421, "emc1413": EMC1413} {
		b.Run(t, fmt.Sprintf("echo %s %#x > /sys/bus/i2c/devices/i2c-0/new_device", part, address))
	}
}

// AddMagnetometer puts the kernel's driver on the LSM303DLHC's magnetometer: that of the LSM303DLH, which does not ask for the WHO_AM_I that
// QEMU's part lacks. It then is an IIO device "lsm303dlh_magn", which takes 30 ms to answer.
func (b *Board) AddMagnetometer(t workspace.T) {
	t.Helper()
	b.Run(t, fmt.Sprintf("echo lsm303dlh_magn %#x > /sys/bus/i2c/devices/i2c-0/new_device", LSM303))
	b.Run(t, "for f in /sys/bus/iio/devices/*/name; do if grep -q lsm303dlh_magn $f; then echo 75 > ${f%/name}/sampling_frequency; fi; done")
}

// SetField sets the magnetic field along the magnetometer's x axis, in µT. QEMU makes 11 of a µT, as the data sheet does. Linux 6.1 swaps the
// bytes of what it reads (st_sensors_read_axis_data), and takes one for 0.11 µT: 46.728 µT, 0x0202, are 56.54 µT there.
func (b *Board) SetField(t workspace.T, microtesla float64) {
	t.Helper()
	b.SetPart(t, "lsm303", "mag-x", microtesla)
}

// Lamp is what the PCA9552 does with the LED "pca955x:lamp": "on", "off", "pwm0" or "pwm1".
func (b *Board) Lamp(t workspace.T) string {
	t.Helper()
	var state string
	answer := b.monitor.execute(t, "qom-get", map[string]any{"path": "/machine/peripheral/pca9552", "property": "led0"})
	if err := json.Unmarshal(answer, &state); err != nil {
		t.Fatalf("look at the lamp: %s", answer)
	}
	return state
}

// The I2C controller of /dev/i2c-0, and its driver.
const (
	busController = "21a0000.i2c"
	busDriver     = "/sys/bus/platform/drivers/imx-i2c"
)

// UnbindI2C takes the bus and everything on it away from the guest's kernel.
func (b *Board) UnbindI2C(t workspace.T) {
	t.Helper()
	b.Run(t, "echo "+busController+" > "+busDriver+"/unbind")
}

// BindI2C gives the bus back. Kernel drivers of chips that were added by hand are to be added again.
func (b *Board) BindI2C(t workspace.T) {
	t.Helper()
	b.Run(t, "echo "+busController+" > "+busDriver+"/bind")
}

// AddDPS310 puts the kernel's driver on the DPS310, which then is an IIO device with in_temp_input (m°C) and in_pressure_input (kPa).
func (b *Board) AddDPS310(t workspace.T) {
	t.Helper()
	b.Run(t, "echo dps310 0x76 > /sys/bus/i2c/devices/i2c-0/new_device")
}
