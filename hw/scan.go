package hw

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/hw/gpio"
	"lwm2m-agent/hw/i2cdev"
)

// Scan lists what a board has, without writing data to any device. What cannot
// be looked at is listed with its error. It ends with ctx, and with what it has
// found by then.
func Scan(ctx context.Context, opts Options) Inventory {
	p := newPlatform(opts)
	return p.scan(ctx, func(path string) (prober, error) { return i2cdev.Open(path, nil) })
}

// prober is an adapter that can be asked who answers.
type prober interface {
	Probe(address uint16) (bool, error)
	Close() error
}

func (p *platform) scan(ctx context.Context, open func(path string) (prober, error)) Inventory {
	inv := Inventory{
		I2C:         p.scanI2C(ctx, open),
		SPI:         p.scanSPI(),
		GPIO:        p.scanGPIO(),
		IIO:         p.scanClass(iioClass()),
		HWMon:       p.scanClass(hwmonClass()),
		Thermal:     p.scanClass(thermalClass()),
		PowerSupply: p.scanClass(powerSupplyClass()),
		Counter:     p.scanClass(counterClass()),
		OneWire:     p.scanOneWire(),
		Serial:      p.scanSerial(),
	}
	return inv
}

// Inventory is what [Scan] found.
type Inventory struct {
	I2C         []I2CBus
	SPI         []SPIDevice
	GPIO        []GPIOChip
	IIO         []SysDevice
	HWMon       []SysDevice
	Thermal     []SysDevice
	PowerSupply []SysDevice
	Counter     []SysDevice
	OneWire     []OneWireDevice
	Serial      []SerialPort
}

// I2CBus is one I2C adapter.
type I2CBus struct {
	Path    string // "/dev/i2c-1"
	Name    string // the adapter's: "21a0000.i2c"
	Channel string // of a multiplexer's channel, what "bus" may say whatever its number is: "/dev/i2c-1/0x70/2"
	Devices []I2CDevice
	Err     error
}

// I2CDevice is an address that answers or that a kernel driver holds.
type I2CDevice struct {
	Address uint16
	Drivers []string // of this package that serve parts with that address
	Kernel  string   // the kernel device that holds the address, or ""
}

