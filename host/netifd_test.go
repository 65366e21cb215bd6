package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
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
