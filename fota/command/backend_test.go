package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/fotatest"
)

// programs writes a folder of programs, of which each says the same unless others
// are given.
func programs(t *testing.T, answer string, others map[string]string) *Backend {
	t.Helper()
	dir := t.TempDir()
	for question := range limits {
		text := "cat <<'END'\n" + answer + "\nEND\n"
		if other, ok := others[question]; ok {
			text = other
		}
		write(t, filepath.Join(dir, question), "#!/bin/sh\n"+text)
	}
	return New(dir)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct{ name, slots, rest string }{
		{"lines", "booted = A\n\nslot = A good 1.0\nslot=B bad 2.0 abc\n", "name = gateway\nversion = 2.0\nhash = abc\n"},
		{
			"JSON", `{"booted": "A", "slots": [{"name": "A", "good": true, "version": "1.0"}, {"name": "B", "version": "2.0", "hash": "abc"}]}`,
			`{"name": "gateway", "version": "2.0", "hash": "abc", "more": 1}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := programs(t, c.rest, map[string]string{
				"slots": "cat <<'END'\n" + c.slots + "\nEND\n",
				"mark":  `[ "$*" = "B good" ] || [ "$*" = "A bad" ]`, "activate": `[ "$*" = B ]`,
			})
			s, err := b.Slots(t.Context())
			if want := "{A [{A true false {1.0 }} {B false false {2.0 abc}}] false}"; err != nil || fmt.Sprint(s) != want {
				t.Errorf("got %v, %v", s, err)
			}
			if p, err := b.Inspect(t.Context(), "/x"); err != nil || p != (fota.Package{Name: "gateway", Version: "2.0"}) {
				t.Errorf("got %v, %v", p, err)
			}
			if i, err := b.Install(t.Context(), "/x", "B"); err != nil || i != (fota.Image{Version: "2.0", Hash: "abc"}) {
				t.Errorf("got %v, %v", i, err)
			}
			if err := errors.Join(b.Mark(t.Context(), "B", true), b.Mark(t.Context(), "A", false), b.Activate(t.Context(), "B")); err != nil {
				t.Error(err)
			}
			if text, err := b.Probe(t.Context()); err != nil || text != "slot A of 2 runs" {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	const slots = "echo 'booted = A'; echo 'slot = A good'; echo 'slot = B bad'"
	for _, c := range []struct {
		name, inspect string
		result        fota.Result
		want          string
	}{
		{"its own words", "echo 'result = 5'; echo 'reason = wrong signature'; exit 1", fota.IntegrityFailure, "inspect: wrong signature"},
		{"JSON", `echo '{"result": 6, "reason": "for a kitchen"}'; exit 1`, fota.UnsupportedPackage, "for a kitchen"},
		{"standard error", "echo 'it  is' ill >&2; exit 3", fota.UpdateFailed, "exit status 3: it is ill"},
		{"success that is none", "echo 'result = 1'; exit 1", fota.UpdateFailed, "exit status 1"},
		{"no result", "echo 'result = good'; exit 1", fota.UpdateFailed, "exit status 1"},
		{"no version", "echo 'name = x'", fota.UpdateFailed, "says no version"},
		{"chatter", "echo 'version = 2'; echo 'all is well'", fota.UpdateFailed, `line "all is well"`},
		{"no JSON", "echo '{\"version\": 2}'", fota.UpdateFailed, "no JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := programs(t, "", map[string]string{"slots": slots, "inspect": c.inspect}).Inspect(t.Context(), "/x")
			if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != c.result || !strings.Contains(f.Reason, c.want) {
				t.Errorf("got %v, want result %d and %q", err, c.result, c.want)
			}
		})
	}
	b := programs(t, "version = 2", map[string]string{"slots": slots})
	if _, err := b.Install(t.Context(), "/x", "A"); err == nil || !strings.Contains(err.Error(), "runs") {
		t.Errorf("the slot that runs: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Activate(ctx, "B"); !errors.Is(err, context.Canceled) {
		t.Errorf("an end from outside: %v", err)
	}
	for _, answer := range []string{"booted = C\nslot = A good", "booted = A\nslot = A good\nslot = A bad", "booted = A\nslot = A", "slot = A good"} {
		if s, err := programs(t, answer, nil).Slots(t.Context()); err == nil {
			t.Errorf("%q is taken as %v", answer, s)
		}
	}
}

func TestProgramsThatHang(t *testing.T) {
	before := limits["activate"]
	limits["activate"] = 1
	defer func() { limits["activate"] = before }()
	err := programs(t, "", map[string]string{"activate": "sleep 60"}).Activate(t.Context(), "B")
	if f, ok := errors.AsType[*fota.Failure](err); !ok || !strings.Contains(f.Reason, "has not ended in") {
		t.Errorf("got %v", err)
	}
}

func TestProbe(t *testing.T) {
	b := programs(t, "", nil)
	name := filepath.Join(b.folder, "install")
	for _, c := range []struct {
		change func() error
		want   string
	}{
		{func() error { return os.Chmod(name, 0o777) }, "chmod go-w"},
		{func() error { return os.Chmod(name, 0o644) }, "chmod 0755"},
		{func() error { return os.Remove(name) }, "no such file"},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// script is all five programs, by its name: slots and boot environment in files.
const script = `#!/bin/sh
set -e
cd %s
put() { echo "$2" >"$1.new"; sync "$1.new"; mv "$1.new" "$1"; }
case ${0##*/} in
slots)
  echo "booted = $(cat booted)"
  for s in A B; do
    state=good; [ "$(cat left$s)" = 3 ] || state=bad
    version=$(head -n 1 rootfs$s | cut -d ' ' -f 2)
    [ "$s" != "$(cat booted)" ] || version=$(cat running)
    echo "slot = $s $state ${version:-none}"
  done ;;
inspect) tail -c +9 "$1" | head -n 1 | sed 's/^\([^ ]*\) \([^ ]*\) .*/name = \1\nversion = \2/' ;;
install)
  tail -c +9 "$1" >rootfs$2
  echo "version = $(head -n 1 rootfs$2 | cut -d ' ' -f 2)" ;;
activate) put left$1 3; put primary $1 ;;
mark) if [ "$2" = good ]; then put left$1 3; else put left$1 0; fi ;;
esac
`

// rig is a machine that the script stands for.
type rig struct {
	fotatest.Files
	t   *testing.T
	dir string
}

// steps makes each change a step.
type steps struct {
	fota.Backend
	m *fotatest.Machine
}

func (s steps) Activate(ctx context.Context, slot string) error {
	return s.m.Step("activate "+slot, func() error { return s.Backend.Activate(ctx, slot) })
}

func (s steps) Mark(ctx context.Context, slot string, good bool) error {
	return s.m.Step("mark "+slot, func() error { return s.Backend.Mark(ctx, slot, good) })
}

// Backend implements fotatest.Rig.
func (r *rig) Backend(m *fotatest.Machine) fota.Backend {
	write(r.t, filepath.Join(r.dir, "booted"), m.Booted)
	write(r.t, filepath.Join(r.dir, "running"), m.Running())
	return steps{New(filepath.Join(r.dir, "programs")), m}
}

// Pack implements fotatest.Rig.
func (r *rig) Pack(_, image string) []byte { return append([]byte("package\n"), r.Whole(image)...) }

func (r *rig) read(name string) string {
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(bytes.TrimSpace(b))
}

// Boot implements fotatest.Rig: as a boot script does.
func (r *rig) Boot(*fotatest.Machine) string {
	primary := r.read("primary")
	for _, slot := range []string{primary, map[string]string{"A": "B", "B": "A"}[primary]} {
		if left := r.read("left" + slot); left > "0" {
			write(r.t, filepath.Join(r.dir, "left"+slot), string(left[0]-1))
			return slot
		}
	}
	r.t.Fatal("there is no slot to boot")
	return ""
}

// TestCuts runs real programs at each step.
func TestCuts(t *testing.T) {
	fotatest.Cuts(t, fotatest.Options{Only: "stays"}, func(t *testing.T, dir string) fotatest.Rig {
		t.Helper()
		r := &rig{fotatest.NewFiles(t, dir), t, dir}
		for name, text := range map[string]string{"primary": "A", "leftA": "3", "leftB": "3"} {
			write(t, filepath.Join(dir, name), text)
		}
		if err := os.Mkdir(filepath.Join(dir, "programs"), 0o700); err != nil {
			t.Fatal(err)
		}
		for question := range limits {
			write(t, filepath.Join(dir, "programs", question), fmt.Sprintf(script, dir))
		}
		return r
	})
}
