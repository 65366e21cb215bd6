package rauc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"lwm2m-agent/test/workspace"
)

// loader is a boot loader: its environment as RAUC changes it, and its choice.
type loader interface {
	// config returns lines of RAUC's [system] and [handlers].
	config() (system, handlers string)
	// choose counts an attempt and returns the slot that is tried, "" if there is none.
	choose(t workspace.T) string
}

func (s *System) newLoader(t workspace.T, kind string) loader {
	t.Helper()
	switch kind {
	case "grub":
		g := &grub{s, s.path("grubenv")}
		s.run(t, "grub-editenv", g.file, "create")
		s.run(t, "grub-editenv", g.file, "set", "ORDER=A B", "A_OK=1", "B_OK=1", "A_TRY=0", "B_TRY=0")
		return g
	case "uboot":
		return s.newUBoot(t)
	}
	return s.newCustom(t)
}

// custom is RAUC's boot loader by script: files of a folder are the environment.
type custom struct {
	system *System
	dir    string
}

// customScript is what RAUC calls ("Integration", "Custom bootloader backend").
const customScript = `#!/bin/sh
cd %q || exit 1
put() { printf '%%s\n' "$2" >"$1.new" && mv "$1.new" "$1"; }
case $1 in
get-current) cat booted ;;
get-primary) cat primary ;;
set-primary) put "state.$2" good && put "left.$2" 3 && put primary "$2" ;;
get-state) cat "state.$2" ;;
set-state) put "state.$2" "$3" && if [ "$3" = good ]; then put "left.$2" 3; fi ;;
*) exit 1 ;;
esac
`

func (s *System) newCustom(t workspace.T) *custom {
	t.Helper()
	c := &custom{s, s.path("env")}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	s.write(t, "loader", fmt.Sprintf(customScript, c.dir), 0o755)
	for name, value := range map[string]string{"primary": "A", "state.A": "good", "state.B": "good", "left.A": "3", "left.B": "3", "booted": "A"} {
		s.write(t, filepath.Join("env", name), value+"\n", 0o644)
	}
	return c
}

func (c *custom) config() (system, handlers string) {
	return "bootloader=custom", "bootloader-custom-backend=" + c.system.path("loader") + "\n"
}

func (c *custom) get(t workspace.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return strings.TrimSpace(string(text))
}

func (c *custom) choose(t workspace.T) string {
	t.Helper()
	primary := c.get(t, "primary")
	for _, slot := range []string{primary, map[string]string{"A": "B", "B": "A"}[primary]} {
		left, _ := strconv.Atoi(c.get(t, "left."+slot))
		if c.get(t, "state."+slot) == "good" && left > 0 {
			c.system.write(t, "env/left."+slot, strconv.Itoa(left-1)+"\n", 0o644)
			c.system.write(t, "env/booted", slot+"\n", 0o644)
			return slot
		}
	}
	return ""
}

// grub is GRUB's environment block, and the choice of RAUC's example script
// (contrib/grub.conf).
type grub struct {
	system *System
	file   string
}

func (g *grub) config() (system, handlers string) { return "bootloader=grub\ngrubenv=" + g.file, "" }

func (g *grub) choose(t workspace.T) string {
	t.Helper()
	env := variables(g.system.run(t, "grub-editenv", g.file, "list"))
	for slot := range strings.FieldsSeq(env["ORDER"]) {
		if env[slot+"_OK"] == "1" && env[slot+"_TRY"] == "0" {
			g.system.run(t, "grub-editenv", g.file, "set", slot+"_TRY=1")
			return slot
		}
	}
	return ""
}

// uboot is U-Boot's environment in a file, and the choice of RAUC's example script
// (contrib/uboot.sh).
type uboot struct{ system *System }

func (s *System) newUBoot(t workspace.T) *uboot {
	t.Helper()
	const size = 0x4000
	s.write(t, "uboot.env", string(make([]byte, size)), 0o600)
	s.write(t, "fw_env.config", fmt.Sprintf("%s 0x0 %#x\n", s.path("uboot.env"), size), 0o644)
	s.write(t, "uboot.txt", "BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n", 0o644)
	for _, name := range []string{"fw_printenv", "fw_setenv"} { // RAUC calls them without the path of a configuration
		program, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v", err)
		}
		s.write(t, filepath.Join("bin", name), fmt.Sprintf("#!/bin/sh\nexec %s -c %s \"$@\"\n", program, s.path("fw_env.config")), 0o755)
	}
	s.run(t, s.path("bin/fw_setenv"), "-f", s.path("uboot.txt"), "-s", s.path("uboot.txt"))
	return &uboot{s}
}

func (u *uboot) config() (system, handlers string) { return "bootloader=uboot", "" }

func (u *uboot) choose(t workspace.T) string {
	t.Helper()
	env := variables(u.system.run(t, u.system.path("bin/fw_printenv")))
	for slot := range strings.FieldsSeq(env["BOOT_ORDER"]) {
		name := "BOOT_" + slot + "_LEFT"
		if left, _ := strconv.ParseInt(env[name], 16, 32); left > 0 {
			u.system.run(t, u.system.path("bin/fw_setenv"), name, strconv.FormatInt(left-1, 16))
			return slot
		}
	}
	return ""
}

// variables reads lines of NAME=VALUE.
func variables(text string) map[string]string {
	env := make(map[string]string)
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env
}
