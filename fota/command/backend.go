// Package command is a back end of fota that asks programs: for machines that no
// other one fits.
//
// It knows programs and what they print. It must not know what they do.
//
// # Programs
//
// A folder has a program per question. Each may be cut at any instant and is called
// again then. The package is a file that nobody else writes; its name says nothing.
//
//	slots               which slots there are, and which of them runs
//	inspect FILE        what the package is; signature, board and version are the
//	                    affair of this program; it changes nothing
//	install FILE SLOT   write the package to the slot, which is forbidden, and sync
//	activate SLOT       boot this slot next, on trial; the other one follows
//	mark SLOT good      boot this slot from now on
//	mark SLOT bad       do not boot it, whatever happens
//
// # Answers
//
// A program ends with 0, or has failed. It prints, as one JSON object or in lines
// "key = value", what belongs to its question:
//
//	slots     booted; slot = NAME good|bad [VERSION [HASH]], once for each; in JSON
//	          "slots": [{"name", "good", "version", "hash"}]. Good is a slot that is
//	          booted and has all its attempts
//	inspect   name, version
//	install   version, hash: what slots will say of this slot when it has booted
//	failures  result (Update Result: 2 no place, 5 damaged or not trusted, 6 not for
//	          this board, 8 anything else), reason; else the end of standard error
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// limits are how long the programs may take.
var limits = map[string]time.Duration{
	"slots": 30 * time.Second, "inspect": 15 * time.Minute, "install": time.Hour, "activate": time.Minute, "mark": time.Minute,
}

// Backend asks the programs of a folder.
type Backend struct{ folder string }

var _ fota.Backend = (*Backend)(nil)

// New returns the back end of a folder.
func New(folder string) *Backend { return &Backend{folder} }

// answer is what programs print.
type answer struct {
	Booted  string       `json:"booted"`
	Slots   []slot       `json:"slots"`
	Name    string       `json:"name"`
	Version string       `json:"version"`
	Hash    string       `json:"hash"`
	Result  *fota.Result `json:"result"`
	Reason  string       `json:"reason"`
}

type slot struct {
	Name    string `json:"name"`
	Good    bool   `json:"good"`
	Version string `json:"version"`
	Hash    string `json:"hash"`
}

// ask runs the program of a question. The error is a Failure if the program has
// failed.
func (b *Backend) ask(ctx context.Context, question string, args ...string) (answer, error) {
	within, cancel := context.WithTimeout(ctx, limits[question])
	defer cancel()
	out, _, err := fota.Run(within, "", filepath.Join(b.folder, question), args...)
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case within.Err() != nil:
		return answer{}, fota.Failf(fota.UpdateFailed, "%s: it has not ended in %s", question, limits[question])
	}
	a, wrong := parse(string(out))
	if err == nil && wrong != nil {
		return answer{}, fota.Failf(fota.UpdateFailed, "%s: %v", question, wrong)
	}
	if err != nil {
		return answer{}, a.failure(question, err)
	}
	return a, nil
}

// failure is why a program has failed, by its own words or by how it ended.
func (a *answer) failure(question string, err error) error {
	f := fota.Failf(fota.UpdateFailed, "%v", err)
	if a.Result != nil && *a.Result > fota.Success && *a.Result <= fota.UpdateFailed {
		f.Result = *a.Result
	}
	if a.Reason != "" {
		f.Reason = question + ": " + a.Reason
	}
	return f
}

// parse reads what a program prints.
func parse(text string) (a answer, err error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return answer{}, fmt.Errorf("its answer is no JSON object: %w", err)
		}
		return a, nil
	}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, "=")
		if key, value = strings.TrimSpace(key), strings.TrimSpace(value); key == "" && !ok {
			continue
		}
		if err := a.set(key, value); err != nil {
			return answer{}, fmt.Errorf("its answer has a line %.60q: %w", strings.TrimSpace(line), err)
		}
	}
	return a, nil
}

