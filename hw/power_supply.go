package hw

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// powerSupplyClass is Linux's batteries and chargers,
// Documentation/ABI/testing/sysfs-class-power. They have no name but their
// folder's.
func powerSupplyClass() sysClass {
	return sysClass{root: "class/power_supply", anyName: true, list: powerSupplyList, known: powerSupplyChannel}
}

func powerSupplyDriver() Driver {
	return Driver{
		Name:         "power_supply",
		Bus:          BusSysfs,
		Summary:      "batteries and chargers that the kernel serves",
		ChannelsVary: "what it has of capacity (%), voltage (V), current (A), power (W), temperature (Cel), online (1 with power)",
		Settings:     []Setting{{Key: "device", Required: true, Help: "its folder: \"BAT0\", \"AC\""}, settingInterval},
		Proof:        "files as the kernel has them",
		newSensor:    func(a *access) (device, error) { return newSysSensor(a, powerSupplyClass()) },
	}
}

// powerSupplyFiles are the attributes, with the power of ten to our unit.
var powerSupplyFiles = []struct {
	channel Channel
	file    string
	exp     int
}{
	{Channel{Name: "capacity", Quantity: Level, Unit: "%", Kind: KindFloat, Range: Range{0, 100}}, "capacity", 0},
	{Channel{Name: "voltage", Quantity: Voltage, Unit: "V", Kind: KindFloat}, "voltage_now", -6},
	{Channel{Name: "current", Quantity: Current, Unit: "A", Kind: KindFloat}, "current_now", -6},
	{Channel{Name: "power", Quantity: Power, Unit: "W", Kind: KindFloat}, "power_now", -6},
	{Channel{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat}, "temp", -1},
	{Channel{Name: "online", Quantity: Generic, Kind: KindFloat, Range: Range{0, 2}}, "online", 0},
}

func powerSupplyChannel(name string) (Channel, bool) {
	for _, f := range powerSupplyFiles {
		if f.channel.Name == name {
			return f.channel, true
		}
	}
	return Channel{}, false
}

// powerSupplyList finds what the device in folder has.
func powerSupplyList(folder string) ([]sysChannel, error) {
	var channels []sysChannel
	for _, f := range powerSupplyFiles {
		file := filepath.Join(folder, f.file)
		_, err := os.Stat(file)
		switch {
		case err == nil:
			channels = append(channels, sysChannel{Channel: f.channel, file: file, scale: 1, exp: f.exp})
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return channels, nil
}
