package hw

// The settings that drivers share.
var (
	settingBus       = Setting{Key: "bus", Required: true, Help: "the I2C adapter by node, \"/dev/i2c-1\", by name, or a multiplexer's channel, \"/dev/i2c-1/0x70/2\""}
	settingSPI       = Setting{Key: "bus", Required: true, Help: "the part's SPI device, \"/dev/spidev0.0\""}
	settingAddress   = Setting{Key: "address", Required: true, Help: "the I2C address, 0x48"}
	settingInterval  = Setting{Key: "interval", Help: "time between samples; 60s"}
	settingChip      = Setting{Key: "chip", Help: "the GPIO chip by path or label; may be left out if line is a name"}
	settingLine      = Setting{Key: "line", Required: true, Help: "the line's number or name"}
	settingActive    = Setting{Key: "active", Help: "the active level, \"high\" or \"low\"; high"}
	settingSafe      = Setting{Key: "safe", Help: "\"off\", \"on\", a number or \"keep\": at start, on loss of its condition and at the end; off"}
	settingFrequency = Setting{Key: "frequency", Help: "of the PWM, in Hz; 200"}
	settingDevice    = Setting{Key: "device", Required: true, Help: "the kernel's name for the device, or its folder"}
)

func addressRange(first, last uint16) []uint16 {
	var addresses []uint16
	for a := first; a <= last; a++ {
		addresses = append(addresses, a)
	}
	return addresses
}
