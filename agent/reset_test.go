package agent

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
)

const resetKey = "5ec2e75ec2e75ec2e75ec2e75ec2e701"

// beResettable runs an agent until it is told to end.
func beResettable(t *testing.T, dir string) {
	t.Helper()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-end
		cancel()
	}()
	err := Run(ctx, RunOptions{Config: filepath.Join(dir, "agent.toml"), StateDir: filepath.Join(dir, "state"), Socket: filepath.Join(dir, "s"), Log: os.Stderr})
	if err != nil {
		t.Error(err)
	}
}

// TestFactoryReset: a server resets a device. It gets its answer, then the end of the registration,
// and then the same process registers as it did when it was provisioned. What came later is in no byte
// of the state directory.
func TestFactoryReset(t *testing.T) {
	const child = "LWM2M_AGENT_TEST_RESET"
	if dir := os.Getenv(child); dir != "" {
		beResettable(t, dir)
		return
	}
	l := newLab(t)
	state := filepath.Join(l.dir, "state")
	main := fmt.Sprintf("endpoint = \"gw\"\n[[server]]\nuri = %q\nshort_server_id = 101\nlifetime = \"1h\"\n", l.uri)
	later := fmt.Sprintf("[[server]]\nuri = \"coaps://127.0.0.1:9\"\nshort_server_id = 102\nidentity = \"later\"\nkey = %q\n", resetKey)
	err := errors.Join(
		os.MkdirAll(state, 0o700), os.WriteFile(filepath.Join(l.dir, "agent.toml"), []byte(main), 0o600),
		os.WriteFile(filepath.Join(state, "overlay.toml"), []byte(later), 0o600), os.WriteFile(filepath.Join(state, "state.db.corrupt-1"), []byte(resetKey), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFactoryReset$")
	cmd.Env = append(os.Environ(), child+"="+l.dir)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	first := l.next(t, server.Registered).Registration
	c := l.client(t)
	lifetime := lwm2m.MustPath("/1/0/1")
	if err := c.Replace(t.Context(), lifetime, lwm2m.FormatText, []lwm2m.Node{{Path: lifetime, Value: lwm2m.Integer(7777)}}); err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(resetKey)
	if err != nil {
		t.Fatal(err)
	}
	if found := filesWith(t, state, key); len(found) < 3 { // the overlay, state.db, the damaged one
		t.Errorf("before, the key is in %q", found)
	}
	if err := c.Execute(t.Context(), lwm2m.MustPath("/3/0/5"), ""); err != nil {
		t.Fatal(err)
	}
	if e := l.next(t, server.Deregistered); e.Registration.ID != first.ID {
		t.Errorf("%+v ended", e.Registration)
	}
	if e := l.next(t, server.Registered); e.Registration.Lifetime != time.Hour || e.Registration.Endpoint != "gw" {
		t.Errorf("registered anew: %+v", e.Registration)
	}
	if got := l.read(t, "/1/0/1"); got.Int() != 3600 {
		t.Errorf("the lifetime is %v", got)
	}
	if _, err := l.client(t).Read(t.Context(), lwm2m.MustPath("/1/1")); lwm2m.CodeOf(err) != lwm2m.NotFound {
		t.Errorf("the later account: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the agent ended: %v\n%s", err, &said)
		}
	case <-time.After(generous):
		t.Fatal("the agent does not end")
	}
	if found := filesWith(t, state, key); len(found) > 0 {
		t.Errorf("the key is in %q", found)
	}
}

// TestFactoryResetCut: the power goes at each write of a reset. A server that had its answer finds the
// device reset, and one that had not finds it as it was.
func TestFactoryResetCut(t *testing.T) {
	l := newLab(t)
	cuts, ended := 0, false
	for ; !ended; cuts++ {
		cfg := l.config()
		cfg.StateDir = t.TempDir()
		start := func(cut *powerCut) (*Agent, error) {
			machine := &demo.Machine{Say: func(string) {}}
			return New(Options{Config: cfg, Control: machine, Now: machine.Now, Simulated: true, FactoryReset: true, Log: slog.New(slog.DiscardHandler), BeforeWrite: cut.write})
		}
		power := newPowerCut()
		a, err := start(power)
		if err != nil {
			t.Fatal(err)
		}
		const written = 7777
		lifetime := lwm2m.MustPath("/1/0/1")
		if err := a.Tree().Write(t.Context(), model.FromServer(101), model.Replace, lifetime, []lwm2m.Node{{Path: lifetime, Value: lwm2m.Integer(written)}}); err != nil {
			t.Fatal(err)
		}
		want := int64(3600)
		power.left.Store(int64(min(cuts, 1)))
		if err := a.Tree().Execute(t.Context(), model.FromServer(101), lwm2m.MustPath("/3/0/5"), nil); err != nil {
			want = written
			if !errors.Is(err, errCut) || cuts > 0 {
				t.Fatalf("cut %d: %v", cuts, err)
			}
		}
		power.left.Store(0)
		_ = a.Close() // it cannot write any more
		if cuts > 0 { // and again, while it is carried out
			power = newPowerCut()
			power.left.Store(int64(cuts - 1))
			a, err = start(power)
			if err == nil {
				_ = a.Close()
			}
			ended = err == nil && !power.cut.Load()
		}
		a, err = start(newPowerCut())
		if err != nil {
			t.Fatalf("cut %d: %v", cuts, err)
		}
		if got := a.Tree().Value(lifetime).Int(); got != want {
			t.Errorf("cut %d: the lifetime is %d, want %d", cuts, got, want)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	if cuts < 6 {
		t.Errorf("only %d cuts", cuts)
	}
}

// TestFactoryResetKeepsName: the endpoint name that the agent chose, and the last time known to be
// right, are the device's and not settings.
func TestFactoryResetKeepsName(t *testing.T) {
	l, dir := newLab(t), t.TempDir()
	root := board(card("eth0", "00:13:a2:00:00:01", nil))
	start := func() *Agent {
		a, err := New(Options{Config: &config.Config{StateDir: dir, Servers: l.config().Servers}, Root: root, Simulated: true, FactoryReset: true})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := start()
	name := a.Endpoint()
	err := errors.Join(a.store.Bucket(store.Meta).Save("clock", []byte("then")), a.store.Bucket(store.Values).Save("x", []byte("y")))
	if err = errors.Join(err, a.Tree().Execute(t.Context(), model.FromServer(101), lwm2m.MustPath("/3/0/5"), nil), a.Close()); err != nil {
		t.Fatal(err)
	}
	root = board(card("eth1", "00:13:a2:00:00:01", map[string]string{"etc/machine-id": id1}))
	b := start()
	defer b.Close()
	then, _ := b.store.Bucket(store.Meta).Load("clock")
	gone, _ := b.store.Bucket(store.Values).Load("x")
	if b.Endpoint() != name || string(then) != "then" || gone != nil {
		t.Errorf("%q, was %q; the time %q; a value %q", b.Endpoint(), name, then, gone)
	}
}
