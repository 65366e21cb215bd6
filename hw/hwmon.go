package hw

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// hwmonClass is Linux's hardware monitoring, Documentation/hwmon/sysfs-interface.rst.
func hwmonClass() sysClass {
	return sysClass{root: "class/hwmon", names: []string{"name"}, list: hwmonList, known: hwmonChannel}
}

func hwmonDriver() Driver {
	return Driver{
		Name:         "hwmon",
		Bus:          BusSysfs,
		Summary:      "whatever the kernel serves through hwmon: board and processor temperatures, fans, voltages, power",
		ChannelsVary: "`*_input` of the device, called by what stands before: temp1, in0, fan1, curr1, power1",
		Settings:     []Setting{settingDevice, settingInterval},
		Proof:        "live emulation (QEMU: a TMP421 and an EMC1413 behind the kernel's drivers), files as the kernel has them",
		newSensor:    func(a *access) (device, error) { return newSysSensor(a, hwmonClass()) },
	}
}

// hwmonTypes are the attribute types, with the power of ten to our unit.
var hwmonTypes = map[string]struct {
	quantity Quantity
	unit     string
	exp      int
}{
	"temp":     {Temperature, "Cel", -3},
	"in":       {Voltage, "V", -3},
	"curr":     {Current, "A", -3},
	"power":    {Power, "W", -6},
	"energy":   {Energy, "J", -6},
	"humidity": {Humidity, "%RH", -3},
	"fan":      {Rotation, "1/min", 0},
	"freq":     {Frequency, "Hz", 0},
}

func hwmonChannel(name string) (Channel, bool) {
	kind := strings.TrimRight(name, "0123456789")
	t, ok := hwmonTypes[kind]
	if !ok || kind == name {
		return Channel{}, false
	}
	return Channel{Name: name, Quantity: t.quantity, Unit: t.unit, Kind: KindFloat}, true
}

// hwmonList finds the channels of the device in folder.
func hwmonList(folder string) ([]sysChannel, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var channels []sysChannel
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), "_input")
		if !ok {
			continue
		}
		channel, ok := hwmonChannel(name)
		if !ok {
			continue
		}
		if label, err := readAttribute(filepath.Join(folder, name+"_label")); err == nil {
			channel.Label = truncate(label, 64)
		}
		channels = append(channels, sysChannel{
			Channel: channel,
			file:    filepath.Join(folder, e.Name()),
			scale:   1,
			exp:     hwmonTypes[strings.TrimRight(name, "0123456789")].exp,
			fault:   filepath.Join(folder, name+"_fault"),
		})
	}
	sort.SliceStable(channels, func(i, j int) bool { return naturally(channels[i].Name, channels[j].Name) < 0 })
	return channels, nil
}
