//go:build install

package install

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lwm2m-agent/test/workspace"
)

// routers are the architectures of OpenWrt that are packaged, with what a program for each is.
var routers = map[string]struct {
	machine elf.Machine
	class   elf.Class
	order   elf.Data
	build   string // as the program itself says it was built
}{
	"x86_64":                   {elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB, "amd64 v1"},
	"aarch64_cortex-a53":       {elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB, "arm64 v8.0"},
	"arm_cortex-a7_neon-vfpv4": {elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB, "arm 7"},
	"mipsel_24kc":              {elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2LSB, "mipsle softfloat"},
}

// expected are the files of a package for routers, with their modes.
var expected = map[string]int64{
	"/usr/bin/lwm2m-agent":                           0o755,
	"/etc/config/lwm2m-agent":                        0o600,
	"/etc/init.d/lwm2m-agent":                        0o755,
	"/etc/uci-defaults/60-lwm2m-agent":               0o755,
	"/lib/upgrade/keep.d/lwm2m-agent":                0o644,
	"/usr/libexec/rpcd/lwm2m-agent":                  0o755,
	"/usr/share/lwm2m-agent/objects/26241.xml":       0o644,
	"/usr/share/lwm2m-agent/objects/26242.xml":       0o644,
	"/usr/share/lwm2m-agent/objects/26243.xml":       0o644,
	"/usr/share/lwm2m-agent/objects/26244.xml":       0o644,
	"/usr/share/licenses/lwm2m-agent/copyright":      0o644,
	"/lib/apk/packages/lwm2m-agent.list":             0o644, // these three are apk's
	"/lib/apk/packages/lwm2m-agent.conffiles":        0o644,
	"/lib/apk/packages/lwm2m-agent.conffiles_static": 0o644,
}

// TestOpenWrtPackages opens every package for OpenWrt, and looks at what it says of itself, at each file of it, and at the program.
func TestOpenWrtPackages(t *testing.T) {
	for _, arch := range slices.Sorted(maps.Keys(routers)) {
		ipk, apk := open(t, packaged(t, arch, "1.0", "*_"+arch+".ipk")), open(t, packaged(t, arch, "1.0", "*_"+arch+".apk"))
		t.Run(arch+".ipk", func(t *testing.T) {
			ipk.says(t, map[string]string{"Package": "lwm2m-agent", "Version": "1.0.0", "Architecture": arch, "License": "Apache-2.0", "Depends": ""})
			ipk.runs(t, "postinst", "prerm")
			if c := string(ipk.scripts["conffiles"].content); strings.TrimSpace(c) != "/etc/config/lwm2m-agent" {
				t.Errorf("conffiles: %q", c)
			}
			ipk.has(t, false)
		})
		t.Run(arch+".apk", func(t *testing.T) {
			apk.says(t, map[string]string{"pkgname": "lwm2m-agent", "pkgver": "1.0.0", "arch": arch, "license": "Apache-2.0", "depend": ""})
			apk.runs(t, "post-install", "post-upgrade", "pre-deinstall")
			apk.has(t, true)
			apk.lists(t)
		})
		t.Run(arch, func(t *testing.T) {
			program := ipk.files["/usr/bin/lwm2m-agent"].content
			if !bytes.Equal(program, apk.files["/usr/bin/lwm2m-agent"].content) {
				t.Error(".ipk and .apk have different programs")
			}
			checkProgram(t, arch, program)
		})
	}
}

func (p opened) says(t *testing.T, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if p.info[name] != value {
			t.Errorf("%s is %q, want %q", name, p.info[name], value)
		}
	}
}

// runs looks at the scripts: for /bin/sh, which is no bash there.
func (p opened) runs(t *testing.T, names ...string) {
	t.Helper()
	have := slices.DeleteFunc(slices.Sorted(maps.Keys(p.scripts)), func(name string) bool { return name == "conffiles" })
	if !slices.Equal(have, names) {
		t.Errorf("scripts %q, want %q", have, names)
	}
	for _, name := range names {
		if s := p.scripts[name]; s.Mode != 0o755 || !isShell(s.content) {
			t.Errorf("%s: mode %o\n%s", name, s.Mode, s.content)
		}
	}
}

func isShell(script []byte) bool {
	return regexp.MustCompile(`^#!/bin/sh( /etc/rc\.common)?\n`).Match(script) && !bytes.Contains(script, []byte("bash"))
}

