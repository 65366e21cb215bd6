package uboot

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/fotatest"
)

// rig is a machine with an environment in memory and slots in files.
type rig struct {
	fotatest.Files
	t         *testing.T
	bootcount string
	env       environment
	tools     Tool   // in place of those in memory
	config    string // of these
}

func newRig(t *testing.T, dir, bootcount string) *rig {
	t.Helper()
	r := &rig{
		Files: fotatest.NewFiles(t, dir), t: t, bootcount: bootcount,
		env: environment{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"},
	}
	if bootcount != "" {
		r.env = environment{bootcount: "A", "upgrade_available": "0", "bootcount": "0", "bootlimit": "3"}
	}
	r.tools = r.tool
	return r
}

// Backend implements fotatest.Rig.
func (r *rig) Backend(m *fotatest.Machine) fota.Backend {
	tool := func(ctx context.Context, input, name string, args ...string) ([]byte, string, error) {
		if name != "fw_setenv" {
			return r.tools(ctx, input, name, args...)
		}
		return nil, "", m.Step(name+" "+strings.ReplaceAll(input, "\n", " "), func() error {
			_, _, err := r.tools(ctx, input, name, args...)
			return err
		})
	}
	return r.Plain(m, r.loader(tool))
}

func (r *rig) loader(tool Tool) *Loader {
	return New(Options{Slots: []string{"A", "B"}, Bootcount: r.bootcount, Tool: tool, Config: r.config})
}

// tool is fw_printenv and fw_setenv of libubootenv.
func (r *rig) tool(_ context.Context, input, name string, args ...string) ([]byte, string, error) {
	switch {
	case name == "fw_printenv" && len(args) == 0:
		var b bytes.Buffer
		for _, k := range slices.Sorted(maps.Keys(r.env)) {
			fmt.Fprintf(&b, "%s=%s\n", k, r.env[k])
		}
		return b.Bytes(), "", nil
	case name == "fw_printenv":
		return []byte("0.3.2\n"), "", nil
	}
	for line := range strings.Lines(input) {
		if k, v, _ := strings.Cut(strings.TrimSpace(line), "="); v == "" {
			delete(r.env, k)
		} else {
			r.env[k] = v
		}
	}
	return nil, "", nil
}

// Boot implements fotatest.Rig: the boot scripts of docs/firmware-update.md.
func (r *rig) Boot(*fotatest.Machine) string {
	l := r.loader(r.tools)
	env, err := l.read(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	script := boot
	if r.bootcount != "" {
		script = r.bootCounted
	}
	slot, changes := script(env)
	if err := l.write(r.t.Context(), env, changes); err != nil || slot == "" {
		r.t.Fatalf("U-Boot finds no slot in %v, or cannot save: %v", env, err)
	}
	return slot
}

func boot(env environment) (slot string, changes environment) {
	changes = environment{}
	for slot := range strings.FieldsSeq(env["BOOT_ORDER"]) {
		name := "BOOT_" + slot + "_LEFT"
		if left, err := strconv.ParseUint(env[name], 16, 8); err == nil && left > 0 {
			changes[name] = strconv.FormatUint(left-1, 16)
			return slot, changes
		}
	}
	if env["BOOT_ORDER"] == "" {
		return "", changes
	}
	maps.Copy(env, environment{"BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"})
	return boot(env)
}

func (r *rig) bootCounted(env environment) (slot string, changes environment) {
	changes, slot = environment{}, env[r.bootcount]
	if env["upgrade_available"] == "1" {
		n, _ := strconv.Atoi(env["bootcount"])
		changes["bootcount"] = strconv.Itoa(n + 1)
		if n+1 > 3 { // altbootcmd
			slot = map[string]string{"A": "B", "B": "A"}[slot]
			changes = environment{r.bootcount: slot, "upgrade_available": "0", "bootcount": "0"}
		}
	}
	return slot, changes
}

// rigs makes rigs with a scheme.
func rigs(bootcount string) func(t *testing.T, dir string) fotatest.Rig {
	return func(t *testing.T, dir string) fotatest.Rig {
		t.Helper()
		return newRig(t, dir, bootcount)
	}
}

func TestCutsWithOrder(t *testing.T) { fotatest.Cuts(t, fotatest.Options{Random: 20}, rigs("")) }

func TestCutsWithBootcount(t *testing.T) {
	fotatest.Cuts(t, fotatest.Options{Random: 20}, rigs("bootslot"))
}
