//go:build !small

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
)

func TestETS(t *testing.T) {
	page := filepath.Join(t.TempDir(), "ets.html")
	out, problems, code := run(t.Context(), "ets", "-id", "201,int-202", "3", "-html", page)
	want := `int-201  Querying basic information in Plain Text format  passed
int-202  Querying basic information in Opaque format      not applicable  no procedure in the test specification
int-3    Simple Bootstrap from Smartcard                  not applicable  needs a smartcard

LwM2M 1.2: 1 passed, 0 failed, 2 not applicable, in `
	if code != exitDone || problems != "" || !strings.HasPrefix(out, want) {
		t.Errorf("exit code %d, %q, printed\n%s\nwant\n%s", code, problems, out, want)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "LightweightM2M-1.2-int-201") {
		t.Errorf("the page has %q, %v", text, err)
	}
}

func TestETSInJSON(t *testing.T) {
	out, _, code := run(t.Context(), "ets", "-id", "204", "-version", "1.0", "-json")
	var results []map[string]string
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		t.Fatal(err)
	}
	if code != exitDone || len(results) != 1 {
		t.Fatalf("exit code %d, %v", code, results)
	}
	for name, want := range map[string]string{
		"id": "int-204", "title": "Querying basic information in JSON format", "version": "1.0", "condition": "C.3", "result": "passed",
	} {
		if got := results[0][name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestETSUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-id", "x"}, `"x" is no number of a procedure, such as 101`},
		{[]string{"-id", "9999"}, "the list for LwM2M 1.2 has no procedure 9999"},
		{[]string{"-id", "110", "-version", "1.1"}, "the list for LwM2M 1.1 has no procedure 110"},
		{[]string{"-version", "1.3"}, `"1.3" is not 1.0, 1.1 or 1.2`},
		{[]string{"-id", "101", "x"}, `"x" is no number`},
	} {
		if _, problems, code := run(t.Context(), append([]string{"ets"}, c.args...)...); code != exitUsage || !strings.Contains(problems, c.want) {
			t.Errorf("ets %v: exit code %d, %q, want %q", c.args, code, problems, c.want)
		}
	}
	if _, problems, code := run(t.Context(), "ets", "-id", "3", "-html", filepath.Join(t.TempDir(), "no/page")); code != exitFailed || !strings.Contains(problems, "write the page") {
		t.Errorf("page that cannot be written: exit code %d, %q", code, problems)
	}
}

func TestETSInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, problems, code := run(ctx, "ets", "101")
	if code != exitFailed || out != "" || !strings.Contains(problems, "interrupted") {
		t.Errorf("exit code %d, %q, %q", code, out, problems)
	}
}

// TestETSPageIsNoLink: a page is not written through a link that somebody left in a folder for everybody.
func TestETSPageIsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "page.html")
	if err := errors.Join(os.WriteFile(victim, []byte("x"), 0o600), os.Symlink(victim, link)); err != nil {
		t.Fatal(err)
	}
	if err := writePage(link, lwm2m.Version12, nil); err == nil {
		t.Error("it was written")
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "x" {
		t.Errorf("the other file has %q, %v", text, err)
	}
}
