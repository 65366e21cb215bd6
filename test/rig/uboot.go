package rig

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"lwm2m-agent/test/uboot"
	"lwm2m-agent/test/workspace"
)

//go:embed guest/uboot.txt
var scripts string

// environment is where the variables that change lie: twice, as fw_printenv and fw_setenv of libubootenv know it.
const (
	environment = "%[1]s 0x0 0x4000\n%[1]s 0x4000 0x4000\n"
	slots       = "BOOT_ORDER=A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\n"
)

// ARM is QEMU's board virt with a Cortex-A15 and Debian's U-Boot for it. Its slots have Debian's fw_printenv and fw_setenv.
var ARM = &Platform{
	Name: "arm", Go: []string{"GOARCH=arm", "GOARM=7"},
	architecture: "armhf", kernel: "linux-image-armmp", modules: []string{"virtio_mmio", "virtio_blk", "virtio_net", "ext4"},
	packages: []string{"libubootenv-tool"}, programs: []string{"fw_printenv", "fw_setenv"},
	files:   map[string][]byte{"/etc/fw_env.config": fmt.Appendf(nil, environment, "/dev/vda1")},
	install: installUBoot,
	emulator: func(dir string) []string {
		return append(uboot.Emulator(filepath.Join(dir, flashFile)), "-device", "virtio-blk-device,drive=disk", "-device", "virtio-net-device,netdev=net")
	},
}

const flashFile = "flash.img"

// installUBoot writes the flash with U-Boot's scripts, the table of partitions, and the environment that changes at the beginning of the
// first partition.
func installUBoot(t workspace.T, dir string, disk *os.File) error {
	t.Helper()
	// A script that saves the environment saves it to the disk.
	documented := func(first string) string {
		return strings.ReplaceAll(uboot.Script(t, first), "saveenv", "run keep")
	}
	flash := regexp.MustCompile(`(?m)^#.*\n|^\n|\n +`).ReplaceAllStringFunc(scripts, func(s string) string {
		if strings.HasSuffix(s, " ") {
			return " "
		}
		return ""
	})
	flash += "choose=" + documented(uboot.Choose) + "\nunusable=" + documented(uboot.Unusable) + "\n"
	env := filepath.Join(dir, "env.img")
	sector := make([]byte, 512)
	partition(sector)
	_, err := disk.WriteAt(sector, 0)
	return errors.Join(
		err, os.WriteFile(env, make([]byte, 2*0x4000), 0o600),
		uboot.SetEnv(t, fmt.Sprintf(environment, env), slots),
		copyAt(disk, env, mib),
		uboot.Flash(t, filepath.Join(dir, flashFile), flash),
	)
}