// has looks at each file and folder: all that is expected, root's, and nothing else.
func (p opened) has(t *testing.T, apk bool) {
	t.Helper()
	found := make(map[string]int64)
	for name, f := range p.files {
		if f.Uid != 0 || f.Gid != 0 || strings.Trim(f.Uname+f.Gname, "rot") != "" {
			t.Errorf("%s belongs to %d:%d, %s:%s", name, f.Uid, f.Gid, f.Uname, f.Gname)
		}
		switch {
		case f.FileInfo().IsDir():
			if f.Mode != 0o755 {
				t.Errorf("%s: mode %o", name, f.Mode)
			}
			continue
		case !f.FileInfo().Mode().IsRegular():
			t.Errorf("%s is no file", name)
		case f.Mode&0o111 != 0 && !strings.HasPrefix(string(f.content), "\x7fELF") && !isShell(f.content):
			t.Errorf("%s is neither a program nor a script for /bin/sh", name)
		}
		if hash := sha1.Sum(f.content); apk && f.PAXRecords["APK-TOOLS.checksum.SHA1"] != hex.EncodeToString(hash[:]) {
			t.Errorf("%s: checksum %s", name, f.PAXRecords["APK-TOOLS.checksum.SHA1"])
		}
		found[name] = f.Mode
	}
	want := maps.Clone(expected)
	maps.DeleteFunc(want, func(name string, _ int64) bool { return !apk && strings.HasPrefix(name, "/lib/apk/") })
	if !maps.Equal(found, want) {
		t.Errorf("files and modes %v, want %v", found, want) // modes in decimal
	}
	if c := string(p.files["/usr/share/licenses/lwm2m-agent/copyright"].content); !strings.Contains(c, "Apache-2.0") || !strings.Contains(c, "go.etcd.io/bbolt") {
		t.Errorf("copyright:\n%s", c)
	}
}

// lists looks at what OpenWrt's scripts and sysupgrade look for beside apk's own database.
func (p opened) lists(t *testing.T) {
	t.Helper()
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(expected)), func(name string) bool { return strings.HasPrefix(name, "/lib/apk/") })
	if l := strings.Fields(string(p.files["/lib/apk/packages/lwm2m-agent.list"].content)); !slices.Equal(l, want) {
		t.Errorf("list %q, want %q", l, want)
	}
	config := sha256.Sum256(p.files["/etc/config/lwm2m-agent"].content)
	for name, want := range map[string]string{"conffiles": "/etc/config/lwm2m-agent\n", "conffiles_static": fmt.Sprintf("/etc/config/lwm2m-agent %x\n", config)} {
		if c := string(p.files["/lib/apk/packages/lwm2m-agent."+name].content); c != want {
			t.Errorf("%s: %q, want %q", name, c, want)
		}
	}
}

// checkProgram looks at a program: for this machine, in need of no library, small, and no larger than docs/install.md says.
func checkProgram(t *testing.T, arch string, program []byte) {
	t.Helper()
	want := routers[arch]
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != want.machine || f.Class != want.class || f.Data != want.order {
		t.Errorf("the program is for %v, %v, %v", f.Machine, f.Class, f.Data)
	}
	for _, s := range f.Progs {
		if s.Type == elf.PT_INTERP || s.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a segment %v", s.Type)
		}
	}
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("the program is not stripped")
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	built := settings["GOARCH"] + " " + settings["GOAMD64"] + settings["GOARM64"] + settings["GOARM"] + settings["GOMIPS"]
	if built != want.build || settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" || !slices.Contains(strings.Split(settings["-tags"], ","), "small") {
		t.Errorf("the program is built for %q by %v", built, settings)
	}
}

// TestDocumentedSizes holds what docs/install.md says of the small program against the packages.
func TestDocumentedSizes(t *testing.T) {
	m := regexp.MustCompile(`the small program ([\d.]+) .* to ([\d.]+) MB .* \.ipk ([\d.]+) to ([\d.]+) MB`).
		FindSubmatch(read(t, filepath.Join(workspace.Root(t), "docs/install.md")))
	if m == nil {
		t.Fatal("docs/install.md does not say how large the small program is")
	}
	var said [4]float64
	for i := range said {
		var err error
		if said[i], err = strconv.ParseFloat(string(m[i+1]), 64); err != nil {
			t.Fatal(err)
		}
	}
	for _, arch := range slices.Sorted(maps.Keys(routers)) {
		file := packaged(t, arch, "1.0", "*_"+arch+".ipk")
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		program, ipk := float64(len(open(t, file).files["/usr/bin/lwm2m-agent"].content))/1e6, float64(info.Size())/1e6
		t.Logf("%s: the program has %.2f MB, the .ipk %.2f", arch, program, ipk)
		const slack = 0.2 // MB
		if program < said[0]-slack || program > said[1]+slack || ipk < said[2]-slack || ipk > said[3]+slack {
			t.Errorf("%s: docs/install.md says %v", arch, said)
		}
	}
}
