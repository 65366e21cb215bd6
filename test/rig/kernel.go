package rig

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lwm2m-agent/test/workspace"
)

//go:embed fetch.sh
var fetchScript string

//go:embed guest/init.sh
var guestInit string

// modules are what the board needs; those that a kernel has built in are left out by modprobe. The network's driver of Linux 6.12 waits for
// the fuses (nvmem-imx-ocotp), where its address could be.
var modules = []string{"i2c-imx", "i2c-dev", "lm75", "tmp102", "dps310", "gpio-mxc", "imx2_wdt", "nvmem-imx-ocotp", "fec", "tmp421", "emc1403", "pwm-imx27", "leds-pca955x", "st_magn_i2c", "at24"}

// wireless is loaded by Board.AddWLAN.
const wireless = "mac80211_hwsim"

// What a cached system holds.
const (
	kernelFile = "vmlinuz"
	treeFile   = "sabrelite.dtb"
	systemFile = "system.cpio"
)

// system returns a folder with the kernel, the board's device tree and the initramfs without a payload.
func system(t workspace.T) string {
	t.Helper()
	inputs := append([]string{fetchScript, guestInit, wireless, fmt.Sprint(leds)}, modules...)
	return workspace.Cached(t, "rig", inputs, func(dir string) error {
		packages := t.TempDir()
		if err := fetch(t, packages, "armhf", "linux-image-armmp"); err != nil {
			return err
		}
		return errors.Join(
			take(packages, "vmlinuz-*", filepath.Join(dir, kernelFile)),
			takeTree(packages, filepath.Join(dir, treeFile)),
			makeSystem(t, packages, map[string][]string{"order": modules, wireless: {wireless}}, filepath.Join(dir, systemFile)),
		)
	})
}

// fetch unpacks a kernel of Debian, and busybox, of an architecture below dir; more is "source" for what out-of-tree modules are built from,
// and packages, which come with what they depend on.
func fetch(t workspace.T, dir, architecture, kernel string, more ...string) error {
	t.Helper()
	return runScript(t, fetchScript, append([]string{dir, architecture, kernel}, more...)...)
}

func runScript(t workspace.T, script string, arguments ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-s"}, arguments...)...)
	cmd.Stdin = strings.NewReader(script)
	return run(cmd)
}

// take copies the one file below dir whose name matches.
func take(dir, pattern, to string) error {
	from, err := find(dir, pattern)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// leds are the LEDs that a PCA9552 drives: without them in the device tree its driver has nothing to do (Linux,
// Documentation/devicetree/bindings/leds/leds-pca955x.txt).
var leds = treeNode{
	name: fmt.Sprintf("leds@%x", PCA9552),
	properties: map[string][]byte{
		"compatible": []byte("nxp,pca9552\x00"), "reg": {0, 0, 0, PCA9552}, "#address-cells": {0, 0, 0, 1}, "#size-cells": {0, 0, 0, 0},
	},
	children: []treeNode{{name: "led@0", properties: map[string][]byte{"reg": {0, 0, 0, 0}, "label": []byte("lamp\x00")}}},
}

// takeTree copies the board's device tree, with the PCA9552 added to the bus.
func takeTree(packages, to string) error {
	from, err := find(packages, "imx6q-sabrelite.dtb")
	if err != nil {
		return err
	}
	tree, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if tree, err = addNode(tree, "i2c@21a0000", leds); err != nil {
		return err
	}
	return os.WriteFile(to, tree, 0o600)
}

// find returns the first file below dir whose name matches.
func find(dir, pattern string) (string, error) {
	found := ""
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if match, err := filepath.Match(pattern, d.Name()); err != nil || !match || d.IsDir() {
			return err
		}
		found = name
		return fs.SkipAll
	})
	if err == nil && found == "" {
		err = fmt.Errorf("no %s in %s", pattern, dir)
	}
	return found, err
}

// makeSystem writes an initramfs with busybox, modules by the file that has the order they load, the init script, and what lies in trees.
func makeSystem(t workspace.T, packages string, modules map[string][]string, to string, trees ...string) error {
	t.Helper()
	var a archive
	for _, tree := range trees {
		if err := a.addTree(tree); err != nil {
			return err
		}
	}
	for order, names := range modules {
		if err := addModules(t, &a, packages, order, names); err != nil {
			return err
		}
	}
	busybox, err := find(packages, "busybox")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	a.add("/bin/busybox", content)
	a.add("/init", []byte(guestInit))
	return os.WriteFile(to, a.finish(), 0o600)
}

// addModules adds modules, with all that they need, and a file that has their names in the order they load.
func addModules(t workspace.T, a *archive, packages, order string, names []string) error {
	t.Helper()
	files, err := moduleFiles(t, packages, names)
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, file := range files {
		content, err := expand(t, file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".xz"), ".zst")
		a.add("/lib/modules/"+name, content)
		fmt.Fprintln(&list, name)
	}
	a.add("/lib/modules/"+order, []byte(list.String()))
	return nil
}

// moduleFiles returns the files of the modules and of what they depend on, in the order they load.
func moduleFiles(t workspace.T, packages string, names []string) ([]string, error) {
	t.Helper()
	builtin, err := find(packages, "modules.builtin")
	if err != nil {
		return nil, err
	}
	base, rest, _ := strings.Cut(builtin, "/lib/modules/")
	version, _, _ := strings.Cut(rest, "/")
	if err := run(exec.CommandContext(t.Context(), sbin("depmod"), "-b", base, version)); err != nil {
		return nil, err
	}
	var files []string
	seen := map[string]bool{}
	for _, module := range names {
		// It fails for what is built in, or not there: the board's start tells.
		out, _ := exec.CommandContext(t.Context(), sbin("modprobe"), "-d", base, "-S", version, "-D", module).Output()
		lines := bufio.NewScanner(bytes.NewReader(out))
		for lines.Scan() {
			words := strings.Fields(lines.Text())
			if len(words) > 1 && words[0] == "insmod" && !seen[words[1]] {
				seen[words[1]] = true
				files = append(files, words[1])
			}
		}
	}
	return files, nil
}

// sbin finds a program that is not on the PATH of a user who is not root.
func sbin(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return "/usr/sbin/" + name
}

// expand reads a file that may be compressed.
func expand(t workspace.T, file string) ([]byte, error) {
	t.Helper()
	switch filepath.Ext(file) {
	case ".xz":
		return exec.CommandContext(t.Context(), "xz", "-dc", file).Output()
	case ".zst":
		return exec.CommandContext(t.Context(), "zstd", "-qdc", file).Output()
	default:
		return os.ReadFile(file)
	}
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
