package senml_test

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/senml"
)

type (
	appender func([]byte, lwm2m.Path, []lwm2m.Node) ([]byte, error)
	decoder  func([]byte, lwm2m.Path, lwm2m.Shapes) ([]lwm2m.Node, error)
)

// What can be read can be written in both syntaxes, and reads back as the same, but
// for relative times and what is beyond a millisecond.
func fuzz(f *testing.F, decode decoder) {
	f.Helper()
	bases := []lwm2m.Path{
		{},
		lwm2m.MustPath("/3442"), lwm2m.MustPath("/3/0"), lwm2m.MustPath("/3303/0/5700"), lwm2m.MustPath("/3/0/7"),
		lwm2m.MustPath("/3/0/7/1"), lwm2m.MustPath("/dev1/3/0"),
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		base := bases[int(which)%len(bases)]
		nodes, err := decode(data, base, wiretest.Shapes)
		if err != nil {
			if lwm2m.CodeOf(err) != lwm2m.BadRequest && lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge {
				t.Fatal(err)
			}
			return
		}
		senml.ResolveTimes(nodes, noon)
		for i := range nodes {
			nodes[i].Time = nodes[i].Time.Truncate(1e6)
			if nodes[i].Time.Unix() < 1<<28 {
				nodes[i].Time = nodes[i].Time.AddDate(60, 0, 0)
			}
			if nodes[i].Time.Year() < 1979 {
				return // relative and centuries ago
			}
			if nodes[i].Path == base && len(nodes) > 1 && !same(nodes) {
				return // a value and more below it
			}
		}
		both(t, base, nodes)
	})
}

func same(nodes []lwm2m.Node) bool {
	for _, n := range nodes {
		if n.Path != nodes[0].Path {
			return false
		}
	}
	return true
}

func both(t *testing.T, base lwm2m.Path, nodes []lwm2m.Node) {
	t.Helper()
	shapes, ok := wiretest.TypesOf(nodes)
	if !ok {
		return
	}
	for name, syntax := range map[string]struct {
		appender
		decoder
	}{"JSON": {senml.AppendJSON, senml.DecodeJSON}, "CBOR": {senml.AppendCBOR, senml.DecodeCBOR}} {
		data, err := syntax.appender(nil, base, nodes)
		if err != nil {
			t.Fatalf("%s of %v: %v", name, base, err)
		}
		back, err := syntax.decoder(data, base, shapes)
		for i := range back {
			back[i].Time = back[i].Time.Round(1e6)
		}
		if diff := wiretest.Diff(nodes, back); err != nil || diff != "" {
			t.Fatalf("%s of %v is %q: %v\n%s", name, base, data, err, diff)
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for i, example := range examples {
		f.Add(uint8(i), []byte(example.json))
	}
	for i, seed := range []string{
		`[{"bn":"/3442/","n":"0/130","bt":1777723100.5,"t":-99.5,"v":1e-7},{"n":"0/170","vs":"3:0"},{"n":"0/150","vd":"+w=="}]`,
		`[{"bn":"/3/0/","bt":-5},{"n":"9","v":1e2,"x":[{}]},{"n":"13","vs":"2013-05-02T10:40:15Z"}]`,
		`[{"n":"\/3\u002f0/9","v":9.007199254740993e15,"ut":1,"bu":"%"}]`,
	} {
		f.Add(uint8(i), []byte(seed))
	}
	fuzz(f, senml.DecodeJSON)
}

func FuzzDecodeCBOR(f *testing.F) {
	for i, example := range examples {
		f.Add(uint8(i), wiretest.Unhex(f, example.cbor))
	}
	for i, seed := range []string{
		`9f bf 21 7f 63` + wiretest.Hex("/3/") + `62` + wiretest.Hex("0/") + `ff 00 61 39 02 1864 ff ff`,
		`81 a3 21 66` + wiretest.Hex("/3/0/9") + `22 c482 22 1b 0000019de88f52fa 02 1864`,
		`81 a5 00 66` + wiretest.Hex("/3/0/9") + `02 1864 63` + wiretest.Hex("foo") + `82 01 a1 02 f6 18 63 d82a 00 3903e7 f93c00`,
	} {
		f.Add(uint8(i), wiretest.Unhex(f, seed))
	}
	fuzz(f, senml.DecodeCBOR)
}

func FuzzDecodePaths(f *testing.F) {
	f.Add([]byte(`[{"bn":"/","n":"3/0/0"},{"n":"1"},{"n":"dev1/3/0"}]`))
	f.Add(wiretest.Unhex(f, `82 a1 00 66`+wiretest.Hex("/3/0/0")+`a1 00 62`+wiretest.Hex("/1")))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, decode := range []func([]byte) ([]lwm2m.Path, error){senml.DecodePathsJSON, senml.DecodePathsCBOR} {
			paths, err := decode(data)
			if err != nil {
				continue
			}
			json, err1 := senml.DecodePathsJSON(senml.AppendPathsJSON(nil, paths))
			cbor, err2 := senml.DecodePathsCBOR(senml.AppendPathsCBOR(nil, paths))
			if err1 != nil || err2 != nil || len(json) != len(paths) || len(cbor) != len(paths) {
				t.Fatalf("%q: %v, %v, %v, %v, %v", data, paths, json, err1, cbor, err2)
			}
			for i := range paths {
				if json[i] != paths[i] || cbor[i] != paths[i] {
					t.Fatalf("%q: %v, %v, %v", data, paths[i], json[i], cbor[i])
				}
			}
		}
	})
}
