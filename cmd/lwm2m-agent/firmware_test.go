package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const firmwareAnswer = `{"state":"downloaded","phase":"deferred","since":"2026-03-01T11:00:00Z","result":11,"outcome":"deferred","name":"gateway","version":"2.0",
	"uri":"coap://x/y","until":"2026-03-01T13:00:00Z","slots":[{"name":"A","booted":true,"good":true,"version":"1.0"},{"name":"B","booted":false,"good":false,"hash":"0123456789abcdef"}]}`

// TestFirmwareThatWaits shows a download that goes on later, and where it comes from.
func TestFirmwareThatWaits(t *testing.T) {
	a := startAgent(t, map[string]string{"GET /v1/firmware": `{"state":"downloading","phase":"fetching","since":"2026-03-01T11:00:00Z","result":0,"uri":"coap://x/y","source":"http://m/y",
		"on_disk":2000000,"size":8000000,"wait":{"for":"another attempt","until":"2026-03-01T12:05:00Z","why":"the connection is lost"},
		"data":{"used":2500000,"budget":200000000,"renewed":"2026-03-02T00:00:00Z"}}`})
	out, problems, code := run(t.Context(), "firmware", "status", "-socket", a.socket)
	want := "firmware: fetching, 2.0 MB of 8.0 MB, waits 5 min for another attempt, for 1 h\nfrom coap://x/y\nby the mirror http://m/y\ndata: 2.5 MB of 200.0 MB are used, all of it is there again in 12 h\nthe last attempt: the connection is lost\n"
	if !strings.HasPrefix(out, want) {
		t.Errorf("status is %q, %q, %d; want %q", out, problems, code, want)
	}
}

func TestFirmwareCommand(t *testing.T) {
	a := startAgent(t, map[string]string{"GET /v1/firmware": firmwareAnswer, "POST /v1/firmware": "", "PUT /v1/firmware": ""})
	out, problems, code := run(t.Context(), "firmware", "status", "-socket", a.socket)
	for _, want := range []string{
		"firmware: deferred gateway 2.0, waits for consent, is installed in 1 h, last result 11 (deferred), for 1 h", "from coap://x/y", "0123456789ab",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("status is %q, %q, %d; want %q", out, problems, code, want)
		}
	}
	lost := startAgent(t, map[string]string{"GET /v1/firmware": `{"state":"idle","phase":"idle","result":8,"outcome":"update failed","slots_unknown":"there is no fw_printenv"}`})
	if out, _, code := run(t.Context(), "firmware", "status", "-socket", lost.socket); code != exitDone || !strings.Contains(out, "last result 8") || !strings.Contains(out, "the slots are not known: there is no fw_printenv") {
		t.Errorf("status is %q, %d", out, code)
	}
	file := filepath.Join(t.TempDir(), "package")
	if err := os.WriteFile(file, []byte("image"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mark-good"}, {"rollback"}, {"accept"}, {"cancel"}, {"install"}, {"install", file}} {
		if _, problems, code := run(t.Context(), append([]string{"firmware", "-socket", a.socket}, args...)...); code != exitDone {
			t.Errorf("%v: %d %s", args, code, problems)
		}
	}
	want := []string{
		"GET /v1/firmware", `POST /v1/firmware {"action":"mark-good"}`, `POST /v1/firmware {"action":"rollback"}`, `POST /v1/firmware {"action":"accept"}`,
		`POST /v1/firmware {"action":"cancel"}`, `POST /v1/firmware {"action":"install"}`, "PUT /v1/firmware image",
	}
	if got := strings.Join(a.asked, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("asked\n%s", got)
	}
	for _, args := range [][]string{{}, {"status", "x"}, {"rollback", "x"}, {"explode"}} {
		if _, _, code := run(t.Context(), append([]string{"firmware", "-socket", a.socket}, args...)...); code != exitUsage {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if _, _, code := run(t.Context(), "firmware", "-socket", a.socket, "install", os.DevNull); code != exitFailed {
		t.Errorf("a device is a package: %d", code)
	}
}
