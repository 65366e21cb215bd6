package agent

import (
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
)

// board is a machine with these files, by name.
func board(files map[string]string) fs.FS {
	root := fstest.MapFS{}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return root
}

// card is a network interface of a board.
func card(name, mac string, more map[string]string) map[string]string {
	dir := "sys/class/net/" + name + "/"
	files := map[string]string{dir + "ifindex": "2", dir + "type": "1", dir + "address": mac, dir + "addr_assign_type": "0", dir + "device/modalias": "x"}
	maps.Copy(files, more)
	return files
}

const id1, id2 = "0123456789abcdef0123456789abcdef", "00000000000000000000000000000001"

func TestNames(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"urn:dev:mac:0013a2fffe000001": card("eth0", "00:13:a2:00:00:01", map[string]string{"proc/device-tree/serial-number": "S-7", "etc/machine-id": id1}),
		"urn:dev:os:32473-S-7":         {"proc/device-tree/serial-number": "S-7", "etc/machine-id": id1},
		"urn:dev:os:32473-MACHINE-ID":  {"proc/device-tree/serial-number": "S 7", "etc/machine-id": id1},
		"":                             {},
	} {
		names := namesOf(board(files))
		want = strings.Replace(want, "MACHINE-ID", names["machine-id"], 1)
		if names["endpoint"] != want || len(names["machine-id"]) != 32 && files["etc/machine-id"] != "" {
			t.Errorf("%q, want %q", names, want)
		}
	}
}

// TestCopiedImage: a name that was chosen stays with the machine, whatever is repaired, and does not
// go to another one with an image.
func TestCopiedImage(t *testing.T) {
	serial := func(s string) map[string]string {
		return map[string]string{"proc/device-tree/serial-number": s, "etc/machine-id": id1}
	}
	const mac, other = "00:13:a2:00:00:01", "00:13:a2:00:00:02"
	first, second := "urn:dev:mac:0013a2fffe000001", "urn:dev:mac:0013a2fffe000002"
	for _, c := range []struct {
		name         string
		there, here  map[string]string
		set1, set2   string // endpoint in the configuration
		want, before string
		copied       bool
	}{
		{"same", card("eth0", mac, serial("1")), card("eth0", mac, serial("1")), "", "", first, first, false},
		{"another machine ID", card("eth0", mac, nil), card("eth0", mac, map[string]string{"etc/machine-id": id2}), "", "", first, first, false},
		{"repaired", card("eth0", mac, serial("1")), card("eth0", other, serial("1")), "", "", first, first, false},
		{"not there yet", card("eth0", mac, nil), nil, "", "", first, first, false},
		{"copied", card("eth0", mac, serial("1")), card("eth0", other, serial("2")), "", "", second, first, true},
		{"copied, no serial", card("eth0", mac, nil), card("eth0", other, nil), "", "", second, first, true},
		{"copied, configured", card("eth0", mac, nil), card("eth0", other, nil), "gw", "gw", "gw", "gw", true},
		{"copied, configured anew", card("eth0", mac, nil), card("eth0", other, nil), "gw", "gw2", "gw2", "gw", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			start := func(files map[string]string, set string) (endpoint string, copied bool) {
				a, err := New(Options{Config: &config.Config{StateDir: dir, Endpoint: set}, Root: board(files), Simulated: true, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				copied = slices.ContainsFunc(a.health.Troubles(), func(w health.Trouble) bool { return w.Code == health.StateCopied })
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
				return a.Endpoint(), copied
			}
			if got, copied := start(c.there, c.set1); got != c.before || copied {
				t.Errorf("first %q, copied %v", got, copied)
			}
			for range 2 { // and it stays so
				got, copied := start(c.here, c.set2)
				if d := cmp.Diff(c.want, got); d != "" || copied != c.copied {
					t.Errorf("copied %v, %s", copied, d)
				}
				if c.set2 == "" {
					c.copied = false // it has its own name now
				}
			}
		})
	}
}

// TestNameOnAFullDisk: a machine whose name is known starts also where its interfaces have changed and that cannot be kept; one that
// needs a new name does not.
func TestNameOnAFullDisk(t *testing.T) {
	const before, after = "00:13:a2:00:00:01", "00:13:a2:00:00:02"
	modem := func(mac string) map[string]string {
		return card("wwan0", mac, map[string]string{"proc/device-tree/serial-number": "1"})
	}
	for set, want := range map[string]string{"": "urn:dev:mac:0013a2fffe000001", "gw": "gw"} {
		dir := t.TempDir()
		start := func(files map[string]string, full error) (string, error) {
			a, err := New(Options{
				Config: &config.Config{StateDir: dir, Endpoint: set}, Root: board(files), Simulated: true, Log: slog.New(slog.DiscardHandler),
				BeforeWrite: func() error { return full },
			})
			if err != nil {
				return "", err
			}
			return a.Endpoint(), a.Close()
		}
		for _, c := range []struct {
			mac  string
			full error
		}{{before, nil}, {after, unix.ENOSPC}, {after, nil}} {
			if got, err := start(modem(c.mac), c.full); err != nil || got != want {
				t.Errorf("with %s, the disk %v: %q, %v", c.mac, c.full, got, err)
			}
		}
		_, err := start(card("eth0", "00:13:a2:00:00:03", map[string]string{"proc/device-tree/serial-number": "2"}), unix.ENOSPC)
		if refused := errors.Is(err, unix.ENOSPC); refused != (set == "") {
			t.Errorf("with endpoint %q on another machine: %v", set, err)
		}
	}
}
