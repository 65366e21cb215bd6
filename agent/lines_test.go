package agent

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/hw"
)

// supervised has the test play the service supervisor, and returns what comes next: the state and whether a file came along.
func supervised(t *testing.T) func() (state string, file *os.File) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(generous)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", name)
	return func() (string, *os.File) {
		t.Helper()
		state, rights := make([]byte, 1024), make([]byte, unix.CmsgSpace(4))
		n, m, _, _, err := conn.ReadMsgUnix(state, rights)
		if err != nil {
			t.Fatal(err)
		}
		if m == 0 {
			return string(state[:n]), nil
		}
		messages, err := unix.ParseSocketControlMessage(rights[:m])
		if err != nil {
			t.Fatal(err)
		}
		descriptors, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			t.Fatal(err)
		}
		return string(state[:n]), os.NewFile(uintptr(descriptors[0]), "handed")
	}
}

// TestKeptLines: lines that systemd kept go to the actuators that are there; others are given up. The whole is tried on the
// emulated board (test/rig, TestAgent).
func TestKeptLines(t *testing.T) {
	next := supervised(t)
	open := func() *os.File {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	relay, other := open(), open()
	cfg := &config.Config{Actuators: []config.Actuator{{Name: "a relay: \n", Driver: "gpio-out"}, {Name: "lamp", Driver: "led"}}}
	hardware := new(hw.Options)
	k := newKeptLines(map[string]*os.File{lineName("a relay: \n"): relay, lineName("former"): other}, cfg, hardware, slog.New(slog.DiscardHandler))
	if state, _ := next(); state != "FDSTOREREMOVE=1\nFDNAME="+lineName("former") {
		t.Errorf("the supervisor was told %q", state)
	}
	if other.Close() == nil {
		t.Error("the line of no actuator stayed open")
	}
	if len(hardware.Handles) != 1 || hardware.Handles["a relay: \n"] != relay {
		t.Errorf("the hardware has %v", hardware.Handles)
	}

	after := *cfg
	after.Actuators = []config.Actuator{{Name: "lamp", Driver: "led"}}
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		k.change(cfg, cfg) // nothing
		k.change(cfg, &after)
	}()
	if state, _ := next(); state != "FDSTOREREMOVE=1\nFDNAME="+lineName("a relay: \n") {
		t.Errorf("the supervisor was told %q", state)
	}
	state, end := next()
	if state != "BARRIER=1" || end == nil {
		t.Fatalf("the supervisor was told %q, with %v", state, end)
	}
	select {
	case <-changed:
		t.Error("it went on before the line was free")
	default:
	}
	if err := end.Close(); err != nil {
		t.Fatal(err)
	}
	<-changed

	if err := notify("FDSTORE=1\nFDNAME=x", relay); err != nil {
		t.Fatal(err)
	}
	state, file := next()
	mine, err := relay.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if state != "FDSTORE=1\nFDNAME=x" || file == nil {
		t.Fatalf("the supervisor was told %q, with %v", state, file)
	}
	defer file.Close()
	if theirs, err := file.Stat(); err != nil || !os.SameFile(mine, theirs) {
		t.Errorf("another file came: %v", err)
	}

	t.Setenv("NOTIFY_SOCKET", "")
	if newKeptLines(nil, cfg, hardware, slog.New(slog.DiscardHandler)) != nil {
		t.Error("without a supervisor")
	}
}
