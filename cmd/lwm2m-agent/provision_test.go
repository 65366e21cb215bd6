package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/agent/config"
)

// provisionIn runs the command with standard input.
func provisionIn(t *testing.T, stdin string, args ...string) (out, problems string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	for _, cmd := range commands() {
		if cmd.name == "provision" {
			c := newCall(cmd, args, &stdout, &stderr)
			c.stdin = strings.NewReader(stdin)
			code = report(&stderr, cmd.name, cmd.run(t.Context(), c))
		}
	}
	return stdout.String(), stderr.String(), code
}

// TestProvision: what a factory line prints can be put into the configuration, and
// checks.
func TestProvision(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	out, problems, code := provisionIn(t, "00112233445566778899aabbccddeeff\n", "psk", "-config", file, "-key-file", "-", "-identity", "gw", "-uri", "coaps://127.0.0.1", "-name", "gw")
	if code != 0 || problems != "" || strings.Contains(out, "00112233") {
		t.Fatalf("%d %q %q", code, out, problems)
	}
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil { // the rest of it is comments
		t.Fatal(err)
	}
	if out, problems, code := run(t.Context(), "check", "-config", file, "-state", dir); code != 0 {
		t.Errorf("check: %d %q %q", code, out, problems)
	}
	if out, _, code := provisionIn(t, "", "psk", "-config", file, "-name", "other", "-reveal", "-json"); code != 0 || !strings.Contains(out, `"secret":"`) {
		t.Errorf("%d %q", code, out)
	}
	if out, _, code := provisionIn(t, "", "x509", "-dir", filepath.Join(dir, "k"), "-endpoint", "gw"); code != 0 || !strings.Contains(out, "-----BEGIN CERTIFICATE REQUEST-----") {
		t.Errorf("%d %q", code, out)
	}
	out, _, code = provisionIn(t, "", "list", "-json", "-config", file, "-tpm-device", "/nowhere")
	var list []struct{ Place, Fingerprint string }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list) != 2 {
		t.Errorf("%d %q %v", code, out, err)
	}
	if out, _, code := provisionIn(t, "", "list", "-dir", filepath.Join(dir, "none"), "-tpm-device", "/nowhere"); code != 0 || !strings.HasPrefix(out, "there are no keys in ") {
		t.Errorf("%d %q", code, out)
	}
}

func TestProvisionFromJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.toml")
	const text = `{"endpoint":"gw","servers":[{"short_server_id":101,"uri":"coaps://h","security":"psk","identity":"gw"}]}`
	out, problems, code := provisionIn(t, text, "-json", "-config", file)
	var answer struct{ File string }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != 0 {
		t.Fatalf("%d %q %q", code, out, problems)
	}
	if _, err := os.Stat(answer.File); err != nil || filepath.Base(filepath.Dir(answer.File)) != "agent.d" {
		t.Errorf("%q: %v", answer.File, err)
	}
	if _, problems, code := provisionIn(t, text, "-json", "-config", file); code != 0 || problems != "" {
		t.Errorf("again: %d %q", code, problems)
	}
	other := strings.Replace(text, "coaps://h", "coaps://i", 1)
	if _, problems, code := provisionIn(t, other, "-json", "-config", file); code != 1 || !strings.Contains(problems, "-replace replaces it") {
		t.Errorf("another: %d %q", code, problems)
	}
	out, problems, code = provisionIn(t, other, "-json", "-replace", "-qr", "-config", file)
	if code != 0 || !strings.HasPrefix(out, "LWM2M:E:gw;U:coaps://i;S:101;T:psk;I:gw;K:") || strings.Count(out, "\n") != 1 {
		t.Errorf("label: %d %q %q", code, out, problems)
	}
	if _, problems, code := provisionIn(t, other, "-json", "-force", "-config", file); code != 0 {
		t.Errorf("forced: %d %q", code, problems)
	}
}

// TestProvisionUsage: what is wrong with a command is told as such, before anything is
// written.
func TestProvisionUsage(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"needs psk, rpk, x509, list or account": {},
		"account needs a file":                  {"account"},
		`there is no subcommand "x"`:            {"x"},
		`unexpected argument "rpk"`:             {"psk", "rpk"},
		"rpk does not take -seal":               {"rpk", "-seal"},
		"list does not take -name":              {"list", "-name", "a"},
		"does not take -name":                   {"-json", "-name", "a"},
		`-tpm "x" is no handle`:                 {"rpk", "-tpm", "x"},
		"no persistent handle":                  {"rpk", "-tpm", "1"},
		"16 to 64 bytes":                        {"psk", "-bytes", "1"},
		"every user of this machine":            {"account", "LWM2M:U:coaps://h;K:001122;;"},
		"the text: cannot be done":              {"account", "LWM2M:U:coaps://h"},
		"does not take -label":                  {"psk", "-label"},
		"flag provided but not defined":         {"psk", "-key", "001122"},
		"read the JSON":                         {"-json"},
	} {
		out, problems, code := provisionIn(t, "", append(args, "-dir", filepath.Join(dir, "keys"), "-config", filepath.Join(dir, "agent.toml"))...)
		if code != 2 || out != "" || !strings.Contains(problems, want) {
			t.Errorf("%q: %d %q %q", args, code, out, problems)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v was written", left)
	}
	if _, problems, code := provisionIn(t, "", "psk", "-key-file", filepath.Join(dir, "none"), "-dir", dir); code != 1 || !strings.Contains(problems, "no such file") {
		t.Errorf("%d %q", code, problems)
	}
}

// TestProvisionAccount: a technician's QR code, read in or on a USB stick, is an account that the
// agent's configuration has.
func TestProvisionAccount(t *testing.T) {
	dir := t.TempDir()
	file, stick := filepath.Join(dir, "agent.toml"), filepath.Join(dir, "account.txt")
	const first, second = "LWM2M:U:coaps://bs.example.com;T:psk;I:gw;K:00112233445566778899aabbccddeeff;;\n", "LWM2M:U:coap://h;S:101;;"
	for name, text := range map[string]string{file: "", stick: first} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, problems, code := provisionIn(t, "", "account", stick, "-config", file); code != 0 || !strings.HasPrefix(out, "wrote ") {
		t.Fatalf("%d %q %q", code, out, problems)
	}
	if out, problems, code := provisionIn(t, first, "account", "-", "-config", file); code != 0 || !strings.HasPrefix(out, "nothing to do") {
		t.Errorf("again: %d %q %q", code, out, problems)
	}
	if out, problems, code := provisionIn(t, "", "account", second, "-config", file, "-label"); code != 0 || !strings.Contains(out, `"text": "LWM2M:`) && !strings.Contains(out, `"text":"LWM2M:`) {
		t.Errorf("second: %d %q %q", code, out, problems)
	}
	cfg, err := config.Load(file, config.Options{StateDir: dir})
	if err != nil || len(cfg.Servers) != 1 || cfg.Bootstrap == nil || cfg.Bootstrap.Identity != "gw" {
		t.Errorf("%+v, %v", cfg, err)
	}
	for text, want := range map[string]string{"hello": stick + ": cannot be done: it is neither", "LWM2M:U:http://h;;": "http"} {
		if err := os.WriteFile(stick, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, problems, code := provisionIn(t, "", "account", stick, "-config", file, "-replace"); code != 2 || !strings.Contains(problems, want) {
			t.Errorf("%s: %d %q", text, code, problems)
		}
	}
}
