package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestCommandsFollowNoLinks: whatever file a command is to write is there already, as somebody's who may write in that folder and waits for root to do
// so: a name of somebody else's file, of one that is not there, or a pipe. The command ends, the file stays as it was, and nothing comes
// about where the name leads.
func TestCommandsFollowNoLinks(t *testing.T) {
	const text = "somebody else's\n"
	kinds := map[string]func(dir, name string) error{
		"a symbolic link":   func(dir, name string) error { return os.Symlink(filepath.Join(dir, "victim"), name) },
		"a hard link":       func(dir, name string) error { return os.Link(filepath.Join(dir, "victim"), name) },
		"a link to nothing": func(dir, name string) error { return os.Symlink(filepath.Join(dir, "nothing"), name) },
		"a pipe":            func(_, name string) error { return syscall.Mkfifo(name, 0o600) },
	}
	for _, c := range []struct {
		file    string
		command []string
		refuses bool
	}{
		{"file", []string{"bundle", "-config", "agent.toml", "-state", "state", "-socket", "agent.sock", "file"}, true},
		{"file", []string{"trace", "-socket", "agent.sock", "-pcap", "file"}, true},
		{"file", []string{"trace", "-socket", "agent.sock", "-pcapng", "file"}, true},
		{"file", []string{"sensor", "record", "-config", "agent.toml", "-samples", "1", "-o", "file", "room"}, true},
		{"keys/device.psk", []string{"provision", "psk", "-dir", "keys", "-identity", "gw"}, true},
		{"keys/device.psk", []string{"provision", "psk", "-dir", "keys", "-identity", "gw", "-replace"}, false},
		{"keys/device.key.pem", []string{"provision", "rpk", "-dir", "keys"}, true},
		{"keys/device.key.pem", []string{"provision", "rpk", "-dir", "keys", "-replace"}, false},
		{"keys/device.pub.pem", []string{"provision", "rpk", "-dir", "keys", "-replace"}, false},
		{"keys/.new-1", []string{"provision", "rpk", "-dir", "keys"}, false},
	} {
		for kind, make := range kinds {
			t.Run(fmt.Sprint(c.command, " ", c.file, " is ", kind), func(t *testing.T) {
				dir := t.TempDir()
				t.Chdir(dir)
				err := errors.Join(os.Mkdir("keys", 0o700), os.WriteFile("victim", []byte(text), 0o644), make(dir, c.file),
					os.WriteFile("agent.toml", []byte("[[sensor]]\nname = 'room'\ndriver = 'sim'\nobject = 3303\nmin = 1\nmax = 2\n"), 0o600))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				out, problems, code := run(ctx, c.command...)
				if ctx.Err() != nil || c.refuses == (code == 0) {
					t.Errorf("status %d, %v: %s%s", code, ctx.Err(), out, problems)
				}
				if got, err := os.ReadFile("victim"); err != nil || string(got) != text {
					t.Errorf("the file holds %q, %v", got, err)
				}
				if info, err := os.Stat("victim"); err != nil || info.Mode() != 0o644 {
					t.Errorf("the file's mode is %v, %v", info.Mode(), err)
				}
				if _, err := os.Lstat("nothing"); err == nil {
					t.Error("the link's file has come about")
				}
			})
		}
	}
}
