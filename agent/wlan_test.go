package agent

import (
	"os"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// TestNoWirelessObject: a machine without wireless interfaces has no object 12.
func TestNoWirelessObject(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	a, err := New(Options{Config: cfg, Root: os.DirFS(t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if e := a.Tree().Entries(lwm2m.NewPath(12), lwm2m.LevelObject); len(e) > 0 {
		t.Errorf("there is %v", e)
	}
	if _, err := a.Tree().Read(model.FromServer(101), lwm2m.NewPath(12), nil); lwm2m.CodeOf(err) != lwm2m.NotFound {
		t.Errorf("object 12 answers %v", err)
	}
}
