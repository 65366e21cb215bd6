package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lwm2m-agent/lwm2m"
)

// drivers is a table like that of package hw.
var drivers = map[string]Driver{
	"bme280":     {Sensor: true, Required: []string{"bus", "address"}, Optional: []string{"interval"}},
	"gpio-in":    {Sensor: true, Required: []string{"chip", "line"}, Optional: []string{"debounce", "active", "bias", "edge"}},
	"gpio-out":   {Actuator: true, Required: []string{"chip", "line"}, Optional: []string{"active", "drive", "safe"}},
	"iio-buffer": {Sensor: true, Required: []string{"device"}, Optional: []string{"interval", "trigger", "frequency"}},
	"ina219":     {Sensor: true, Required: []string{"bus", "address"}, Optional: []string{"interval", "shunt"}},
	"lis3dh":     {Sensor: true, Required: []string{"bus", "address"}, Optional: []string{"interval", "range"}},
	"pca9685":    {Actuator: true, Shared: true, Required: []string{"bus", "address", "line"}, Optional: []string{"frequency", "active", "safe"}},
	"max31855":   {Sensor: true, Required: []string{"bus"}, Optional: []string{"interval"}},
	"modbus": {
		Sensor: true, Actuator: true, Required: []string{"bus"},
		Optional: []string{"unit", "baud", "parity", "stop_bits", "timeout", "interval", "register", "table", "type", "word_order"},
	},
	"sim":     {Sensor: true, Actuator: true, Required: nil, Optional: []string{"wave", "min", "max", "period", "seed", "unit", "file", "interval"}},
	"thermal": {Sensor: true, Required: []string{"device"}, Optional: []string{"interval"}},
}

// noKeys is the reader of a machine without key files.
func noKeys(string) ([]byte, bool, error) { return nil, false, fs.ErrNotExist }

func sources(texts ...string) []*source {
	list := make([]*source, len(texts))
	for i, text := range texts {
		name := "agent.toml"
		if i > 0 {
			name = fmt.Sprintf("agent.d/%d.toml", i)
		}
		list[i] = &source{file: name, text: text}
	}
	return list
}

