package hw

import "lwm2m-agent/hw/spidev"

// BusKind is what a driver's parts are connected to.
type BusKind string

// The kinds of buses.
const (
	BusI2C    BusKind = "i2c"
	BusSPI    BusKind = "spi"
	BusGPIO   BusKind = "gpio"
	BusSysfs  BusKind = "sysfs"
	BusModbus BusKind = "modbus"
	BusNone   BusKind = "none"
)

// Driver is one line of the table of drivers. docs/drivers.md is made from it.
type Driver struct {
	// Name is the value of the key "driver".
	Name string
	// Bus is what the part is connected to.
	Bus BusKind
	// Summary is one line: the parts it serves.
	Summary string
	// Addresses are the I2C addresses that the parts can have.
	Addresses []uint16
	// Channels are the channels it feeds (or takes, for an actuator). Where
	// they depend on the device, ChannelsVary says how, and Channels is empty.
	Channels     []Channel
	ChannelsVary string
	// Settings are the keys it takes besides name and driver.
	Settings []Setting
	// Proof says how the driver was shown to work.
	Proof string

	// spi is what parts on SPI need of it.
	spi spidev.Settings

	// places are what a section takes of a part that several can share; nil: the
	// part belongs to one.
	places func(Role, Config) []string

	newSensor   func(*access) (device, error)
	newActuator func(*access) (actuator, error)
}

// Setting is one key of the configuration file that a driver takes.
type Setting struct {
	Key      string // as in the file: "debounce"
	Required bool
	Help     string // one line, with the default
}

// Sensor reports whether the driver serves sensors.
func (d Driver) Sensor() bool { return d.newSensor != nil }

// Actuator reports whether the driver serves actuators.
func (d Driver) Actuator() bool { return d.newActuator != nil }

// Shared reports whether several sensors and actuators can be parts of one
// address.
func (d Driver) Shared() bool { return d.places != nil }

// device makes the device that a.cfg describes, without touching it.
func (d Driver) device(role Role, a *access) (device, error) {
	if role == RoleActuator {
		return d.newActuator(a)
	}
	return d.newSensor(a)
}
