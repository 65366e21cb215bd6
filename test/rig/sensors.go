package rig

import (
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
