package grub

import (
	"context"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/fotatest"
)

// rig is a machine with an environment block and slots in files.
type rig struct {
	fotatest.Files
	t    *testing.T
	file string // of the block
}

func newRig(t *testing.T, dir string) fotatest.Rig {
	t.Helper()
	return &rig{fotatest.NewFiles(t, dir), t, blockOf(t, factory[1:]...)}
}

// Backend implements fotatest.Rig.
func (r *rig) Backend(m *fotatest.Machine) fota.Backend {
	return r.Plain(m, stepped{loader(r.t, r.file, edit), m})
}

// stepped is a Loader each of whose changes, which are one write, is a step.
type stepped struct {
	*Loader
	m *fotatest.Machine
}

func (s stepped) Activate(ctx context.Context, slot string) error {
	return s.m.Step("activate "+slot, func() error { return s.Loader.Activate(ctx, slot) })
}

func (s stepped) Mark(ctx context.Context, slot string, good bool) error {
	return s.m.Step("mark "+slot, func() error { return s.Loader.Mark(ctx, slot, good) })
}

// Boot implements fotatest.Rig: it is packaging/grub/ab.cfg in Go.
func (r *rig) Boot(*fotatest.Machine) string {
	have := vars(r.t, r.file)
	counts := map[string]string{"0": "1", "1": "2", "2": "3"}
	for range 2 {
		for slot := range strings.FieldsSeq(have["ORDER"]) {
			if next := counts[have[slot+"_TRY"]]; have[slot+"_OK"] == "1" && next != "" {
				r.save(slot+"_TRY="+next, have)
				return slot
			}
		}
		have["A_TRY"], have["B_TRY"] = "0", "0"
	}
	r.t.Fatalf("GRUB finds no slot in %v", have)
	return ""
}

// save is save_env: it saves all counts.
func (r *rig) save(count string, have map[string]string) {
	args := []string{"set", "A_TRY=" + have["A_TRY"], "B_TRY=" + have["B_TRY"], count}
	if _, err := edit(r.t.Context(), r.file, args...); err != nil {
		r.t.Fatal(err)
	}
}

func TestCuts(t *testing.T) { fotatest.Cuts(t, fotatest.Options{Random: 20}, newRig) }
