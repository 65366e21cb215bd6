package leshan

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
	"lwm2m-agent/test/workspace"
)

// The object description file of the OMA registry, as far as Leshan reads it.
type (
	ddf struct {
		XMLName  xml.Name  `xml:"LWM2M"`
		Instance string    `xml:"xmlns:xsi,attr"`
		Schema   string    `xml:"xsi:noNamespaceSchemaLocation,attr"`
		Object   ddfObject `xml:"Object"`
	}
	ddfObject struct {
		ObjectType        string    `xml:",attr"`
		Name              string    `xml:"Name"`
		Description1      string    `xml:"Description1"`
		ObjectID          uint16    `xml:"ObjectID"`
		ObjectURN         string    `xml:"ObjectURN"`
		LWM2MVersion      string    `xml:"LWM2MVersion"`
		ObjectVersion     string    `xml:"ObjectVersion"`
		MultipleInstances string    `xml:"MultipleInstances"`
		Mandatory         string    `xml:"Mandatory"`
		Items             []ddfItem `xml:"Resources>Item"`
		Description2      string    `xml:"Description2"`
	}
	ddfItem struct {
		ID                uint16 `xml:",attr"`
		Name              string `xml:"Name"`
		Operations        string `xml:"Operations"`
		MultipleInstances string `xml:"MultipleInstances"`
		Mandatory         string `xml:"Mandatory"`
		Type              string `xml:"Type"`
		RangeEnumeration  string `xml:"RangeEnumeration"`
		Units             string `xml:"Units"`
		Description       string `xml:"Description"`
	}
)

// Models returns the registry's definitions of objects, for Options.Models.
func Models(t workspace.T, oids ...uint16) []model.Definition {
	t.Helper()
	out := make([]model.Definition, 0, len(oids))
	for _, oid := range oids {
		def, ok := registry.Definitions().Object(oid)
		if !ok {
			t.Fatalf("object %d is not in the registry", oid)
		}
		out = append(out, *def)
	}
	return out
}

// writeModels writes object descriptions, and those that are there as files, to a folder that Leshan's -m can read.
func writeModels(t workspace.T, definitions []model.Definition, files ...[]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, text := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%d.xml", i)), text, 0o600); err != nil {
			t.Fatalf("write an object description: %v", err)
		}
	}
	for _, d := range definitions {
		text, err := xml.MarshalIndent(description(d), "", "  ")
		if err != nil {
			t.Fatalf("describe object %d: %v", d.ID, err)
		}
		name := filepath.Join(dir, fmt.Sprintf("%d-%s.xml", d.ID, d.Version))
		if err := os.WriteFile(name, append([]byte(xml.Header), text...), 0o600); err != nil {
			t.Fatalf("describe object %d: %v", d.ID, err)
		}
	}
	return dir
}

func description(d model.Definition) ddf {
	choose := func(yes bool, a, b string) string {
		if yes {
			return a
		}
		return b
	}
	o := ddfObject{
		ObjectType: "MODefinition", Name: d.Name, ObjectID: d.ID, ObjectURN: urn(d), LWM2MVersion: "1.1", ObjectVersion: d.Version.String(),
		MultipleInstances: choose(d.Multiple, "Multiple", "Single"), Mandatory: choose(d.Mandatory, "Mandatory", "Optional"),
	}
	for _, r := range d.Resources {
		typ := r.Type.String()
		if r.Type == lwm2m.TypeNone {
			typ = ""
		}
		o.Items = append(o.Items, ddfItem{
			ID: r.ID, Name: r.Name, Operations: r.Ops.String(), Type: typ, Units: r.Unit,
			MultipleInstances: choose(r.Multiple, "Multiple", "Single"), Mandatory: choose(r.Mandatory, "Mandatory", "Optional"),
			RangeEnumeration: r.Range.String(),
		})
	}
	return ddf{
		Instance: "http://www.w3.org/2001/XMLSchema-instance",
		Schema:   "http://www.openmobilealliance.org/tech/profiles/LWM2M-v1_1.xsd", // by whose name Leshan chooses its own copy
		Object:   o,
	}
}

// urn is the object's name in the registry; version 1.0 is left out, as the registry does.
func urn(d model.Definition) string {
	kind := "x"
	switch {
	case d.ID < 1024:
		kind = "oma"
	case d.ID < 10240:
		kind = "ext"
	}
	text := fmt.Sprintf("urn:oma:lwm2m:%s:%d", kind, d.ID)
	if d.Version.String() != "1.0" {
		text += ":" + d.Version.String()
	}
	return text
}
