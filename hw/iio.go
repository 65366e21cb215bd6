package hw

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// iioClass is Linux's industrial I/O, Documentation/ABI/testing/sysfs-bus-iio.
func iioClass() sysClass {
	return sysClass{root: "bus/iio/devices", names: []string{"label", "name"}, list: iioList, known: iioChannel}
}

func iioDriver() Driver {
	return Driver{
		Name:         "iio",
		Bus:          BusSysfs,
		Summary:      "whatever the kernel serves through IIO: ADCs, pressure, humidity, light, acceleration …",
		ChannelsVary: "`in_*_input` and `in_*_raw` of the device, called by what stands between: temp, pressure, voltage0, accel_x",
		Settings:     []Setting{settingDevice, settingInterval},
		Proof:        "live emulation (QEMU: a DPS310 behind the kernel's driver), files as the kernel has them",
		newSensor:    func(a *access) (device, error) { return newSysSensor(a, iioClass()) },
	}
}

// iioTypes are the channel types that have a quantity here, with the power of
// ten that leads from the unit of the ABI document to ours. Others are Generic
// as they are.
var iioTypes = map[string]struct {
	quantity Quantity
	unit     string
	exp      int
}{
	"temp":             {Temperature, "Cel", -3},
	"humidityrelative": {Humidity, "%RH", -3},
	"pressure":         {Pressure, "Pa", 3},
	"illuminance":      {Illuminance, "lx", 0},
	"voltage":          {Voltage, "V", -3},
	"current":          {Current, "A", -3},
	"power":            {Power, "W", -3},
	"energy":           {Energy, "J", 0},
	"resistance":       {Resistance, "Ohm", 0},
	"distance":         {Distance, "m", 0},
	"ph":               {Acidity, "pH", 0},
	"concentration":    {Concentration, "ppm", 4},
	"accel":            {Acceleration, "m/s2", 0},
	"anglvel":          {AngularRate, "rad/s", 0},
	"magn":             {MagneticField, "T", -4},
}

// iioType returns the type of a channel: "voltage" of "voltage0-voltage1".
func iioType(name string) string {
	if end := strings.IndexAny(name, "0123456789_-"); end >= 0 {
		return name[:end]
	}
	return name
}

// iioShared returns what names the attributes that a channel shares with others of its type: "voltage", and then
// "voltage-voltage" of "voltage0-voltage1", which measures the one against the other.
func iioShared(name string) []string {
	shared := []string{iioType(name)}
	if plus, minus, ok := strings.Cut(name, "-"); ok {
		shared = append(shared, iioType(plus)+"-"+iioType(minus))
	}
	return shared
}

func iioChannel(name string) (Channel, bool) {
	if name == "" || strings.ContainsAny(name, "/ ") {
		return Channel{}, false
	}
	c := Channel{Name: name, Quantity: Generic, Kind: KindFloat}
	if t, ok := iioTypes[iioType(name)]; ok {
		c.Quantity, c.Unit = t.quantity, t.unit
	}
	for _, axis := range []string{"x", "y", "z"} {
		if strings.HasSuffix(name, "_"+axis) {
			c.Axis = axis
		}
	}
	return c, true
}

// iioList finds the channels of the device in folder. A processed value
// ("input") comes before a raw one.
func iioList(folder string) ([]sysChannel, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	files := make(map[string]string) // by channel name
	for _, e := range entries {
		core, ok := strings.CutPrefix(e.Name(), "in_")
		if !ok {
			continue
		}
		if name, ok := strings.CutSuffix(core, "_input"); ok {
			files[name] = e.Name()
		} else if name, ok := strings.CutSuffix(core, "_raw"); ok && files[name] == "" {
			files[name] = e.Name()
		}
	}
	var channels []sysChannel
	for name, file := range files {
		channel, ok := iioChannel(name)
		if !ok {
			continue
		}
		c, err := iioScaled(folder, file, channel)
		if err != nil {
			return nil, err
		}
		channels = append(channels, c)
	}
	sort.SliceStable(channels, func(i, j int) bool { return naturally(channels[i].Name, channels[j].Name) < 0 })
	return channels, nil
}

// iioScaled finds the scale and offset of a channel: its own, or those that its
// type shares. They belong to raw values only.
func iioScaled(folder, file string, channel Channel) (sysChannel, error) {
	c := sysChannel{Channel: channel, file: filepath.Join(folder, file), scale: 1}
	if strings.HasSuffix(file, "_raw") {
		for _, name := range append(iioShared(channel.Name), channel.Name) { // the later one counts
			var err error
			if c.scale, err = numberOr(filepath.Join(folder, "in_"+name+"_scale"), c.scale); err == nil {
				c.offset, err = numberOr(filepath.Join(folder, "in_"+name+"_offset"), c.offset)
			}
			if err != nil {
				return c, err
			}
		}
	}
	if t, ok := iioTypes[iioType(channel.Name)]; ok {
		c.exp = t.exp
	}
	if label, err := readAttribute(filepath.Join(folder, "in_"+channel.Name+"_label")); err == nil {
		c.Label = truncate(label, 64)
	}
	return c, nil
}
