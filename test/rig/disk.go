package rig

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lwm2m-agent/test/workspace"
)

//go:embed guest/slot-rc.sh
var slotRC string

//go:embed guest/slot-inittab
var slotInittab string

//go:embed guest/grub.cfg
var menu string

// The partitions of the PC's disk, in MiB. The first MiB holds GRUB.
const (
	bootMiB  = 8
	slotMiB  = 48
	stateMiB = 128
	mib      = 1 << 20
)

// grubModules are what GRUB's image contains. Its first script sets up the console and reads the menu.
const (
	grubModules = "biosdisk part_msdos ext2 serial terminal normal configfile loadenv linux test echo boot reboot sleep"
	grubFirst   = "serial --unit=0 --speed=115200\nterminal_output serial\nnormal (hd0,msdos1)/grub.cfg\n"
)

// SlotConfig is a system for a slot.
type SlotConfig struct {
	Version string
	Agent   string            // its path here
	Config  string            // agent.toml
	Files   map[string][]byte // more, by absolute path in the system
	Mute    bool              // it has no network
	Unboot  bool              // its kernel is none
	Panic   bool              // its first process ends
}

// Slot writes the image of a slot: a file system with a kernel, an initramfs, busybox, grub-editenv and the agent.
func Slot(t workspace.T, c SlotConfig) string {
	t.Helper()
	system, tree := slotSystem(t), t.TempDir()
	files := map[string][]byte{
		"/etc/version": []byte(c.Version + "\n"), "/etc/os-release": []byte("ID=rig\nVERSION_ID=" + c.Version + "\n"),
		"/etc/rc": []byte(slotRC), "/etc/inittab": []byte(slotInittab), "/etc/lwm2m-agent/agent.toml": []byte(c.Config),
	}
	maps.Copy(files, c.Files)
	if c.Mute {
		files["/etc/mute"] = nil
	}
	if c.Unboot {
		files["/boot/"+kernelFile] = make([]byte, mib)
	}
	if c.Panic {
		files["/etc/inittab"] = []byte("::sysinit:/bin/kill -SEGV 1\n")
	}
	from := map[string]string{
		"/boot/" + kernelFile: filepath.Join(system, kernelFile), "/boot/" + initrdFile: filepath.Join(system, initrdFile),
		"/bin/busybox": filepath.Join(system, "busybox"), "/usr/bin/lwm2m-agent": c.Agent,
	}
	editor, err := editenv(t)
	for _, name := range editor {
		from[name] = name
	}
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "run", "boot/grub", "var/lib/lwm2m-agent", "slot"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(tree, dir), 0o755))
	}
	for name, path := range from {
		if _, replaced := files[name]; !replaced {
			err = errors.Join(err, put(tree, name, path))
		}
	}
	for name, content := range files {
		err = errors.Join(err, write(tree, name, content))
	}
	image := filepath.Join(t.TempDir(), "slot-"+c.Version+".img")
	if err = errors.Join(err, applets(tree), makeFS(t, tree, image, sizeMiB(tree), "none,extents,filetype,sparse_super")); err != nil {
		t.Fatalf("make slot %s: %v", c.Version, err)
	}
	return image
}

// editenv returns grub-editenv and the libraries that it needs.
func editenv(t workspace.T) ([]string, error) {
	t.Helper()
	path, err := exec.LookPath("grub-editenv")
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(t.Context(), "ldd", path).Output()
	names := []string{path}
	for word := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(word, "/") {
			names = append(names, word)
		}
	}
	return names, err
}

// put copies a file into a tree, and a link as what it names.
func put(tree, name, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return write(tree, name, content)
}

func write(tree, name string, content []byte) error {
	path := filepath.Join(tree, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o755)
}

// applets makes the links by which busybox is called.
func applets(tree string) error {
	var err error
	for _, name := range []string{
		"bin/sh", "bin/mount", "bin/umount", "bin/cat", "bin/sed", "bin/kill", "sbin/init", "sbin/reboot", "sbin/ip",
	} {
		if err = errors.Join(err, os.MkdirAll(filepath.Join(tree, filepath.Dir(name)), 0o755)); err == nil {
			err = os.Symlink("/bin/busybox", filepath.Join(tree, name))
		}
	}
	return err
}

