package rig

import (
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"lwm2m-agent/hw/playback"
	"lwm2m-agent/test/workspace"
)

//go:embed gpio-sim.sh
var gpioSimScript string

// industrialModules are what the industrial PC loads at its start; registers is loaded by AddRegisters.
var industrialModules = []string{"i2c-i801", "i2c-dev", "gpio-sim", "virtio_pci", "virtio_net"}

const registers = "i2c-stub"

// The adapters of the industrial PC, which know SMBus commands only.
const (
	SMBus        = "/dev/i2c-0" // the chipset's (i801): eight EEPROMs, and a display's at EDID
	RegistersBus = "/dev/i2c-1" // of AddRegisters
	EDID         = 0x48
)

// IndustrialPC is an x86 machine without a disk, with the sensors' side of a PC in a cabinet: an adapter for SMBus, and simulated GPIO lines
// (gpio-sim). Its network is QEMU's user network.
type IndustrialPC struct{ *guest }

// industrialSystem returns a folder with the kernel and the initramfs without a payload.
func industrialSystem(t workspace.T) string {
	t.Helper()
	modules := map[string][]string{"order": industrialModules, registers: {registers}, "debian": debianModules, "later": debianLater}
	inputs := []string{fetchScript, gpioSimScript, guestInit, fmt.Sprint(modules)}
	return workspace.Cached(t, "rig-industrial", inputs, func(dir string) error {
		packages := t.TempDir()
		if err := fetch(t, packages, "amd64", "linux-image-amd64", "source"); err != nil {
			return err
		}
		if err := runScript(t, gpioSimScript, packages); err != nil {
			return err
		}
		return errors.Join(
			take(packages, "vmlinuz-*", filepath.Join(dir, kernelFile)),
			makeSystem(t, packages, modules, filepath.Join(dir, systemFile)),
		)
	})
}

// StartIndustrialPC boots the PC, which is taken away with the test.
func StartIndustrialPC(t workspace.T, c Config) *IndustrialPC {
	t.Helper()
	g := boot(t, hardware{
		qemu:      []string{"qemu-system-x86_64", "-M", "q35", "-m", "256", "-nic", "user,model=virtio-net-pci", "-device", fmt.Sprintf("i2c-ddc,bus=i2c,address=%#x", EDID)},
		system:    industrialSystem(t),
		arguments: "console=ttyS1 rig.shell=ttyS0 iomem=relaxed", // for Pass
		sockets:   socketFolder(t),
	}, c)
	g.WaitConsole(t, startTime, "RIG UP")
	g.Run(t, "mount -t configfs config /sys/kernel/config")
	return &IndustrialPC{g}
}

// AddRegisters adds RegistersBus, with a part at each address that is a memory of 256 registers (i2c-stub). They hold what the parts of the
// recordings, by address, answered first until their first sample. A part that has registers of one byte and of two is told apart by how they
// are read: two bytes are one register, more are one each.
func (p *IndustrialPC) AddRegisters(t workspace.T, parts map[uint16]*playback.File) {
	t.Helper()
	addresses := make([]string, 0, len(parts))
	for address := range parts {
		addresses = append(addresses, fmt.Sprint(address))
	}
	commands := []string{fmt.Sprintf("insmod /lib/modules/%s.ko chip_addr=%s", registers, strings.Join(addresses, ","))}
	bus := strings.TrimPrefix(RegistersBus, "/dev/i2c-")
	for address, file := range parts {
		seen := make(map[byte]bool)
		for i := range min(len(file.Steps), 2) {
			for _, transfer := range file.Steps[i].Transfers {
				if len(transfer.Written) == 1 && len(transfer.Read) > 0 && !seen[transfer.Written[0]] {
					seen[transfer.Written[0]] = true
					commands = append(commands, fmt.Sprintf("i2cset -y %s %#x %#x %s", bus, address, transfer.Written[0], registerValue(transfer.Read)))
				}
			}
		}
	}
	p.Run(t, strings.Join(commands, " && "))
}

// registerValue is what i2cset writes for some bytes: a byte, a word, which SMBus sends with its low byte first, or a block.
func registerValue(bytes []byte) string {
	switch len(bytes) {
	case 1:
		return fmt.Sprintf("%#x b", bytes[0])
	case 2:
		return fmt.Sprintf("%#x w", uint16(bytes[1])<<8|uint16(bytes[0]))
	}
	return fmt.Sprintf("%# x i", bytes)
}

// AddLines adds a GPIO chip that is called label, with a simulated line of each name. A line whose name begins with "!" has none and is held
// by the user that follows.
func (p *IndustrialPC) AddLines(t workspace.T, label string, names ...string) {
	t.Helper()
	bank := "/sys/kernel/config/gpio-sim/" + label + "/bank"
	commands := []string{"mkdir -p " + bank, fmt.Sprintf("echo %d > %s/num_lines", len(names), bank), fmt.Sprintf("echo %s > %s/label", label, bank)}
	for i, name := range names {
		line := fmt.Sprintf("%s/line%d", bank, i)
		commands = append(commands, "mkdir "+line)
		if user, held := strings.CutPrefix(name, "!"); held {
			commands = append(commands, "mkdir "+line+"/hog", "echo "+user+" > "+line+"/hog/name", "echo input > "+line+"/hog/direction")
		} else {
			commands = append(commands, "echo "+name+" > "+line+"/name")
		}
	}
	p.Run(t, strings.Join(append(commands, "echo 1 > "+bank+"/../live"), " && "))
}

// simulated is the folder of a line of the first chip of AddLines.
func simulated(line int) string {
	return fmt.Sprintf("/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio%d", line)
}

// Pull is what a line is pulled to by itself: "pull-up" or "pull-down".
func (p *IndustrialPC) Pull(t workspace.T, line int) string {
	t.Helper()
	return p.Run(t, "cat "+simulated(line)+"/pull")
}

// Drive sets the levels of a line from outside, one after the other, so many times.
func (p *IndustrialPC) Drive(t workspace.T, line, times int, levels ...bool) {
	t.Helper()
	var body strings.Builder
	for _, high := range levels {
		pull := "pull-down"
		if high {
			pull = "pull-up"
		}
		fmt.Fprintf(&body, "echo %s >pull; ", pull)
	}
	p.Run(t, fmt.Sprintf("cd %s && n=0 && while [ $n -lt %d ]; do %s n=$((n+1)); done", simulated(line), times, body.String()))
}

// Level is the level of a line.
func (p *IndustrialPC) Level(t workspace.T, line int) bool {
	t.Helper()
	return p.Run(t, "cat "+simulated(line)+"/value") == "1"
}
