package ddf

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

const example = `<?xml version="1.0"?>
<LWM2M><Object ObjectType="MODefinition">
<Name>Some
	thing</Name><ObjectID> 32000 </ObjectID><ObjectVersion>1.1</ObjectVersion>
<MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>
<Resources>
<Item ID="2"><Name>Second </Name><Operations>E</Operations><MultipleInstances>Single</MultipleInstances>
<Mandatory>Mandatory</Mandatory><Type></Type><RangeEnumeration></RangeEnumeration><Units>
  </Units></Item>
<Item ID="1"><Name>First, really</Name><Operations>RW</Operations><MultipleInstances>Multiple</MultipleInstances>
<Mandatory>Optional</Mandatory><Type>Unsigned Integer</Type><RangeEnumeration>0..9</RangeEnumeration><Units>Cel</Units></Item>
</Resources></Object></LWM2M>`

func TestParse(t *testing.T) {
	got, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := &model.Definition{
		ID: 32000, Name: "Some thing", Version: lwm2m.Version11, Multiple: true,
		Resources: []model.ResourceDefinition{
			{
				ID: 1, Name: "First, really", Ops: model.OpRead | model.OpWrite, Multiple: true, Type: lwm2m.TypeUnsigned,
				Range: model.ParseRange("0..9"), Unit: "Cel",
			},
			{ID: 2, Name: "Second", Ops: model.OpExecute, Mandatory: true},
		},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(model.Range{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestParseRefusals(t *testing.T) {
	for _, c := range []struct{ old, now, want string }{
		{"</LWM2M>", "", "line 12: unexpected EOF"},
		{"</LWM2M>", "</LWM2M>\n\nmore", "line 14: text follows the end of the file's element"},
		{"</LWM2M>", "</LWM2M>\n<LWM2M/>", "line 13: <LWM2M> follows the end of the file's element"},
		{"LWM2M>", "DDF>", "line 2: expected element type <LWM2M> but have <DDF>"},
		{"<Name>Some", "<Name>&other;", "line 3: invalid character entity &other;"},
		{"Some\n\tthing", " ", "line 2: <Name> is missing"},
		{" 32000 ", "x", `line 2: <ObjectID>: "x" is no identifier`},
		{" 32000 ", "65535", `line 2: <ObjectID>: "65535" is no identifier`},
		{">1.1<", ">one<", "not a version"},
		{">Multiple</MultipleInstances><Mandatory>", ">Many</MultipleInstances><Mandatory>", `line 2: <MultipleInstances>: "Many" is neither Multiple nor Single`},
		{"Optional</Mandatory>\n<Resources>", "Maybe</Mandatory>\n<Resources>", `line 2: <Mandatory>: "Maybe" is neither Mandatory nor Optional`},
		{`ID="2"`, `ID="1"`, `line 10: resource "1": is there twice, first in line 7`},
		{`ID="2"`, `ID=""`, `line 7: resource "": "" is no identifier`},
		{">RW<", ">RX<", `line 10: resource "1": <Operations>: "RX" is not made of R, W and E`},
		{"Unsigned Integer", "Number", "not an LwM2M data type"},
		{"<Object ", "<Object></Object><Object ", "line 1: 2 objects in one file; each needs its own"},
		{"Some", strings.Repeat("x", MaxFile), "it has more than 1048576 bytes"},
	} {
		_, err := Parse([]byte(strings.Replace(example, c.old, c.now, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s for %s: %v; want %s", c.now, c.old, err, c.want)
		}
	}
}

// FuzzParse: whatever a file says, it is read or refused with a line of it.
func FuzzParse(f *testing.F) {
	for _, text := range []string{example, "", "<LWM2M>", "<LWM2M/>", "<!DOCTYPE x [<!ENTITY a 'b'>]>" + example, strings.Replace(example, "Items", "Item>", 1)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err == nil {
			if d.Name == "" || d.ID == lwm2m.MaxID {
				t.Errorf("%+v", d)
			}
			return
		}
		line, ok := errors.AsType[*LineError](err)
		if lines := strings.Count(string(text), "\n") + 1; ok && (line.Line < 1 || line.Line > lines) {
			t.Errorf("line %d of %d: %v", line.Line, lines, err)
		}
	})
}
