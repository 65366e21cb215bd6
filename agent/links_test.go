package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/server"
)

// TestLinksAreNotFollowed: whatever file the agent writes in its state directory is a link to somebody else's file, at
// first or when it is replaced. It may refuse to start, or complain; that file stays as it was.
func TestLinksAreNotFollowed(t *testing.T) {
	l := newLab(t)
	dir := filepath.Join(l.dir, "model")
	if err := lived(t, l, dir); err != nil {
		t.Fatal(err)
	}
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name, name+".new")
			if info, err := d.Info(); err != nil || info.Mode()&0o077 != 0 {
				t.Errorf("%s: %v, %v; it may hold keys", name, info.Mode(), err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lock", "mark", "overlay.journal", "overlay.toml", "small.log", "state.db", "firmware/slots/boot.json"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among what was written: %q", name, names)
		}
	}
	for _, name := range names {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			l := newLab(t)
			dir, victim := filepath.Join(l.dir, "state"), filepath.Join(l.dir, "victim")
			const text = "somebody else's\n"
			err := errors.Join(os.WriteFile(victim, []byte(text), 0o600), os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.Symlink(victim, filepath.Join(dir, name)))
			if err != nil {
				t.Fatal(err)
			}
			err = lived(t, l, dir)
			if got, problem := os.ReadFile(victim); problem != nil || string(got) != text {
				t.Errorf("it holds %q now, %v; the agent: %v", got, problem, err)
			}
			t.Logf("the agent: %v", err)
		})
	}
}

// lived has an agent live in a state directory: it registers, is configured, and ends.
func lived(t *testing.T, l *lab, dir string) error {
	t.Helper()
	file := filepath.Join(l.dir, "agent.toml")
	text := fmt.Sprintf("endpoint = 'gw'\n[firmware]\nbackend = 'file'\n[[server]]\nshort_server_id = 101\nuri = '%s'\n", l.uri)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	files := filesOf(file, dir, "")
	machine, damage := transaction.Open(transaction.Folder(dir))
	layout, _, err := firstConfig(files, machine)
	if err != nil {
		return errors.Join(damage, err)
	}
	clock := &demo.Machine{Say: func(string) {}}
	a, err := New(Options{
		Config: layout.Config, Layout: layout, Version: "test", Control: clock, Now: clock.Now, Files: &files, Transactions: machine, Simulated: true,
	})
	if err != nil {
		return errors.Join(damage, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	l.next(t, server.Registered)
	await(t, a, "registered", func(s client.AccountStatus) bool { return s.State == client.Registered })
	if err := a.client.Alive(t.Context()); err != nil { // what it keeps of that is on disk
		t.Error(err)
	}
	_, applied := localConfiguration{a.configuration}.Apply(ctx, aSensor)
	if applied == nil {
		until(t, a, "/3303/0/5750", lwm2m.String("cold room"))
	}
	cancel()
	return errors.Join(damage, applied, <-done)
}
