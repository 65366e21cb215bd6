package hw

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// i2cAdapter is an I2C adapter of the kernel. A channel of a multiplexer is an
// adapter of its own.
type i2cAdapter struct {
	node    string // "i2c-5"
	name    string // "21a0000.i2c"
	parent  string // the node of the bus that the multiplexer is on; "" without one
	mux     string // "0x70", or what the kernel calls one that is not on the bus
	channel int
}

// i2cAdapters are the adapters that have a node, by it.
func (p *platform) i2cAdapters() map[string]i2cAdapter {
	folders, _ := filepath.Glob(filepath.Join(p.sys, "class/i2c-dev/i2c-*")) // the pattern is well formed
	adapters := make(map[string]i2cAdapter)
	for _, folder := range folders {
		a := i2cAdapter{node: filepath.Base(folder)}
		a.name, _ = readAttribute(filepath.Join(folder, "name"))
		device, err := os.Readlink(filepath.Join(p.sys, "bus/i2c/devices", a.node, "mux_device"))
		var bus int
		// The name is made by i2c_mux_add_adapter in drivers/i2c/i2c-mux.c.
		if _, scanErr := fmt.Sscanf(a.name, "i2c-%d-mux (chan_id %d)", &bus, &a.channel); err == nil && scanErr == nil {
			a.parent = "i2c-" + strconv.Itoa(bus)
			a.mux = filepath.Base(device)
			if address, ok := clientAddress(a.mux); ok {
				a.mux = fmt.Sprintf("%#02x", address)
			}
		}
		adapters[a.node] = a
	}
	return adapters
}

// clientAddress reads the kernel's name of a device on an I2C bus: 0x70 of "1-0070".
func clientAddress(name string) (uint16, bool) {
	_, address, ok := strings.Cut(name, "-")
	n, err := strconv.ParseUint(address, 16, 16)
	return uint16(n), ok && err == nil && len(address) == 4
}

// place is where a channel of a multiplexer is, whatever the numbers of the
// adapters behind it are: "/dev/i2c-1/0x70/2".
func (a i2cAdapter) place(adapters map[string]i2cAdapter) string {
	if a.parent == "" {
		return "/dev/" + a.node
	}
	return fmt.Sprintf("%s/%s/%d", adapters[a.parent].place(adapters), a.mux, a.channel)
}

// i2cNode returns the node of the adapter that the configuration calls bus: by
// its node, by its name, or by its folder below /sys; a channel of a multiplexer
// by one of these with the multiplexer and the channel behind it.
func (p *platform) i2cNode(bus string) (string, error) {
	if node, plain := plainNode(bus); plain {
		return node, nil
	}
	adapters := p.i2cAdapters()
	parts := strings.Split(bus, "/")
	for behind := len(parts); behind > 0; behind -= 2 { // the rest is pairs of a multiplexer and a channel
		node, err := p.rootAdapter(strings.Join(parts[:behind], "/"), adapters)
		for i := behind; err == nil && node != "" && i < len(parts); i += 2 {
			node = channelOf(node, parts[i], parts[i+1], adapters)
		}
		if err != nil || node != "" {
			return node, err
		}
	}
	return "", &fault{"the bus " + bus + " " + ErrNoBus.Error(), ErrNoBus, fs.ErrNotExist}
}

// plainNode returns the node of a bus that is called by it: "/dev/i2c-1", "i2c-1".
func plainNode(bus string) (string, bool) {
	node := strings.TrimPrefix(bus, "/dev/")
	number, ok := strings.CutPrefix(node, "i2c-")
	_, err := strconv.ParseUint(number, 10, 16)
	return node, ok && err == nil || strings.HasPrefix(bus, "/dev/") && !strings.Contains(node, "/")
}

