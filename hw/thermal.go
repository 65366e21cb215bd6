package hw

import (
	"os"
	"path/filepath"
)

// thermalClass is Linux's thermal zones, Documentation/driver-api/thermal/sysfs-api.rst.
func thermalClass() sysClass {
	return sysClass{root: "class/thermal", names: []string{"type"}, list: thermalList, known: thermalChannel}
}

func thermalChannels() []Channel {
	return []Channel{{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat}}
}

func thermalDriver() Driver {
	return Driver{
		Name:     "thermal",
		Bus:      BusSysfs,
		Summary:  "the kernel's thermal zones: processor, board, battery",
		Channels: thermalChannels(),
		Settings: []Setting{settingDevice, settingInterval},
		Proof:    "files as the kernel has them",
		newSensor: func(a *access) (device, error) {
			return &sysSensor{access: a, class: thermalClass(), known: thermalChannels()}, nil
		},
	}
}

func thermalChannel(name string) (Channel, bool) {
	return thermalChannels()[0], name == "temperature"
}

// thermalList is the one channel of the zone in folder. Cooling devices, which
// live beside the zones, have none.
func thermalList(folder string) ([]sysChannel, error) {
	file := filepath.Join(folder, "temp") // m°C
	if _, err := os.Stat(file); err != nil {
		return nil, err
	}
	return []sysChannel{{Channel: thermalChannels()[0], file: file, scale: 1, exp: -3}}, nil
}
