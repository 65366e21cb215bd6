package rig

import (
	"math"

	"lwm2m-agent/test/workspace"
)

// SetTemperature sets what the TMP105 measures, in °C. Its default resolution is 0.5 °C.
func (b *Board) SetTemperature(t workspace.T, celsius float64) {
	t.Helper()
	b.monitor.execute(t, "qom-set", map[string]any{
		"path": "/machine/peripheral/tmp105", "property": "temperature", "value": int(math.Round(celsius * 1000)),
	})
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
