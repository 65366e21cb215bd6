package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

// boiler is an object of a vendor.
const boiler = `<?xml version="1.0" encoding="UTF-8"?>
<LWM2M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Object ObjectType="MODefinition">
    <Name>Example Boiler</Name>
    <ObjectID>33000</ObjectID>
    <MultipleInstances>Multiple</MultipleInstances>
    <Mandatory>Optional</Mandatory>
    <Resources>
      <Item ID="0"><Name>Return</Name><Operations>R</Operations><MultipleInstances>Single</MultipleInstances>
        <Mandatory>Optional</Mandatory><Type>Float</Type><RangeEnumeration/><Units>Cel</Units></Item>
      <Item ID="1"><Name>Flow</Name><Operations>R</Operations><MultipleInstances>Single</MultipleInstances>
        <Mandatory>Optional</Mandatory><Type>Integer</Type><RangeEnumeration/><Units>Cel</Units></Item>
      <Item ID="2"><Name>Burner</Name><Operations>RW</Operations><MultipleInstances>Single</MultipleInstances>
        <Mandatory>Optional</Mandatory><Type>Boolean</Type><RangeEnumeration/><Units/></Item>
      <Item ID="3"><Name>Set Point</Name><Operations>RW</Operations><MultipleInstances>Single</MultipleInstances>
        <Mandatory>Optional</Mandatory><Type>Float</Type><RangeEnumeration>0..100</RangeEnumeration><Units>/100</Units></Item>
    </Resources>
  </Object>
</LWM2M>
`

const boilerToml = `
endpoint      = "gw"
object_folder = "objects"

[[server]]
short_server_id = 101
uri             = "coap://127.0.0.1:PORT"

[[sensor]]
name     = "boiler"
driver   = "sim"
wave     = "csv"
file     = "boiler.csv"
interval = "1h"
instance = 7

  [[sensor.channel]]
  name     = "return"
  object   = 33000
  resource = 0

  [[sensor.channel]]
  name     = "flow"
  object   = 33000
  resource = 1

[[actuator]]
name     = "burner"
driver   = "sim"
object   = 33000
resource = 2

[[actuator]]
name     = "valve"
driver   = "sim"
object   = 33000
resource = 3
`

// files writes files into a folder and returns it.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A vendor's object goes all the way with nothing but its definition and a
// configuration: channels and outputs are resources that servers read and write.
func TestVendorObject(t *testing.T) {
	dir := files(t, map[string]string{"objects/boiler.xml": boiler, "objects/README": "not one of them", "boiler.csv": "return,flow\n40.5,61.5\n"})
	known := registry.Definitions()
	if wrong := known.AddFolder(filepath.Join(dir, "objects")); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	l := newLab(t, func(c *server.Config) { c.Shapes = model.Shapes(known) })
	path := filepath.Join(dir, "agent.toml")
	if err := os.WriteFile(path, []byte(strings.Replace(boilerToml, "PORT", l.uri.Port(), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path, filepath.Join(dir, "state"), "")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Check(t.Context(), path, filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if !row.OK {
			t.Errorf("check: %+v", row)
		}
	}
	a, _ := l.run(t, cfg)
	<-a.board.Hardware().Ready()
	l.next(t, server.Registered)
	for path, want := range map[string]lwm2m.Value{"/33000/7/0": lwm2m.Float(40.5), "/33000/7/1": lwm2m.Integer(62)} {
		if got := l.read(t, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	for path, v := range map[string]lwm2m.Value{"/33000/0/2": lwm2m.Boolean(true), "/33000/1/3": lwm2m.Float(35)} {
		p := lwm2m.MustPath(path)
		if err := l.client(t).Replace(t.Context(), p, lwm2m.FormatText, []lwm2m.Node{{Path: p, Value: v}}); err != nil {
			t.Errorf("write %s: %v", path, err)
		} else if got := l.read(t, path); got != v {
			t.Errorf("%s is %v, want %v", path, got, v)
		}
	}
	if p, err := a.registry.ParsePath("/example-boiler/0/flow"); err != nil || p != lwm2m.MustPath("/33000/0/1") {
		t.Errorf("by its name it is %v, %v", p, err)
	}
}

// What is wrong with definitions, and with what they are used for, is told with
// file and line.
func TestCheckVendorObject(t *testing.T) {
	for _, tt := range []struct {
		name    string
		objects map[string]string
		toml    func(string) string
		want    string
	}{
		{"syntax", map[string]string{"b.xml": strings.Replace(boiler, "</Resources>", "", 1)}, nil, "objects/b.xml:18: element <Resources> closed by </Object>"},
		{"type", map[string]string{"b.xml": strings.Replace(boiler, "Boolean", "Bool", 1)}, nil, `objects/b.xml:13: resource "2": <Type>: "Bool" is not an LwM2M data type`},
		{"registered", map[string]string{"b.xml": strings.Replace(boiler, "33000", "3303", 1)}, nil, "objects/b.xml: object 3303 is Temperature in the registry; give yours another number"},
		{"twice", map[string]string{"a.xml": boiler, "b.xml": boiler}, nil, "objects/b.xml: object 33000 (Example Boiler) is in a.xml already; keep one"},
		{"no folder", nil, nil, "objects: no such file or directory"},
		{"no definition", map[string]string{"b.txt": ""}, nil, `agent.toml:19: sensor "boiler": channel "return": object: object 33000 is not in the registry; object_folder names a folder with definitions of others`},
		{
			"no resource",
			map[string]string{"b.xml": boiler},
			func(s string) string { return strings.Replace(s, "resource = 1", "resource = 7", 1) },
			`agent.toml:25: sensor "boiler": channel "flow": resource: object 33000 (Example Boiler) has no resource 7`,
		},
		{
			"not to be written",
			map[string]string{"b.xml": boiler},
			func(s string) string { return strings.Replace(s, "resource = 2", "resource = 0", 1) },
			`agent.toml:31: actuator "burner": resource: 0 (Return) of object 33000 is no single resource that can be written or executed`,
		},
		{
			"no value",
			map[string]string{"b.xml": boiler},
			func(s string) string { return strings.Replace(s, "resource = 3", "", 1) },
			`agent.toml:36: actuator "valve": object: object 33000 (Example Boiler) has no resource for a value; name one with resource`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(boilerToml, "PORT", "5683", 1)
			if tt.toml != nil {
				text = tt.toml(text)
			}
			content := map[string]string{"agent.toml": text, "boiler.csv": "return,flow\n1,2\n"}
			for name, text := range tt.objects {
				content["objects/"+name] = text
			}
			dir := files(t, content)
			_, err := Check(t.Context(), filepath.Join(dir, "agent.toml"), filepath.Join(dir, "state"))
			if want := dir + "/" + tt.want; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
}
