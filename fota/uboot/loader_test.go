package uboot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/fota/plain"
)

// text shows an environment without U-Boot's other variables.
func (e environment) text(bootcount string) string {
	if bootcount == "" {
		return fmt.Sprintf("%s, %s %s", e["BOOT_ORDER"], e["BOOT_A_LEFT"], e["BOOT_B_LEFT"])
	}
	return fmt.Sprintf("%s not %q, %s %s", e[bootcount], e[bootcount+"_bad"], e["upgrade_available"], e["bootcount"])
}

func TestChanges(t *testing.T) {
	for _, c := range []struct {
		bootcount string
		env       environment
		do        string // "activate A", "good A", "bad A"
		want      string
	}{
		{"", environment{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "1"}, "activate B", "B A, 2 3"},
		{"", environment{"BOOT_ORDER": "A", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "0"}, "activate B", "B A, 2 3"},
		{"", environment{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "1"}, "good A", "A B, 3 1"},
		{"", environment{"BOOT_ORDER": "A"}, "good B", "A B,  3"},
		{"", environment{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "1"}, "bad B", "A, 2 0"},
		{"", environment{"BOOT_ORDER": "B", "BOOT_A_LEFT": "0", "BOOT_B_LEFT": "1"}, "bad B", "only one"},
		{"", environment{"BOOT_ORDER": ""}, "good A", "has no BOOT_ORDER"},
		{"", environment{"BOOT_ORDER": "A B"}, "good C", "no slot"},
		{"v", environment{"v": "A"}, "activate B", `B not "", 1 0`},
		{"v", environment{"v": "A", "v_bad": "B", "bootcount": "2"}, "activate A", `A not "B", 0 0`}, // nothing to fall back to
		{"v", environment{"v": "A", "v_bad": "B"}, "activate B", `B not "", 1 0`},
		{"v", environment{"v": "B", "upgrade_available": "1", "bootcount": "2"}, "good B", `B not "", 0 0`},
		{"v", environment{"v": "B", "upgrade_available": "1", "bootcount": "2"}, "good A", `B not "", 1 2`},
		{"v", environment{"v": "A", "v_bad": "A B"}, "good A", `A not "B", 0 0`},
		{"v", environment{"v": "A", "upgrade_available": "1", "bootcount": "2"}, "bad B", `A not "B", 0 0`},
		{"v", environment{"v": "B", "upgrade_available": "1", "bootcount": "2"}, "bad B", `A not "B", 0 0`},
		{"v", environment{"v": "B", "v_bad": "A"}, "bad B", "only one"},
		{"v", environment{"v": "C"}, "bad B", "set it to the slot to boot"},
	} {
		t.Run(c.bootcount+" "+c.do, func(t *testing.T) {
			r := &rig{t: t, env: c.env}
			l := New(Options{Slots: []string{"A", "B"}, Bootcount: c.bootcount, Tool: r.tool})
			verb, slot, _ := strings.Cut(c.do, " ")
			var err error
			if verb == "activate" {
				err = l.Activate(t.Context(), slot)
			} else {
				err = l.Mark(t.Context(), slot, verb == "good")
			}
			got := r.env.text(c.bootcount)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestStandings(t *testing.T) {
	for _, c := range []struct {
		bootcount string
		env       environment
		a, b      plain.Standing
	}{
		{"", environment{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0x2"}, plain.Good, plain.OnTrial},
		{"", environment{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "a", "BOOT_B_LEFT": "0"}, plain.Good, plain.OnTrial},
		{"", environment{"BOOT_ORDER": "B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "?"}, plain.Forbidden, plain.OnTrial},
		{"v", environment{"v": "A", "v_bad": "B", "upgrade_available": "1"}, plain.OnTrial, plain.Forbidden},
		{"v", environment{"v": "B", "upgrade_available": "1"}, plain.Good, plain.OnTrial},
		{"v", environment{"v": "B", "v_bad": "B"}, plain.Good, plain.Good}, // it is booted, whatever is said
	} {
		r := &rig{t: t, env: c.env}
		got, err := New(Options{Slots: []string{"A", "B"}, Bootcount: c.bootcount, Tool: r.tool}).Standings(t.Context())
		if err != nil || got["A"] != c.a || got["B"] != c.b {
			t.Errorf("%v: got %v, %v", c.env, got, err)
		}
	}
}

// TestTools has what the tools do that is of no help.
func TestTools(t *testing.T) {
	r := &rig{t: t, env: environment{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}}
	var calls []string
	version, words, deaf := "Compiled with U-Boot 2023.01\n", "", false
	tool := func(ctx context.Context, input, name string, args ...string) ([]byte, string, error) {
		calls = append(calls, strings.Join(append([]string{name}, args...), " "))
		switch {
		case len(args) > 0 && args[0] == "-V":
			return []byte(version), "", nil
		case name == "fw_setenv" && deaf:
			return nil, "", nil
		case name == "fw_setenv":
			out, _, err := r.tool(ctx, strings.ReplaceAll(input, " ", "="), name)
			return out, words, err
		}
		out, _, err := r.tool(ctx, input, name)
		return out, words, err
	}
	l := New(Options{Slots: []string{"A", "B"}, Config: "/etc/x.config", Tool: tool})
	if err := l.Mark(t.Context(), "B", false); err != nil || r.env.text("") != "A, 3 0" {
		t.Errorf("U-Boot's own tool: got %s, %v", r.env.text(""), err)
	}
	if want := "fw_printenv -c /etc/x.config|fw_printenv -V|fw_setenv -c /etc/x.config -s -|fw_printenv -c /etc/x.config"; strings.Join(calls, "|") != want {
		t.Errorf("got %q, want %q", calls, want)
	}
	if calls = nil; l.Mark(t.Context(), "B", false) != nil || len(calls) != 1 {
		t.Errorf("nothing is to be changed: %q", calls)
	}
	deaf = true
	if err := l.Mark(t.Context(), "B", true); err == nil || !strings.Contains(err.Error(), "after fw_setenv has set it") {
		t.Errorf("a change that was not made: %v", err)
	}
	deaf, words = false, "Cannot read environment, using default"
	if _, err := l.Standings(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged or was never written") {
		t.Errorf("no environment: %v", err)
	}
	for want, failure := range map[string]error{
		"install the tools of U-Boot's environment":      fmt.Errorf("fw_setenv: %w", exec.ErrNotFound),
		"compare /etc/fw_env.config with U-Boot's build": errors.New("Cannot access MTD device"),
	} {
		l = New(Options{Slots: []string{"A"}, Tool: func(context.Context, string, string, ...string) ([]byte, string, error) { return nil, "", failure }})
		if err := l.Activate(t.Context(), "A"); !errors.Is(err, failure) || !strings.HasSuffix(strings.Split(err.Error(), " (")[0], want) {
			t.Errorf("%v: got %v, want %q", failure, err, want)
		}
	}
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	config := func(text string) string {
		name := filepath.Join(dir, "config")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const two = "# device offset size\n/dev/mmcblk0 0x100000 0x4000\n/dev/mmcblk0 0x104000 0x4000\n\n"
	good := environment{"v": "A", "bootlimit": "3", "altbootcmd": "setenv v B; setenv upgrade_available 0; saveenv; run bootcmd"}
	for _, c := range []struct {
		name, bootcount, config string
		env                     environment
		want                    string // "": nothing
	}{
		{"order", "", two, environment{"BOOT_ORDER": "A B"}, ""},
		{"no order", "", two, environment{}, "has no BOOT_ORDER"},
		{"the other slot is first", "", two, environment{"BOOT_ORDER": "B A"}, `slot "A" runs`},
		{"one copy", "", two[:50], environment{"BOOT_ORDER": "A B"}, "1 copies"},
		{"UBI volumes", "", "/dev/ubi0_0 0x0 0x1f000 0x1f000\n/dev/ubi0_1 0x0 0x1f000 0x1f000\n", environment{"BOOT_ORDER": "A B"}, ""},
		{"UBI volumes by name", "", "/dev/ubi0:env 0x0 0x1f000 0x1f000\n/dev/ubi0:redund 0x0 0x1f000 0x1f000\n", environment{"BOOT_ORDER": "A B"}, ""},
		{"one UBI volume", "", "/dev/ubi0_1 0x0 0x1f000 0x1f000\n", environment{"BOOT_ORDER": "A B"}, "1 copies"},
		{"in YAML", "", "uboot:\n  size : 16384\n", environment{"BOOT_ORDER": "A B"}, ""},
		{"bootcount", "v", two, good, ""},
		{"no limit", "v", two, environment{"v": "A", "altbootcmd": good["altbootcmd"]}, "bootlimit="},
		{"no way back", "v", two, environment{"v": "A", "bootlimit": "3"}, "altbootcmd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &rig{t: t, env: c.env}
			tool := func(ctx context.Context, input, name string, _ ...string) ([]byte, string, error) {
				return r.tool(ctx, input, name)
			}
			err := New(Options{Slots: []string{"A", "B"}, Bootcount: c.bootcount, Config: config(c.config), Tool: tool}).Probe(t.Context(), "A")
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
