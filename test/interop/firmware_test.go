//go:build interop

package interop

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"lwm2m-agent/fota/file"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/workspace"
)

// TestFirmware has Leshan push packages in each format that is taken in pieces, and
// hand over a URI. Nothing is installed: that would reboot this machine.
func TestFirmware(t *testing.T) {
	t.Parallel()
	object5, ok := registry.Definitions().Object(5)
	if !ok {
		t.Fatal("object 5 is not in the registry")
	}
	content := file.Compose("gateway", "2.0", bytes.Repeat([]byte("firmware"), 10_000))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	defer web.Close()
	l := leshan.Start(t, leshan.Options{Models: append(definitions(t), []model.Definition{*object5}...)})
	gateway.Start(t, board("gw-fota")+"\n[firmware]\nbackend = \"file\"\n"+server(l.CoAP, false, ""))
	s := peer{l, "gw-fota", true}
	s.AwaitRegistered(t, s.endpoint, patience)
	for _, f := range []lwm2m.Format{lwm2m.FormatOpaque, lwm2m.FormatTLV, lwm2m.FormatCBOR} {
		t.Run("push in "+f.String(), func(t *testing.T) {
			a := s.Do(t, leshan.Request{
				Endpoint: s.endpoint, Op: "replace", Path: "/5/0/0", Format: f, Values: leshan.Values{"": hex.EncodeToString(content)}, Timeout: patience,
			})
			if a.Code != "2.04" {
				t.Fatalf("%+v", a)
			}
			s.downloaded(t)
		})
	}
	t.Run("pull", func(t *testing.T) {
		if a := s.Replace(t, s.endpoint, "/5/0/1", lwm2m.FormatText, leshan.Values{"": web.URL + "/package"}); a.Code != "2.04" {
			t.Fatalf("%+v", a)
		}
		s.downloaded(t)
	})
}

// downloaded waits for a package that is good, and resets.
func (s peer) downloaded(t workspace.T) {
	t.Helper()
	var last leshan.Answer
	for end := time.Now().Add(patience); time.Now().Before(end) && last.Content["/5/0/3"] != "2"; {
		last = s.Read(t, s.endpoint, "/5/0", lwm2m.FormatTLV)
	}
	if last.Content["/5/0/3"] != "2" || last.Content["/5/0/5"] != "0" || last.Content["/5/0/6"] != "gateway" || last.Content["/5/0/7"] != "2.0" {
		t.Fatalf("%+v", last)
	}
	if a := s.Replace(t, s.endpoint, "/5/0/0", lwm2m.FormatOpaque, leshan.Values{"": "00"}); a.Code != "2.04" {
		t.Fatalf("%+v", a)
	}
	if a := s.Read(t, s.endpoint, "/5/0/3", lwm2m.FormatText); a.Content["/5/0/3"] != "0" {
		t.Fatalf("%+v", a)
	}
}
