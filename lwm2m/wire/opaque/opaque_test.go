package opaque_test

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/opaque"
)

func TestOpaque(t *testing.T) {
	t.Parallel()
	for _, v := range wiretest.Values(lwm2m.TypeOpaque) {
		got, err := opaque.Append([]byte("x"), v)
		if err != nil || string(got) != "x"+string(v.Bytes()) {
			t.Errorf("%d bytes are written as %d bytes, %v", v.Len(), len(got), err)
		}
		if opaque.Decode(v.Bytes()) != v {
			t.Errorf("%d bytes came back different", v.Len())
		}
	}
	for _, typ := range wiretest.Types() {
		if typ == lwm2m.TypeOpaque {
			continue
		}
		if got, err := opaque.Append([]byte("x"), wiretest.Values(typ)[0]); string(got) != "x" || lwm2m.CodeOf(err) != lwm2m.NotAcceptable {
			t.Errorf("%v is written as %q, %v", typ, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := opaque.Append(nil, opaque.Decode(data)); err != nil || string(got) != string(data) {
			t.Fatalf("%x came back as %x, %v", data, got, err)
		}
	})
}
