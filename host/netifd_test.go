package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReconnect(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	if err := Reconnect(t.Context(), "wwan"); !errors.Is(err, ErrNotSupported) {
		t.Errorf("without ubus: %v", err)
	}
	script := "#!/bin/sh\necho \"$@\" >> " + dir + "/log\ncase $2 in *lost*) echo 'Command failed: Not found' >&2; exit 4;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "ubus"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Reconnect(t.Context(), "wwan"); err != nil {
		t.Error(err)
	}
	if err := Reconnect(t.Context(), "lost"); err == nil || !strings.Contains(err.Error(), `take the interface "lost" down: run ubus`) {
		t.Errorf("%v", err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if want := "call network.interface.wwan down\ncall network.interface.wwan up\ncall network.interface.lost down\n"; err != nil || string(log) != want {
		t.Errorf("%q, %v", log, err)
	}
}

// TestWatchNetifd has a script stand in for ubus: it says how the interface is, and each time something is written into a pipe, an event.
func TestWatchNetifd(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	if err := WatchNetifd(t.Context(), "wwan", nil); !errors.Is(err, ErrNotSupported) {
		t.Errorf("without ubus: %v", err)
	}
	status, events := filepath.Join(dir, "status"), filepath.Join(dir, "events")
	script := "#!/bin/sh\ncase \"$*\" in\n'listen network.interface') exec cat " + events + " ;;\n" +
		"'call network.interface.wwan status') cat " + status + " || { echo 'Command failed: Not found' >&2; exit 4; } ;;\n*) exit 1 ;;\nesac\n"
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "ubus"), []byte(script), 0o755), syscall.Mkfifo(events, 0o600)); err != nil {
		t.Fatal(err)
	}
	say := func(up, wanted bool) {
		text := fmt.Sprintf(`{"up":%v,"pending":false,"available":true,"autostart":%v,"dynamic":false,"proto":"qmi"}`, up, wanted)
		if err := os.WriteFile(status, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	told, ended := make(chan Netifd, 10), make(chan error, 1)
	watch := func(ctx context.Context) {
		go func() { ended <- WatchNetifd(ctx, "wwan", func(n Netifd) { told <- n }) }()
	}
	say(true, true)
	watch(t.Context())
	pipe, err := os.OpenFile(events, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := <-told; n != (Netifd{true, true}) {
		t.Errorf("at first %+v", n)
	}
	event := func(name, action string) {
		if _, err := fmt.Fprintf(pipe, "{ \"network.interface\": {\"action\":%q,\"interface\":%q} }\n", action, name); err != nil {
			t.Fatal(err)
		}
	}
	event("lan", "ifdown") // is no matter of this
	for _, want := range []Netifd{{false, true}, {false, false}, {true, true}} {
		say(want.Up, want.Wanted)
		event("wwan", "ifdown")
		if n := <-told; n != want {
			t.Errorf("%+v, want %+v", n, want)
		}
	}
	pipe.Close()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "ubus has ended") {
		t.Errorf("%v", err)
	}

	if err := os.Remove(status); err != nil { // there is no such interface yet
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watch(ctx)
	if pipe, err = os.OpenFile(events, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	say(true, true)
	event("wwan", "ifup")
	if n := <-told; n != (Netifd{true, true}) {
		t.Errorf("when it is there %+v", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended: %v", err)
	}
}
