package registry

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry/internal/oma"
)

// archived returns the files that the table is made from, freshly parsed.
func archived(t *testing.T) []oma.File {
	t.Helper()
	files, err := oma.ReadFolder(os.DirFS("xml"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestEveryDefinitionIsAsRegistered(t *testing.T) {
	r := Definitions()
	newest := make(map[uint16]bool)
	for _, f := range archived(t) {
		want := f.Definition
		got, ok := r.Version(want.ID, want.Version)
		if !ok {
			t.Errorf("%s: version %s is missing", f.Name, want.Version)
			continue
		}
		if f.Superseded() && !newest[want.ID] {
			t.Errorf("%s: superseded, but there is no newer file", f.Name)
		}
		if !f.Superseded() {
			newest[want.ID] = true
			if first, ok := r.Object(want.ID); !ok || first != got {
				t.Errorf("%s: the newest definition is %v", f.Name, first)
			}
		} else if got == mustObject(t, r, want.ID) {
			continue // the same version is among the current files, and has precedence
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(model.Range{}), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-xml +table):\n%s", f.Name, d)
		}
	}
	if got := len(r.List()); got != len(newest) {
		t.Errorf("%d objects in the list, %d in the archive", got, len(newest))
	}
}

// TestOwnFilesNameTheirSchema: Leshan loads no file whose version of LwM2M is not the one of its schema.
func TestOwnFilesNameTheirSchema(t *testing.T) {
	files, err := filepath.Glob("xml/26*.xml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files: ", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("/LWM2M-v1_1.xsd\"")) || !bytes.Contains(text, []byte("<LWM2MVersion>1.1</LWM2MVersion>")) {
			t.Errorf("%s: the schema is not LWM2M-v1_1.xsd, or LWM2MVersion not 1.1", f)
		}
	}
}

func mustObject(t *testing.T, r *Registry, oid uint16) *model.Definition {
	t.Helper()
	d, ok := r.Object(oid)
	if !ok {
		t.Fatalf("no object %d", oid)
	}
	return d
}

// TestTableSize holds what the table may add to the binary.
func TestTableSize(t *testing.T) {
	const most = 150_000
	if len(objects) > most {
		t.Errorf("%d bytes, at most %d", len(objects), most)
	}
	t.Logf("%d definitions in %d bytes", Definitions().table.Len(), len(objects))
}

func TestObjectsThatAreNotRegistered(t *testing.T) {
	r := Definitions()
	for _, oid := range []uint16{17, 18, 29, 3307, 9999, 18832, lwm2m.MaxID - 1, lwm2m.MaxID} { // 17, 18: reserved, without XML
		if d, ok := r.Object(oid); ok {
			t.Errorf("object %d: %s", oid, d.Name)
		}
		if _, ok := r.Version(oid, lwm2m.Version10); ok {
			t.Errorf("object %d has a version", oid)
		}
	}
	if _, ok := r.Version(3, lwm2m.Version{Major: 9}); ok {
		t.Error("object 3 has version 9.0")
	}
}

// TestIrregularities are what the files have that a careless reader trips over.
func TestIrregularities(t *testing.T) {
	r := Definitions()
	resource := func(oid, rid uint16) model.ResourceDefinition {
		t.Helper()
		if res := mustObject(t, r, oid).Resource(rid); res != nil {
			return *res
		}
		t.Fatalf("no resource /%d/x/%d", oid, rid)
		return model.ResourceDefinition{}
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"two spaces in a name", resource(0, 0).Name, "LWM2M Server URI"},
		{"space before a name", resource(21, 6).Name, "OSCORE ID Context"},
		{"no operations", resource(0, 5).Ops, model.Ops(0)},
		{"no operations, but a type", resource(0, 5).Type, lwm2m.TypeOpaque},
		{"executable without type", resource(3, 4).Type, lwm2m.TypeNone},
		{"set of lengths", resource(0, 8).Range.String(), "16,32,48"},
		{"free text for a range", resource(1, 22).Range.String(), ""},
		{"unit in the range", resource(14, 0).Range.String(), "0..255"},
		{"multiple and mandatory", resource(3, 11).Multiple && resource(3, 11).Mandatory, true},
		{"line break in a unit", resource(3346, 5700).Unit, ""},
		{"type of two words", resource(1, 13).Type, lwm2m.TypeUnsigned},
		{"write only", resource(5, 0).Ops, model.OpWrite},
		{"object name of two words", mustObject(t, r, 3305).Name, "Power Measurement"},
		{"single instance", mustObject(t, r, 3).Multiple, false},
		{"mandatory object", mustObject(t, r, 3).Mandatory, true},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, d)
		}
	}
}

func TestVersions(t *testing.T) {
	r := Definitions()
	for _, c := range []struct {
		oid       uint16
		version   lwm2m.Version
		resources int
	}{
		{1, lwm2m.Version10, 9},
		{1, lwm2m.Version11, 24},
		{1, lwm2m.Version12, 28},
		{3, lwm2m.Version10, 23},
		{4, lwm2m.Version{Major: 1, Minor: 3}, 14},
		{4, lwm2m.Version10, 11},
	} {
		d, ok := r.Version(c.oid, c.version)
		if !ok {
			t.Errorf("object %d has no version %s", c.oid, c.version)
			continue
		}
		if d.Version != c.version || len(d.Resources) != c.resources {
			t.Errorf("object %d %s: version %s with %d resources, want %d", c.oid, c.version, d.Version, len(d.Resources), c.resources)
		}
	}
}

func TestDefinitionsAreMadeOnce(t *testing.T) {
	r := Definitions()
	made := make([]*model.Definition, 8)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() { made[i], _ = r.Object(3303) })
	}
	wg.Wait()
	for _, d := range made {
		if d == nil || d != made[0] {
			t.Fatal("callers got different definitions")
		}
	}
	if n := testing.AllocsPerRun(100, func() { r.Object(3303) }); n != 0 {
		t.Errorf("%v allocations for a definition that is there", n)
	}
}

func BenchmarkObjectKept(b *testing.B) {
	r := Definitions()
	for b.Loop() {
		r.Object(3303)
	}
}

func BenchmarkObjectFirst(b *testing.B) {
	b.ReportAllocs()
	r := Definitions()
	position, _ := r.table.Find(3303)
	for b.Loop() {
		r.table.Definition(position)
	}
}

func BenchmarkDefinitions(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Definitions()
	}
}