// SPIDevice is a place on an SPI bus that the kernel leaves to programs. Nothing
// says which part is there, if any.
type SPIDevice struct {
	Path string // "/dev/spidev0.0"
	Name string // what the device tree calls it: "mcp3008", or ""
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

// The addresses that parts have; the others are reserved (I2C specification
// UM10204 table 4).
const (
	firstAddress = 0x08
	lastAddress  = 0x77
)

// maxTimeouts is how long an adapter's addresses may time out, which is what some
// do where nobody answers, before a bus on which nobody has answered at all
// counts as stuck.
const maxTimeouts = 30 * time.Second

func (p *platform) scanI2C(ctx context.Context, open func(path string) (prober, error)) []I2CBus {
	paths, err := filepath.Glob(filepath.Join(p.dev, "i2c-*"))
	if err != nil {
		return []I2CBus{{Path: p.dev, Err: err}}
	}
	slices.SortFunc(paths, naturally)
	adapters := p.i2cAdapters()
	found := make([]I2CBus, len(paths))
	for i, path := range paths {
		adapter := adapters[filepath.Base(path)]
		found[i] = I2CBus{Path: p.shown(path), Name: adapter.name}
		if adapter.parent != "" {
			found[i].Channel = adapter.place(adapters)
		}
		lane := p.buses.lane("scan " + path) // an adapter that hangs ends with its own listing
		found[i].Devices, found[i].Err = scanAdapter(ctx, lane, func() (prober, error) { return open(path) })
		p.buses.put(lane)
		for j := range found[i].Devices {
			d := &found[i].Devices[j]
			d.Kernel, _ = readAttribute(filepath.Join(p.kernelDevice(path, d.Address), "name"))
		}
	}
	onChannels(found, adapters)
	return found
}

// onChannels leaves to each channel of a multiplexer what is on it: what is on a
// bus above answers there, too.
func onChannels(found []I2CBus, adapters map[string]i2cAdapter) {
	answers := make(map[string]bool)
	for _, bus := range found {
		for _, d := range bus.Devices {
			answers[i2cPlace(filepath.Base(bus.Path), d.Address)] = true
		}
	}
	for i, bus := range found {
		above, _ := adapters[filepath.Base(bus.Path)].above(adapters)
		found[i].Devices = slices.DeleteFunc(bus.Devices, func(d I2CDevice) bool {
			return slices.ContainsFunc(above, func(node string) bool { return answers[i2cPlace(node, d.Address)] })
		})
	}
}

// scanAdapter asks every address of an adapter, those of known parts first: it
// may end before it has asked them all.
func scanAdapter(ctx context.Context, lane *bus, open func() (prober, error)) (devices []I2CDevice, err error) {
	a := &access{bus: lane}
	adapter, err := acquire(ctx, a, open)
	if err != nil {
		return nil, err
	}
	defer a.discard(ctx, adapter)
	defer func() {
		sort.SliceStable(devices, func(i, j int) bool { return devices[i].Address < devices[j].Address })
	}()
	var lost time.Duration // to addresses that timed out
	var gone error         // the adapter, if no address has another word: i2c-stub says so of an address where nobody is
	for _, address := range scanOrder() {
		began := time.Now()
		answers, err := blocking(ctx, a, func() (bool, error) { return adapter.Probe(address) })
		switch {
		case errors.Is(err, unix.ETIMEDOUT) && (len(devices) > 0 || lost < maxTimeouts):
			lost += time.Since(began)
		case errors.Is(err, unix.ENODEV):
			gone = fmt.Errorf("ask address %#02x: %w", address, err)
		case errors.Is(err, unix.EBUSY), answers:
			devices = append(devices, I2CDevice{Address: address, Drivers: driversAt(address)})
		case errors.Is(err, unix.EOPNOTSUPP):
			// This address cannot be asked without harm on this adapter.
		case err != nil:
			return devices, fmt.Errorf("ask address %#02x: %w", address, err)
		}
	}
	if len(devices) > 0 {
		gone = nil
	}
	return devices, gone
}

// scanOrder is all addresses, those of known sensors first.
func scanOrder() []uint16 {
	order := addressRange(firstAddress, lastAddress)
	slices.SortStableFunc(order, func(x, y uint16) int {
		return cmp.Compare(min(len(sensorsAt(y)), 1), min(len(sensorsAt(x)), 1))
	})
	return order
}

// shown is the path as the configuration has it.
func (p *platform) shown(path string) string {
	if rest, err := filepath.Rel(p.dev, path); err == nil {
		return "/dev/" + rest
	}
	return path
}

// scanSPI lists the nodes of spidev. The modalias of a device is "spi:" and its name.
func (p *platform) scanSPI() []SPIDevice {
	paths, _ := filepath.Glob(filepath.Join(p.dev, "spidev*")) // the pattern is well formed
	slices.SortFunc(paths, naturally)
	found := make([]SPIDevice, 0, len(paths))
	for _, path := range paths {
		alias, _ := readAttribute(filepath.Join(p.sys, "class/spidev", filepath.Base(path), "device/modalias"))
		found = append(found, SPIDevice{Path: p.shown(path), Name: strings.TrimPrefix(alias, "spi:")})
	}
	return found
}

func (p *platform) scanGPIO() []GPIOChip {
	paths, err := p.chips()
	if err != nil {
		return []GPIOChip{{Path: p.dev, Err: err}}
	}
	found := make([]GPIOChip, len(paths))
	for i, path := range paths {
		found[i] = p.scanChip(path)
	}
	return found
}

func (p *platform) scanChip(path string) GPIOChip {
	found := GPIOChip{Path: p.shown(path), Name: filepath.Base(path)}
	chip, err := gpio.OpenChip(path, p.gpio)
	if err != nil {
		found.Err = nodeError(found.Path, err)
		return found
	}
	defer func() { _ = chip.Close() }() // was only asked
	found.Label = chip.Label()
	for offset := range chip.Lines() {
		info, err := chip.Line(offset)
		if err != nil {
			found.Err = err
			return found
		}
		line := GPIOLine{
			Offset: offset, Name: info.Name, Consumer: info.Consumer,
			Used: info.Used, Output: info.Output, Active: ActiveHigh,
		}
		if info.ActiveLow {
			line.Active = ActiveLow
		}
		found.Lines = append(found.Lines, line)
	}
	return found
}

// scanClass lists the devices of a class that measure something.
func (p *platform) scanClass(class sysClass) []SysDevice {
	folders, err := class.folders(p.sys)
	if err != nil {
		return nil // no such class on this kernel
	}
	var found []SysDevice
	for _, folder := range folders {
		device := SysDevice{Folder: filepath.Base(folder), Name: class.name(folder)}
		channels, err := class.list(folder)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(channels) == 0 {
			continue // a cooling device, an IIO trigger, a hwmon that only names something
		}
		device.Err = err
		for _, c := range channels {
			device.Channels = append(device.Channels, c.Channel)
		}
		found = append(found, device)
	}
	return found
}

// scanOneWire lists /sys/bus/w1/devices: a slave is called by its family and
// serial number, "28-00000a3b4c5d".
func (p *platform) scanOneWire() []OneWireDevice {
	entries, err := os.ReadDir(filepath.Join(p.sys, "bus/w1/devices"))
	if err != nil {
		return nil // no 1-wire on this kernel
	}
	var found []OneWireDevice
	for _, e := range entries {
		family, _, ok := strings.Cut(e.Name(), "-")
		number, err := strconv.ParseUint(family, 16, 8)
		if ok && err == nil {
			found = append(found, OneWireDevice{ID: e.Name(), Family: uint8(number)})
		}
	}
	return found
}

// scanSerial lists the serial lines that a driver stands behind. Places for a
// UART that was not found are of type 0, PORT_UNKNOWN.
func (p *platform) scanSerial() []SerialPort {
	folders, err := filepath.Glob(filepath.Join(p.sys, "class/tty/*/device/driver"))
	if err != nil {
		return nil
	}
	slices.SortFunc(folders, naturally)
	var found []SerialPort
	for _, folder := range folders {
		tty := filepath.Dir(filepath.Dir(folder))
		driver, err := os.Readlink(folder)
		kind, _ := readAttribute(filepath.Join(tty, "type")) // only UARTs have it
		if err == nil && kind != "0" {
			found = append(found, SerialPort{Path: "/dev/" + filepath.Base(tty), Driver: filepath.Base(driver)})
		}
	}
	return found
}

// Suggest returns a ready configuration for each device that a driver can
// serve without more being known.
func (inv Inventory) Suggest() Setup {
	var setup Setup
	for _, bus := range inv.I2C {
		for _, d := range bus.Devices {
			if sensors := sensorsAt(d.Address); len(sensors) > 0 && d.Kernel == "" {
				setup.Sensors = append(setup.Sensors, Config{
					Name: fmt.Sprintf("%s %02x", filepath.Base(bus.Path), d.Address), Driver: sensors[0],
					Bus: cmp.Or(bus.Channel, bus.Path), Address: d.Address,
				})
			}
		}
	}
	add := func(driver string, devices []SysDevice) {
		for _, d := range devices {
			if d.Err == nil {
				setup.Sensors = append(setup.Sensors, Config{Name: driver + " " + d.Folder, Driver: driver, Device: uniqueName(d, devices)})
			}
		}
	}
	for _, d := range inv.OneWire {
		if slices.Contains(oneWireThermometers, d.Family) {
			setup.Sensors = append(setup.Sensors, Config{Name: "1-wire " + d.ID, Driver: "ds18b20", Device: d.ID})
		}
	}
	add("iio", inv.IIO)
	add("hwmon", inv.HWMon)
	add("thermal", inv.Thermal)
	add("power_supply", inv.PowerSupply)
	add("counter", inv.Counter)
	return setup
}

// uniqueName is the device's name, or its folder where several have that name.
func uniqueName(d SysDevice, among []SysDevice) string {
	for _, other := range among {
		if d.Name == "" || other.Name == d.Name && other.Folder != d.Folder {
			return d.Folder
		}
	}
	return d.Name
}
