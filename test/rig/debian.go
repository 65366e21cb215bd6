package rig

import (
	_ "embed"

	"lwm2m-agent/test/workspace"
)

//go:embed guest/debian-init.sh
var debianInit string

// debianModules are what a Debian on the industrial PC loads at its start.
var debianModules = []string{"virtio_pci", "virtio_blk", "ext4", "i2c-i801", "i2c-dev", "gpio-sim", "xhci-pci"}

// debianLater are what it can load later, by modprobe: the modem's, and those of devices that it may have.
var debianLater = []string{"ftdi_sio", "cdc-acm", "spidev", "industrialio", "tpm", "sc16is7xx", "max310x"}

// Debian is an industrial PC that runs a Debian with systemd from a disk.
type Debian struct{ *IndustrialPC }

// StartDebian boots the system of an ext4 image, which the guest may change, with a terminal of this machine at its /dev/ttyUSB0, once it has
// loaded ftdi_sio. It is taken away with the test. Its shell.service serves the shell, as guest/init.sh does, on /dev/ttyS0, and prints
// "RIG UP" on /dev/ttyS1.
func StartDebian(t workspace.T, image, terminal string) *Debian {
	t.Helper()
	g := boot(t, hardware{
		qemu: []string{
			"qemu-system-x86_64", "-M", "q35", "-m", "512", "-nic", "none",
			"-drive", "if=none,id=disk,format=raw,file=" + image, "-device", "virtio-blk-pci,drive=disk",
			"-chardev", "serial,id=modem,path=" + terminal, "-device", "qemu-xhci", "-device", "usb-serial,chardev=modem",
		},
		system:    industrialSystem(t),
		arguments: "console=ttyS1 systemd.unit=shell.service systemd.getty_auto=no mitigations=off",
		sockets:   socketFolder(t),
	}, Config{Files: map[string][]byte{"/init": []byte(debianInit)}})
	g.WaitConsole(t, 2*startTime, "RIG UP")
	g.Run(t, "mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config")
	return &Debian{&IndustrialPC{g}}
}
