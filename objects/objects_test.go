package objects

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 250_000_000, time.UTC)

// fixture is a tree whose clock a test sets.
type fixture struct {
	*testing.T
	tree *model.Tree
	time time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, time: start}
	f.tree = model.NewTree(registry.Definitions(), f.now)
	return f
}

func (f *fixture) now() time.Time { return f.time }

// check fails the test on an error.
func (f *fixture) check(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// refused fails the test unless err has the code and says the words.
func (f *fixture) refused(err error, code lwm2m.Code, words string) {
	f.Helper()
	if err == nil {
		f.Fatalf("no error, want %v: %s", code, words)
	}
	if got := lwm2m.CodeOf(err); got != code || !strings.Contains(err.Error(), words) {
		f.Fatalf("%v; want %v: %s", err, code, words)
	}
}

// values returns what the agent sees at a path, as text by path; a quality other
// than good stands behind the value.
func (f *fixture) values(path string) map[string]string {
	f.Helper()
	readings, err := f.tree.Readings(model.FromAgent(), lwm2m.MustPath(path))
	if err != nil {
		f.Fatal(err)
	}
	out := make(map[string]string, len(readings))
	for _, r := range readings {
		text := r.Value.String()
		if r.Quality != model.Good {
			text += " " + r.Quality.String()
		}
		out[r.Path.String()] = text
	}
	return out
}

// has fails the test unless the values at the paths of want are as there; ""
// stands for no value.
func (f *fixture) has(want map[string]string) {
	f.Helper()
	got := make(map[string]string, len(want))
	for path := range want {
		got[path] = ""
		if readings, err := f.tree.Readings(model.FromAgent(), lwm2m.MustPath(path)); err == nil && len(readings) == 1 {
			for _, text := range f.values(path) {
				got[path] = text
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		f.Errorf("(-want +got):\n%s", d)
	}
}

func (f *fixture) write(path string, v lwm2m.Value) error {
	return f.writeFrom(model.FromServer(1), path, v)
}

func (f *fixture) writeFrom(origin model.Origin, path string, v lwm2m.Value) error {
	p := lwm2m.MustPath(path)
	return f.tree.Write(f.Context(), origin, model.Replace, p, []lwm2m.Node{{Path: p, Value: v}})
}

func (f *fixture) execute(path, args string) error {
	f.Helper()
	parsed, err := model.ParseArguments(args)
	f.check(err)
	return f.tree.Execute(f.Context(), model.FromServer(1), lwm2m.MustPath(path), parsed)
}

// listed returns the resources of an instance, also those without value.
func (f *fixture) listed(path string) []string {
	f.Helper()
	var out []string
	for _, e := range f.tree.Entries(lwm2m.MustPath(path), lwm2m.LevelResource) {
		if e.Path.Level() == lwm2m.LevelResource {
			out = append(out, e.Path.String())
		}
	}
	return out
}

// recorder keeps what an object saves, and refuses it when it shall.
type recorder struct {
	saved [][]lwm2m.Node
	err   error
}

func (r *recorder) save(_ context.Context, nodes []lwm2m.Node) error {
	if r.err != nil {
		return r.err
	}
	r.saved = append(r.saved, nodes)
	return nil
}

func (r *recorder) last() map[string]string {
	out := make(map[string]string)
	if len(r.saved) > 0 {
		for _, n := range r.saved[len(r.saved)-1] {
			out[n.Path.String()] = n.Value.String()
		}
	}
	return out
}

// refuser is an object that refuses at commit: the second half of a composite
// write that fails.
type refuser struct{ model.Plain }

func (refuser) Prepare(context.Context, *model.Edit) (model.Transaction, error) {
	return model.OnCommit(func(context.Context) error { return lwm2m.Errorf(lwm2m.ServiceUnavailable, "broken") }), nil
}
