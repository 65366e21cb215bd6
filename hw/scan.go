package hw

import "context"

// Probe opens the device of one sensor or actuator, reads it once and closes
// it again. It changes nothing: an output line is only looked at. The error is
// a *Error.
func Probe(ctx context.Context, role Role, cfg Config, opts Options) ([]Reading, error) {
	return nil, nil
}

// Scan lists what a board has, without writing to any device. What cannot be
// looked at is listed with its error.
func Scan(ctx context.Context, opts Options) Inventory { return Inventory{} }

// Inventory is what [Scan] found.
type Inventory struct {
	I2C     []I2CBus
	GPIO    []GPIOChip
	IIO     []SysDevice
	HWMon   []SysDevice
	Thermal []SysDevice
	OneWire []OneWireDevice
	Serial  []SerialPort
}

// I2CBus is one I2C adapter.
type I2CBus struct {
	Path    string // "/dev/i2c-1"
	Name    string // the adapter's: "21a0000.i2c"
	Devices []I2CDevice
	Err     error
}

// I2CDevice is an address that answers or that a kernel driver holds.
type I2CDevice struct {
	Address uint16
	Drivers []string // of this package that serve parts with that address
	Kernel  string   // the kernel device that holds the address, or ""
}

// GPIOChip is one GPIO controller.
type GPIOChip struct {
	Path  string // "/dev/gpiochip0"
	Name  string // "gpiochip0"
	Label string // "209c000.gpio"
	Lines []GPIOLine
	Err   error
}

// GPIOLine is one line of a chip.
type GPIOLine struct {
	Offset   int
	Name     string // or ""
	Consumer string // who uses it, or ""
	Used     bool
	Output   bool
	Active   Active
}

// SysDevice is an IIO device, a hwmon device or a thermal zone.
type SysDevice struct {
	Folder   string // "iio:device0", "hwmon1", "thermal_zone0"
	Name     string // what "device" may say: "dps310", "k10temp", "cpu-thermal"
	Channels []Channel
	Err      error
}

// OneWireDevice is a device on a 1-wire bus.
type OneWireDevice struct {
	ID     string // "28-00000a3b4c5d"
	Family uint8  // 0x28
}

// SerialPort is a serial line that has hardware behind it.
type SerialPort struct {
	Path   string // "/dev/ttyUSB0"
	Driver string // the kernel's: "cp210x"
}

// Suggest returns a ready configuration for each device that a driver can
// serve without more being known.
func (inv Inventory) Suggest() Setup { return Setup{} }