// sizeMiB is the size of a file system that a tree fits into just so, in MiB: what is hashed in the guest takes time.
func sizeMiB(tree string) int {
	bytes := int64(0)
	_ = filepath.WalkDir(tree, func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			if info, err := d.Info(); err == nil {
				bytes += info.Size() + 4096
			}
		}
		return err
	})
	return int(bytes/mib) + 2
}

// makeFS writes a file system of a size with the files of a tree.
func makeFS(t workspace.T, tree, image string, size int, features string) error {
	t.Helper()
	return run(exec.CommandContext(t.Context(), sbin("mke2fs"), "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-N", "512", "-O", features,
		"-d", tree, image, fmt.Sprintf("%dM", size)))
}

// Disk writes the PC's disk: GRUB, the partition with its environment block, slot A with an image, an empty slot B, and the state.
func Disk(t workspace.T, slotA string) string {
	t.Helper()
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk.img")
	f, err := os.Create(disk)
	if err != nil {
		t.Fatalf("make the disk: %v", err)
	}
	boot, state := filepath.Join(dir, "boot.img"), filepath.Join(dir, "state.img")
	err = errors.Join(
		bootTree(t, filepath.Join(dir, "boot")), os.Mkdir(filepath.Join(dir, "state"), 0o755),
		makeFS(t, filepath.Join(dir, "boot"), boot, bootMiB, "none,extents,filetype,has_journal"),
		makeFS(t, filepath.Join(dir, "state"), state, stateMiB, "none,extents,filetype,has_journal,sparse_super"),
		startSectors(t, f),
	)
	at := int64(mib)
	for _, part := range []struct {
		image string
		size  int64
	}{{boot, bootMiB}, {slotA, slotMiB}, {"", slotMiB}, {state, stateMiB}} {
		if err == nil && part.image != "" {
			err = copyAt(f, part.image, at)
		}
		at += part.size * mib
	}
	if err = errors.Join(err, f.Truncate(at), f.Close()); err != nil {
		t.Fatalf("make the disk: %v", err)
	}
	return disk
}

// bootTree fills the first partition: the menu, the fragment that the project ships, and an environment block.
func bootTree(t workspace.T, tree string) error {
	t.Helper()
	fragment, err := os.ReadFile(filepath.Join(workspace.Root(t), "packaging", "grub", "ab.cfg"))
	if err != nil {
		return err
	}
	env := filepath.Join(tree, "grubenv")
	return errors.Join(
		write(tree, "ab.cfg", fragment), write(tree, "grub.cfg", []byte(menu)),
		run(exec.CommandContext(t.Context(), "grub-editenv", env, "create")),
		run(exec.CommandContext(t.Context(), "grub-editenv", env, "set", "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=0", "B_TRY=0")),
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
	const table, entry = 446, 16
	start := uint32(mib / 512)
	for i, size := range []uint32{bootMiB, slotMiB, slotMiB, stateMiB} {
		e := sector[table+i*entry:][:entry]
		clear(e)    // boot.img has code for floppies there
		e[4] = 0x83 // Linux
		binary.LittleEndian.PutUint32(e[8:], start)
		binary.LittleEndian.PutUint32(e[12:], size*mib/512)
		start += size * mib / 512
	}
	sector[510], sector[511] = 0x55, 0xaa
	if _, err := disk.WriteAt(sector, 0); err != nil {
		return err
	}
	return copyAt(disk, core, 512)
}

// copyAt copies a file to a place on the disk.
func copyAt(disk *os.File, from string, at int64) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.NewOffsetWriter(disk, at), f)
	return err
}

// writeSlotInitrd finishes the initramfs of a slot, which has the modules already.
func writeSlotInitrd(a *archive, busybox, to string) error {
	content, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	a.add("/bin/busybox", content)
	a.add("/init", []byte(slotInitrd))
	for _, dir := range []string{"dev", "proc", "slot"} {
		a.addFolders(dir)
	}
	return os.WriteFile(to, a.finish(), 0o600)
}