func (a *answer) set(key, value string) error {
	switch key {
	case "booted":
		a.Booted = value
	case "name":
		a.Name = value
	case "version":
		a.Version = value
	case "hash":
		a.Hash = value
	case "reason":
		a.Reason = value
	case "result":
		var r fota.Result
		if _, err := fmt.Sscan(value, &r); err != nil {
			return fmt.Errorf("it is no Update Result: %w", err)
		}
		a.Result = &r
	case "slot":
		f := strings.Fields(value)
		if len(f) < 2 || len(f) > 4 || f[1] != "good" && f[1] != "bad" {
			return errors.New("want slot = NAME good|bad [VERSION [HASH]]")
		}
		f = append(f, "", "")
		a.Slots = append(a.Slots, slot{f[0], f[1] == "good", f[2], f[3]})
	default:
		return errors.New("want key = value with a key of this answer")
	}
	return nil
}

// Slots implements fota.Backend.
func (b *Backend) Slots(ctx context.Context) (fota.Slots, error) {
	a, err := b.ask(ctx, "slots")
	if err != nil {
		return fota.Slots{}, err
	}
	out := fota.Slots{Booted: a.Booted}
	names := make(map[string]bool)
	for _, s := range a.Slots {
		if s.Name == "" || names[s.Name] {
			return fota.Slots{}, fmt.Errorf("slots: the slot %.40q is there twice, or has no name", s.Name)
		}
		names[s.Name] = true
		out.All = append(out.All, fota.Slot{Name: s.Name, Good: s.Good, Image: fota.Image{Version: s.Version, Hash: s.Hash}})
	}
	if !names[a.Booted] {
		return fota.Slots{}, fmt.Errorf("slots: %.40q is said to run, which is none of the %d slots", a.Booted, len(a.Slots))
	}
	return out, nil
}

// Inspect implements fota.Backend.
func (b *Backend) Inspect(ctx context.Context, file string) (fota.Package, error) {
	a, err := b.ask(ctx, "inspect", file)
	if err == nil && a.Version == "" {
		err = fota.Failf(fota.UpdateFailed, "inspect: it says no version")
	}
	if err != nil {
		return fota.Package{}, err
	}
	return fota.Package{Name: a.Name, Version: a.Version}, nil
}

// Install implements fota.Backend.
func (b *Backend) Install(ctx context.Context, file, slot string) (fota.Image, error) {
	slots, err := b.Slots(ctx)
	if err != nil {
		return fota.Image{}, err
	}
	if slot == slots.Booted {
		return fota.Image{}, fmt.Errorf("slot %q runs: it is not written to", slot)
	}
	a, err := b.ask(ctx, "install", file, slot)
	if err == nil && a.Version == "" && a.Hash == "" {
		err = fota.Failf(fota.UpdateFailed, "install: it says neither version nor hash, by which the new system is known")
	}
	if err != nil {
		return fota.Image{}, err
	}
	return fota.Image{Version: a.Version, Hash: a.Hash}, nil
}

// Activate implements fota.Backend.
func (b *Backend) Activate(ctx context.Context, slot string) error {
	_, err := b.ask(ctx, "activate", slot)
	return err
}

// Mark implements fota.Backend.
func (b *Backend) Mark(ctx context.Context, slot string, good bool) error {
	word := "bad"
	if good {
		word = "good"
	}
	_, err := b.ask(ctx, "mark", slot, word)
	return err
}

// Probe looks whether the programs are there, can be run and are written by root
// alone, and asks for the slots. It changes nothing. The text is for people.
func (b *Backend) Probe(ctx context.Context) (string, error) {
	for question := range limits {
		name := filepath.Join(b.folder, question)
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("%w; programs in [firmware] names the folder, docs/firmware-update.md what is in it", err)
		}
		if unix.Access(name, unix.X_OK) != nil {
			return "", fmt.Errorf("%s cannot be run; run: chmod 0755 %s", name, name)
		}
		if info.Mode()&0o022 != 0 {
			return "", fmt.Errorf("%s can be written by others; run: chmod go-w %s", name, name)
		}
	}
	s, err := b.Slots(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("slot %s of %d runs", s.Booted, len(s.All)), nil
}