// rootAdapter finds an adapter by its node, name or folder; "" is none.
func (p *platform) rootAdapter(bus string, adapters map[string]i2cAdapter) (string, error) {
	if node, plain := plainNode(bus); plain {
		return node, nil
	}
	var found []string
	if rest, ok := strings.CutPrefix(bus, "/sys/"); ok {
		inside, _ := filepath.Glob(filepath.Join(p.sys, rest, "i2c-*")) // a strange folder holds none
		for _, folder := range append(inside, bus) {
			if a, ok := adapters[filepath.Base(folder)]; ok {
				found = append(found, a.node)
			}
		}
	}
	for _, a := range adapters {
		if a.name == bus {
			found = append(found, a.node)
		}
	}
	if len(found) > 1 {
		slices.SortFunc(found, naturally)
		return "", fmt.Errorf("%q is the name of several adapters: %s; say which", bus, strings.Join(found, ", "))
	}
	return strings.Join(found, ""), nil
}

// channelOf finds the adapter of a multiplexer's channel; "" is none.
func channelOf(parent, mux, channel string, adapters map[string]i2cAdapter) string {
	for _, a := range adapters {
		if a.parent == parent && sameMux(a.mux, mux) && strconv.Itoa(a.channel) == channel {
			return a.node
		}
	}
	return ""
}

// sameMux compares addresses by their number, names as they are.
func sameMux(a, b string) bool {
	x, err1 := strconv.ParseUint(a, 0, 16)
	y, err2 := strconv.ParseUint(b, 0, 16)
	return a == b || err1 == nil && err2 == nil && x == y
}

// above are the buses that transfers of an adapter go through, the nearest
// first, and the addresses that the multiplexers between have there.
func (a i2cAdapter) above(adapters map[string]i2cAdapter) (buses []string, muxes map[string]string) {
	muxes = make(map[string]string)
	for a.parent != "" && len(buses) < len(adapters) {
		buses = append(buses, a.parent)
		if number, err := strconv.ParseUint(a.mux, 0, 16); err == nil {
			muxes[i2cPlace(a.parent, uint16(number))] = a.mux
		}
		a = adapters[a.parent]
	}
	return buses, muxes
}

func i2cPlace(node string, address uint16) string { return fmt.Sprintf("%s %#02x", node, address) }

// Conflicts returns the parts of a valid setup that answer at one address
// although the configuration says their buses in different ways: a channel of a
// multiplexer is connected to the bus above it while it is used. It looks at
// what the kernel knows of adapters, and at no device.
func Conflicts(setup Setup, opts Options) []*Problem {
	p := newPlatform(opts)
	adapters := p.i2cAdapters()
	drivers := driversByName()
	type user struct {
		unit Unit
		bus  string
	}
	users := make(map[string]user)
	var problems []*Problem
	each := func(f func(unit Unit, index int, cfg Config, node string)) {
		for role, configs := range [][]Config{RoleSensor: setup.Sensors, RoleActuator: setup.Actuators} {
			for i, cfg := range configs {
				node, err := p.i2cNode(cfg.Bus)
				if drivers[cfg.Driver].Bus == BusI2C && err == nil {
					f(Unit{Role(role), cfg.Name}, i, cfg, node)
				}
			}
		}
	}
	each(func(unit Unit, index int, cfg Config, node string) {
		at := i2cPlace(node, cfg.Address)
		first, taken := users[at]
		if taken && first.bus != cfg.Bus {
			text := fmt.Sprintf("%s and %s, of %s %q, are one bus; call it by one name, and give each part its own address", cfg.Bus, first.bus, first.unit.Role, first.unit.Name)
			problems = append(problems, &Problem{Unit: unit, Index: index, Key: "bus", Text: text})
		}
		users[at] = cmp.Or(first, user{unit, cfg.Bus})
	})
	each(func(unit Unit, index int, cfg Config, node string) {
		buses, muxes := adapters[node].above(adapters)
		for _, bus := range buses {
			at := i2cPlace(bus, cfg.Address)
			text := ""
			if other, taken := users[at]; taken {
				text = fmt.Sprintf("%#02x is used by %s %q on %s too, from which the channel %s is reached: both answer; give one another address", cfg.Address, other.unit.Role, other.unit.Name, other.bus, cfg.Bus)
			} else if mux, taken := muxes[at]; taken {
				text = fmt.Sprintf("%#02x is the multiplexer %s itself, through which %s is reached; give the part another address", cfg.Address, mux, cfg.Bus)
			}
			if text != "" {
				problems = append(problems, &Problem{Unit: unit, Index: index, Key: "address", Text: text})
			}
		}
	})
	return problems
}
