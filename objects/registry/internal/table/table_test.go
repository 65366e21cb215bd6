package table

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

var definitions = []*model.Definition{
	{
		ID: 0, Name: "First, with a comma", Version: lwm2m.Version{Major: 1, Minor: 2}, Mandatory: true,
		Resources: []model.ResourceDefinition{
			{ID: 0, Name: "A", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeInteger, Range: model.ParseRange("0..255"), Unit: "s"},
			{ID: 7, Name: "B", Multiple: true, Mandatory: true, Type: lwm2m.TypeCorelnk, Range: model.ParseRange("16,32,48")},
		},
	},
	{ID: 0, Name: "First", Version: lwm2m.Version10, Resources: []model.ResourceDefinition{{ID: 0, Name: "A"}}},
	{ID: 3, Name: "Empty", Version: lwm2m.Version10, Resources: []model.ResourceDefinition{{ID: 1, Name: "Run", Ops: model.OpExecute}}},
	{ID: 65534, Name: "Last", Multiple: true, Resources: []model.ResourceDefinition{
		{ID: 65534, Name: "Z", Ops: model.OpRead, Type: lwm2m.TypeFloat, Range: model.ParseRange("-30.5..46"), Unit: "%RH"},
	}},
}

func encoded(t *testing.T) string {
	t.Helper()
	b, err := Encode(definitions)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRoundTrip(t *testing.T) {
	text := encoded(t)
	if err := Check(text); err != nil {
		t.Fatal(err)
	}
	table, err := Open(text)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]*model.Definition, 0, table.Len())
	for i := range table.Len() {
		got = append(got, table.Definition(i))
		if table.Name(i) != definitions[i].Name {
			t.Errorf("name %d is %q", i, table.Name(i))
		}
	}
	if d := cmp.Diff(definitions, got, cmp.AllowUnexported(model.Range{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFind(t *testing.T) {
	table, _ := Open(encoded(t))
	for oid, want := range map[uint16]int{0: 0, 3: 2, 65534: 3} {
		if got, ok := table.Find(oid); !ok || got != want {
			t.Errorf("object %d: position %d, %v; want %d", oid, got, ok, want)
		}
	}
	for _, oid := range []uint16{1, 4, 65535} {
		if _, ok := table.Find(oid); ok {
			t.Errorf("object %d was found", oid)
		}
	}
}

func TestTruncated(t *testing.T) {
	whole := encoded(t)
	for n := range len(whole) {
		if err := Check(whole[:n]); !errors.Is(err, ErrTable) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
		if n < headerSize {
			continue
		}
		shortened := []byte(whole[:n]) // and the header agrees
		binary.LittleEndian.PutUint32(shortened[4:], uint32(n))
		if err := Check(string(shortened)); !errors.Is(err, ErrTable) {
			t.Fatalf("%d of %d bytes with their length: %v", n, len(whole), err)
		}
	}
	if err := Check("LWO2" + whole[4:]); !errors.Is(err, ErrTable) {
		t.Errorf("another kind of file: %v", err)
	}
}

func TestEncodeRefusesWhatItCannotHold(t *testing.T) {
	if _, err := Encode(make([]*model.Definition, 1<<16)); err == nil {
		t.Error("65536 definitions were taken")
	}
}