func mustBuild(t *testing.T, texts ...string) *Config {
	t.Helper()
	cfg, err := build(sources(texts...), Options{Drivers: drivers}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestSharedAddress: the outputs of one part are sections of their own.
func TestSharedAddress(t *testing.T) {
	output := func(name string, line int) string {
		return fmt.Sprintf("[[actuator]]\nname='%s'\ndriver='pca9685'\nbus='/dev/i2c-1'\naddress=0x40\nline=%d\nfrequency=50\n", name, line)
	}
	cfg := mustBuild(t, output("fan", 0)+output("lamp", 1))
	if s := cfg.Actuators[1].Settings; s.Frequency != 50 || s.Line.Offset != 1 {
		t.Errorf("%+v", s)
	}
	supply := "[[sensor]]\nname='supply'\ndriver='ina219'\nbus='/dev/i2c-1'\naddress=0x40\n"
	_, err := build(sources(supply+strings.Replace(supply, "'supply'", "'other'", 1)), Options{Drivers: drivers}, noKeys)
	if err == nil || !strings.Contains(err.Error(), "agent.toml:10") || !strings.Contains(err.Error(), "is used by") {
		t.Errorf("two parts at one address: %v", err)
	}
}

func TestDefaults(t *testing.T) {
	cfg := mustBuild(t, "[[server]]\nshort_server_id = 1\nuri = 'coap://h'\n[[sensor]]\nname='a'\ndriver='sim'\n[[actuator]]\nname='b'\ndriver='gpio-out'\nchip='gpiochip0'\nline='RELAY'\n")
	s := cfg.Servers[0]
	if got, want := s.URI.String(), "coap://h:5683"; got != want {
		t.Errorf("URI is %s, want %s", got, want)
	}
	if s.Lifetime != 24*time.Hour || s.QueueMode || s.Security != SecurityNone || s.Instance != NoInstance || !s.Version.IsZero() {
		t.Errorf("server: %+v", s)
	}
	if cfg.Sensors[0].Settings.Interval != time.Minute || cfg.Sensors[0].Instance != NoInstance {
		t.Errorf("sensor: %+v", cfg.Sensors[0])
	}
	a := cfg.Actuators[0]
	if a.Safe != (Safe{}) || a.Settings.Line != (Line{Given: true, Name: "RELAY"}) || a.Object != 0 {
		t.Errorf("actuator: %+v", a)
	}
	if cfg.Log.Level != "info" || cfg.StateDir != DefaultStateDir || cfg.Socket != DefaultSocket || cfg.Bootstrap != nil || cfg.Location != nil {
		t.Errorf("%+v", cfg)
	}
}

func TestMerge(t *testing.T) {
	cfg := mustBuild(t, `
endpoint = "base"
[device]
manufacturer = "Example"
model = "GW-2"
[[server]]
short_server_id = 101
uri = "coap://one"
[[server]]
short_server_id = 102
uri = "coap://two"
[[sensor]]
name = "cold room"
driver = "bme280"
bus = "/dev/i2c-1"
address = 0x76
[[sensor.channel]]
name = "pressure"
object = 3323
[[sensor]]
name = "door"
driver = "gpio-in"
chip = "gpiochip0"
line = 4
`, `
endpoint = "over"
[device]
model = "GW-3"
[[server]]
short_server_id = 102
lifetime = "1h"
[[server]]
short_server_id = 103
uri = "coap://three"
[[sensor]]
name = "cold room"
interval = "10s"
[[sensor.channel]]
name = "temperature"
instance = 7
[[sensor.channel]]
name = "pressure"
resource = 5701
`, `
[[sensor]]
name = "cold room"
address = 0x77
`)
	if cfg.Endpoint != "over" || cfg.Device.Manufacturer != "Example" || cfg.Device.Model != "GW-3" {
		t.Errorf("endpoint %q, device %+v", cfg.Endpoint, cfg.Device)
	}
	type server struct {
		SSID     uint16
		Host     string
		Lifetime time.Duration
	}
	servers := make([]server, len(cfg.Servers))
	for i, s := range cfg.Servers {
		servers[i] = server{s.ShortServerID, s.URI.Hostname(), s.Lifetime}
	}
	if d := cmp.Diff([]server{{101, "one", 24 * time.Hour}, {102, "two", time.Hour}, {103, "three", 24 * time.Hour}}, servers); d != "" {
		t.Error(d)
	}
	want := Sensor{
		Name: "cold room", Driver: "bme280", Instance: NoInstance,
		Settings: Settings{Bus: "/dev/i2c-1", Address: 0x77, Interval: 10 * time.Second},
		Channels: []Channel{
			{Name: "pressure", Object: 3323, Resource: 5701, Instance: NoInstance},
			{Name: "temperature", Resource: NoResource, Instance: 7},
		},
	}
	if d := cmp.Diff(want, cfg.Sensors[0], cmpopts.IgnoreTypes(Section{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"agent.toml", "agent.d/1.toml", "agent.d/2.toml"}, cfg.Files); d != "" {
		t.Error(d)
	}
	// A problem found later stands where the key stands, whichever file that is.
	if got, want := cfg.Sensors[0].Problem("address", "is wrong").Error(), `agent.d/2.toml:4: sensor "cold room": address: is wrong`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := cfg.Sensors[1].Problem("", "is wrong").Error(), `agent.toml:20: sensor "door": is wrong`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := cfg.Sensors[0].Channels[1].Problem("instance", "is taken").Error(), `agent.d/1.toml:16: sensor "cold room": channel "temperature": instance: is taken`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestKeyAlternatives: a later file that names a key in another way replaces it.
func TestKeyAlternatives(t *testing.T) {
	const base = "[[server]]\nshort_server_id=1\nuri='coaps://h'\nidentity='i'\nkey='aa'\n"
	read := func(file string) ([]byte, bool, error) {
		if file != "agent.d/new.psk" {
			t.Errorf("read %q", file)
		}
		return []byte("bb\n"), false, nil
	}
	cfg, err := build(sources(base, "[[server]]\nshort_server_id=1\nkey_file='new.psk'\n"), Options{}, read)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Servers[0].Key.Reveal(); string(got) != "\xbb" {
		t.Errorf("key is %x", got)
	}
}

func TestFingerprint(t *testing.T) {
	const section = "[[server]]\nshort_server_id=1\nuri='coaps://h'\nidentity='i'\nkey='aa'\n"
	of := func(text string) string { return mustBuild(t, text).Servers[0].Fingerprint }
	base := of(section)
	for name, same := range map[string]string{
		"comment": "# hello\n" + section, "another section": section + "[device]\nmodel='m'\n", "case of the key": strings.Replace(section, "aa", "AA", 1),
		"awake": section + "awake='20s'\n", "gather": section + "gather='1h'\n", "keep_alive": section + "keep_alive=false\n",
	} {
		if of(same) != base {
			t.Errorf("%s: counts as an edit of the section", name)
		}
	}
	for name, edited := range map[string]string{
		"key": strings.Replace(section, "aa", "ab", 1), "host": strings.Replace(section, "//h", "//g", 1), "lifetime": section + "lifetime='24h'\n",
	} {
		if of(edited) == base {
			t.Errorf("%s: an edit that goes unnoticed", name)
		}
	}
}

func TestParseAccount(t *testing.T) {
	a, err := ParseAccount("coaps://[::1]:5684", "gw", "0011")
	if err != nil {
		t.Fatal(err)
	}
	if a.Security != SecurityPSK || a.URI.String() != "coaps://[::1]:5684" || string(a.Key.Reveal()) != "\x00\x11" || a.Instance != NoInstance {
		t.Errorf("%+v", a)
	}
	_, err = ParseAccount("coaps://h", "gw", "001")
	if err == nil || strings.Contains(err.Error(), "001") {
		t.Errorf("want an error that does not show the key, got: %v", err)
	}
	if _, err = ParseAccount("", "", ""); err == nil {
		t.Error("no address was taken")
	}
}

// writeFiles writes files below a new folder and returns it.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"etc/agent.toml":        "endpoint='main'\n[[server]]\nshort_server_id=1\nuri='coaps://h'\nidentity='i'\nkey_file='keys/a.psk'\n[log]\nlevel='debug'\n",
		"etc/agent.d/20.toml":   "endpoint='20'\n[log]\nlevel='warn'\n",
		"etc/agent.d/10.toml":   "endpoint='10'\n[[sensor]]\nname='s'\ndriver='sim'\nfile='rec.csv'\n",
		"etc/agent.d/no.conf":   "not toml at all",
		"etc/agent.d/.hid.toml": "= neither",
		"etc/keys/a.psk":        " 00112233 \n",
		"state/overlay.toml":    "endpoint='overlay'\n[[server]]\nshort_server_id=1\nlifetime='1h'\n",
	})
	cfg, err := Load(filepath.Join(dir, "etc/agent.toml"), Options{StateDir: filepath.Join(dir, "state"), Socket: "/s"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Endpoint != "overlay" || cfg.Log.Level != "warn" || cfg.Servers[0].Lifetime != time.Hour || cfg.Socket != "/s" {
		t.Errorf("%+v", cfg)
	}
	if got := cfg.Servers[0].Key.Reveal(); string(got) != "\x00\x11\x22\x33" {
		t.Errorf("key is %x", got)
	}
	if got, want := cfg.Sensors[0].Settings.File, filepath.Join(dir, "etc/agent.d/rec.csv"); got != want {
		t.Errorf("file is %s, want %s", got, want)
	}
	if len(cfg.Warnings) != 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
}

func TestLoadRefusals(t *testing.T) {
	const server = "[[server]]\nshort_server_id=1\nuri='coaps://h'\nidentity='i'\nkey_file='a.psk'\n"
	tests := []struct {
		name  string
		files map[string]string
		mode  os.FileMode // of a.psk, if not 0
		want  string
	}{
		{"no main file", nil, 0, "agent.toml: there is no such file; -config FILE names another"},
		{"no key file", map[string]string{"agent.toml": server}, 0, "agent.toml:5: server 1: key_file: DIR/a.psk cannot be read: no such file or directory"},
		{"open key file", map[string]string{"agent.toml": server, "a.psk": "00"}, 0o644, "agent.toml:5: server 1: key_file: DIR/a.psk is open to more than its owner and a group that reads it; run: chmod g-w,o-rwx DIR/a.psk"},
		{"key file that the group can write", map[string]string{"agent.toml": server, "a.psk": "00"}, 0o660, "is open to more than its owner"},
		{"key file that is no key", map[string]string{"agent.toml": server, "a.psk": "secret!"}, 0, "DIR/a.psk does not hold a key: not all of it are hexadecimal digits (no spaces, colons, comments or 0x); allowed: 1 to 64 bytes in hexadecimal"},
		{"key file with colons", map[string]string{"agent.toml": server, "a.psk": "00:11:22\n"}, 0, "does not hold a key: not all of it"},
		{"empty key file", map[string]string{"agent.toml": server, "a.psk": "\n"}, 0, "does not hold a key: it is empty"},
		{"key file that lost a digit", map[string]string{"agent.toml": server, "a.psk": "0011223"}, 0, "does not hold a key: it has 7 digits, two are a byte"},
		{"key file with five keys", map[string]string{"agent.toml": server, "a.psk": strings.Repeat("00", 65)}, 0, "does not hold a key: it has 65 bytes"},
		{"key file that is too long", map[string]string{"agent.toml": server, "a.psk": strings.Repeat("0", maxKeyFile+1)}, 0, "a.psk cannot be read: is longer than it may be"},
		{"key file that is a folder", map[string]string{"agent.toml": server, "a.psk/x": ""}, 0, "a.psk cannot be read: is not a regular file"},
		{"main file that is too long", map[string]string{"agent.toml": strings.Repeat("#", maxFileSize+1)}, 0, "agent.toml: cannot be read: is longer than it may be"},
		{"every file is told", map[string]string{"agent.toml": "a = 1\n", "agent.d/1.toml": "b = 2\n"}, 0, "agent.d/1.toml:1: b: unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeFiles(t, tt.files)
			if tt.mode != 0 {
				if err := os.Chmod(filepath.Join(dir, "a.psk"), tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(filepath.Join(dir, "agent.toml"), Options{StateDir: dir})
			if _, ok := errors.AsType[Problems](err); !ok {
				t.Fatalf("the error is %v, want Problems", err)
			}
			if want := strings.ReplaceAll(tt.want, "DIR", dir); !strings.Contains(err.Error(), want) {
				t.Errorf("error:\n%s\nwant:\n%s", err, want)
			}
		})
	}
}

// TestFIFO: nobody is waited for who may write a file some day.
func TestFIFO(t *testing.T) {
	dir := writeFiles(t, map[string]string{"agent.toml": "[[server]]\nshort_server_id=1\nuri='coaps://h'\nidentity='i'\nkey_file='a.psk'\n"})
	if err := syscall.Mkfifo(filepath.Join(dir, "a.psk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(dir, "agent.toml"), Options{StateDir: dir}); err == nil || !strings.Contains(err.Error(), "a.psk cannot be read: is not a regular file") {
		t.Error(err)
	}
}

// TestOpenConfiguration: a key in a file that everyone can read is worth a word,
// as is said in words that can be followed.
func TestOpenConfiguration(t *testing.T) {
	src := sources("[[server]]\nshort_server_id=1\nuri='coaps://h'\nidentity='i'\nkey='00'\n")
	src[0].open = true
	cfg, err := build(src, Options{}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) != 1 || cfg.Warnings[0].Error() != "agent.toml:5: server 1: key: everyone on this machine can read it; use key_file, or run: chmod o-rwx agent.toml" {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
}

// reference returns the commented reference, and the same with every setting
// switched on.
func reference(t *testing.T) (asShipped, switchedOn string) {
	t.Helper()
	b, err := os.ReadFile("../../packaging/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	for i, l := range lines {
		if rest, ok := strings.CutPrefix(l, "#"); ok && !strings.HasPrefix(rest, " ") {
			lines[i] = rest
		}
	}
	return string(b), strings.Join(lines, "")
}

func TestReference(t *testing.T) {
	shipped, on := reference(t)
	keys := referenceKeys(t)
	if _, err := build(sources(shipped), Options{Drivers: drivers}, keys); err != nil {
		t.Error(err)
	}
	cfg, err := build(sources(on), Options{Drivers: drivers}, keys)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Endpoint == "" || len(cfg.Servers) != 5 || cfg.Bootstrap == nil || len(cfg.Sensors) < 5 || len(cfg.Actuators) == 0 || cfg.Servers[0].Version != lwm2m.Version12 {
		t.Errorf("%+v", cfg)
	}
	n, problem := parse(&source{text: on})
	if problem != nil {
		t.Fatal(problem)
	}
	shown := make(map[string]bool)
	collectKeys(n, "", shown)
	for _, path := range schemaKeys(&schema, "") {
		if other := strings.Replace(path, "sensor.", "actuator.", 1); !shown[path] && !shown[other] {
			t.Errorf("packaging/agent.toml does not show %s", path)
		}
	}
}

// referenceKeys are the files that the reference names.
func referenceKeys(t *testing.T) keyReader {
	t.Helper()
	p := newPKI(t)
	return reader(map[string]string{
		"gw-17.psk": "00112233", "gw-17-bs.psk": "00112233", "gw-17.crt": p.certificate, "gw-17.key": p.key, "ca.crt": p.authority, "server.pub": p.public, "page.token": goodToken,
	})
}

func collectKeys(n *node, prefix string, into map[string]bool) {
	for name, c := range n.table {
		into[prefix+name] = true
		collectKeys(c, prefix+name+".", into)
	}
	for _, c := range n.list {
		collectKeys(c, prefix, into)
	}
}

// schemaKeys lists every key of the schema; what the bootstrap server has in
// common with servers, and actuators with sensors, only once.
func schemaKeys(s *section, prefix string) []string {
	var paths []string
	for _, k := range s.keys {
		common := s.name == "bootstrap" && slices.ContainsFunc(accountKeys, func(a key) bool { return a.name == k.name })
		if !common && (!k.driver || s.name != "actuator") {
			paths = append(paths, prefix+k.name)
		}
	}
	for i := range s.sections {
		sub := &s.sections[i]
		paths = append(paths, schemaKeys(sub, prefix+sub.name+".")...)
	}
	return paths
}
