package rig

import (
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lwm2m-agent/test/workspace"
)

//go:embed guest/grub.cfg
var menu string

// grubModules are what GRUB's image contains. Its first script sets up the console and reads the menu.
const (
	grubModules = "biosdisk part_msdos ext2 serial terminal normal configfile loadenv linux test echo boot reboot sleep"
	grubFirst   = "serial --unit=0 --speed=115200\nterminal_output serial\nnormal (hd0,msdos1)/grub.cfg\n"
)

// PC is an x86 machine with a BIOS and GRUB, which is this machine's, and so is the grub-editenv in its slots: this machine has to be one too.
var PC = &Platform{
	Name: "pc", Go: []string{"GOARCH=amd64"},
	architecture: "amd64", kernel: "linux-image-cloud-amd64", modules: []string{"virtio_pci", "virtio_blk", "virtio_net"},
	local:   []string{"grub-editenv"},
	install: installGRUB,
	emulator: func(string) []string {
		return []string{"qemu-system-x86_64", "-M", "q35", "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-net-pci,netdev=net,romfile="}
	},
}

// installGRUB writes GRUB, and its partition with the menu, the fragment that the project ships, and an environment block.
func installGRUB(t workspace.T, dir string, disk *os.File) error {
	t.Helper()
	tree, image := t.TempDir(), filepath.Join(dir, "boot.img")
	fragment, err := os.ReadFile(filepath.Join(workspace.Root(t), "packaging", "grub", "ab.cfg"))
	if err != nil {
		return err
	}
	env := filepath.Join(tree, "grubenv")
	return errors.Join(
		write(tree, "ab.cfg", fragment), write(tree, "grub.cfg", []byte(menu)),
		run(exec.CommandContext(t.Context(), "grub-editenv", env, "create")),
		run(exec.CommandContext(t.Context(), "grub-editenv", env, "set", "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=0", "B_TRY=0")),
		makeFS(t, tree, image, bootMiB, "none,extents,filetype,has_journal"),
		copyAt(disk, image, mib),
		startSectors(t, disk),
	)
}

// startSectors writes GRUB and the table of partitions. GRUB's first sector takes the second one as the beginning of the rest.
func startSectors(t workspace.T, disk *os.File) error {
	t.Helper()
	dir := t.TempDir()
	first, core := filepath.Join(dir, "first.cfg"), filepath.Join(dir, "core.img")
	if err := os.WriteFile(first, []byte(grubFirst), 0o600); err != nil {
		return err
	}
	args := append([]string{"-O", "i386-pc", "-o", core, "-p", "(hd0,msdos1)/", "-c", first}, strings.Fields(grubModules)...)
	if err := run(exec.CommandContext(t.Context(), "grub-mkimage", args...)); err != nil {
		return err
	}
	sector, err := os.ReadFile("/usr/lib/grub/i386-pc/boot.img")
	if err != nil {
		return err
	}
	partition(sector)
	if _, err := disk.WriteAt(sector, 0); err != nil {
		return err
	}
	return copyAt(disk, core, 512)
}
