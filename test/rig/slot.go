package rig

import (
	"debug/elf"
	_ "embed"
	"errors"
	"fmt"
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

// What a boot loader takes from a slot.
const (
	kernelPath = "/boot/vmlinuz"
	initrdPath = "/boot/initrd"
)

// SlotConfig is a system for a slot.
type SlotConfig struct {
	Version string
	Agent   string            // its path here
	Config  string            // agent.toml
	Files   map[string][]byte // more, by absolute path in the system
	Mute    bool              // it has no network
	Unboot  bool              // its kernel is none, and there is nothing else
	Panic   bool              // it has a kernel, and no first process
}

// Slot writes the image of a slot, a file system with a kernel, an initramfs, busybox, what writes the boot environment, and the agent.
func (p *Platform) Slot(t workspace.T, c SlotConfig) string {
	t.Helper()
	tree := t.TempDir()
	var err error
	switch debian := p.system(t); {
	case c.Unboot:
		err = write(tree, kernelPath, make([]byte, mib))
	case c.Panic:
		err = errors.Join(put(tree, kernelPath, filepath.Join(debian, kernelPath)), put(tree, initrdPath, filepath.Join(debian, initrdPath)))
	default:
		err = errors.Join(os.CopyFS(tree, os.DirFS(debian)), putLocal(t, tree, p.local), fill(tree, p, c))
	}
	image := filepath.Join(t.TempDir(), "slot-"+c.Version+".img")
	if err = errors.Join(err, makeFS(t, tree, image, sizeMiB(tree), "none,extents,filetype,sparse_super")); err != nil {
		t.Fatalf("make slot %s: %v", c.Version, err)
	}
	return image
}

// fill puts into a tree what makes it a system of the rig.
func fill(tree string, p *Platform, c SlotConfig) error {
	files := map[string][]byte{
		"/etc/version": []byte(c.Version + "\n"), "/etc/os-release": []byte("ID=rig\nVERSION_ID=" + c.Version + "\n"),
		"/etc/rc": []byte(slotRC), "/etc/inittab": []byte(slotInittab), "/etc/lwm2m-agent/agent.toml": []byte(c.Config),
	}
	maps.Copy(files, p.files)
	maps.Copy(files, c.Files)
	if c.Mute {
		files["/etc/mute"] = nil
	}
	err := errors.Join(put(tree, "/usr/bin/lwm2m-agent", c.Agent), applets(tree))
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "run", "boot/grub", "var/lib/lwm2m-agent", "slot"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(tree, dir), 0o755))
	}
	for name, content := range files {
		err = errors.Join(err, write(tree, name, content))
	}
	return err
}

// putLocal puts programs of this machine, and the libraries that they need, where they are here.
func putLocal(t workspace.T, tree string, programs []string) error {
	t.Helper()
	for _, program := range programs {
		path, err := exec.LookPath(program)
		if err != nil {
			return err
		}
		out, err := exec.CommandContext(t.Context(), "ldd", path).Output()
		if err != nil {
			return fmt.Errorf("libraries of %s: %w", path, err)
		}
		for name := range strings.FieldsSeq(path + " " + string(out)) {
			if strings.HasPrefix(name, "/") {
				if err := put(tree, name, name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// putPrograms puts programs of unpacked packages into a tree, and the libraries that they need, wherever these are, into its /lib.
func putPrograms(tree, packages string, programs []string) error {
	for _, program := range programs {
		if err := putLinked(tree, packages, "/usr/bin/", program); err != nil {
			return err
		}
	}
	return nil
}

func putLinked(tree, packages, folder, name string) error {
	if _, err := os.Stat(filepath.Join(tree, folder, name)); err == nil {
		return nil
	}
	from, err := find(packages, name)
	if err != nil {
		return err
	}
	f, err := elf.Open(from)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err = errors.Join(err, put(tree, folder+name, from)); err != nil {
		return err
	}
	for _, library := range libraries {
		err = errors.Join(err, putLinked(tree, packages, "/lib/", library))
	}
	return err
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
		"bin/sh", "bin/mount", "bin/umount", "bin/cat", "bin/sed", "bin/kill", "bin/mkdir", "sbin/init", "sbin/reboot", "sbin/ip",
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
