package agent

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"lwm2m-agent/hw"
)

// Finding is one thing that Scan found.
type Finding struct {
	Bus    string `json:"bus"`   // "i2c", "spi", "gpio", "iio", "hwmon", "thermal", "1-wire", "serial"
	Where  string `json:"where"` // "/dev/i2c-1 0x76"
	What   string `json:"what"`  // likely drivers, or the kernel's name
	Detail string `json:"detail,omitempty"`
	Modem  bool   `json:"-"` // that answers
}

// Scan lists what this board has, and configuration lines for what a driver can
// serve. It writes to no device, but for asking modems who they are.
func Scan(ctx context.Context) ([]Finding, string) {
	inventory := hw.Scan(ctx, hw.Options{})
	var out []Finding
	for _, b := range inventory.I2C {
		out = append(out, i2cFindings(&b)...)
	}
	for _, d := range inventory.SPI {
		out = append(out, Finding{Bus: "spi", Where: d.Path, What: d.Name})
	}
	for _, c := range inventory.GPIO {
		out = append(out, chipFinding(&c))
	}
	for bus, devices := range map[string][]hw.SysDevice{"iio": inventory.IIO, "hwmon": inventory.HWMon, "thermal": inventory.Thermal, "power_supply": inventory.PowerSupply, "counter": inventory.Counter} {
		for _, d := range devices {
			out = append(out, sysFinding(bus, &d))
		}
	}
	for _, d := range inventory.OneWire {
		out = append(out, Finding{Bus: "1-wire", Where: d.ID, What: fmt.Sprintf("family 0x%02x", d.Family)})
	}
	var modems strings.Builder
	for _, p := range inventory.Serial {
		f := serialFinding(ctx, &p)
		if f.Modem {
			fmt.Fprintf(&modems, "[[modem]]\nname   = \"modem\"\ndriver = \"at\"\nport   = %q\n\n", p.Path)
		}
		out = append(out, f)
	}
	if f, ok := modemManagerFinding(ctx); ok {
		modems.WriteString("[[modem]]\nname   = \"modem\"\ndriver = \"modemmanager\"\n\n")
		out = append(out, f)
	}
	return out, configurationLines(inventory.Suggest()) + modems.String()
}

// i2cFindings names a multiplexer's channel by its place, which shows the tree.
func i2cFindings(b *hw.I2CBus) []Finding {
	where := cmp.Or(b.Channel, b.Path)
	f := Finding{Bus: "i2c", Where: where, What: b.Name, Detail: fmt.Sprintf("%d devices answer", len(b.Devices))}
	if b.Channel != "" {
		f.Detail += ", now " + b.Path
	}
	if b.Err != nil {
		f.Detail = b.Err.Error()
	}
	out := append(make([]Finding, 0, 1+len(b.Devices)), f)
	for _, d := range b.Devices {
		f := Finding{Bus: "i2c", Where: fmt.Sprintf("%s 0x%02x", where, d.Address), What: strings.Join(d.Drivers, ", ")}
		if d.Kernel != "" {
			f.Detail = "held by the kernel driver " + d.Kernel
		}
		out = append(out, f)
	}
	return out
}

func chipFinding(c *hw.GPIOChip) Finding {
	f := Finding{Bus: "gpio", Where: c.Path, What: c.Label, Detail: fmt.Sprintf("%d lines", len(c.Lines))}
	if c.Err != nil {
		f.Detail = c.Err.Error()
		return f
	}
	var named []string
	for _, l := range c.Lines {
		if l.Name != "" {
			named = append(named, fmt.Sprintf("%d=%s", l.Offset, l.Name))
		}
	}
	if len(named) > 0 {
		f.Detail += ": " + strings.Join(named, " ")
	}
	return f
}

func sysFinding(bus string, d *hw.SysDevice) Finding {
	f := Finding{Bus: bus, Where: d.Folder, What: d.Name}
	if d.Err != nil {
		f.Detail = d.Err.Error()
		return f
	}
	var channels []string
	for _, c := range d.Channels {
		channels = append(channels, c.Name)
	}
	f.Detail = strings.Join(channels, ", ")
	return f
}

// configurationLines returns a setup as it stands in agent.toml.
func configurationLines(setup hw.Setup) string {
	var b strings.Builder
	section := func(kind string, c hw.Config) {
		fmt.Fprintf(&b, "[[%s]]\nname   = %q\ndriver = %q\n", kind, c.Name, c.Driver)
		for _, field := range []struct{ key, value string }{{"bus", c.Bus}, {"chip", c.Chip}, {"device", c.Device}} {
			if field.value != "" {
				fmt.Fprintf(&b, "%s = %q\n", field.key, field.value)
			}
		}
		if c.Address != 0 {
			fmt.Fprintf(&b, "address = 0x%02x\n", c.Address)
		}
		if c.Line.Given() {
			fmt.Fprintf(&b, "line = %q\n", c.Line)
		}
		b.WriteByte('\n')
	}
	for _, c := range setup.Sensors {
		section("sensor", c)
	}
	for _, c := range setup.Actuators {
		section("actuator", c)
	}
	return b.String()
}
