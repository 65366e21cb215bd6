package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/hw"
)

// TestBadInput: what is wrong with sensors and actuators is told with file, line and
// remedy.
func TestBadInput(t *testing.T) {
	const server = "endpoint = \"gw\"\n[[server]]\nshort_server_id = 101\nuri = \"coap://127.0.0.1\"\n"
	const cold = "[[sensor]]\nname = \"cold\"\ndriver = \"bme280\"\nbus = \"/dev/i2c-1\"\naddress = 0x76\n"
	for _, tt := range []struct{ name, text, want string }{
		{"an address that no bus has", strings.Replace(cold, "0x76", "0x80", 1), `agent.toml:9: sensor "cold": address: 128 is not valid; allowed: 0x03 to 0x77`},
		{"an address of another part", strings.Replace(cold, "0x76", "0x48", 1), `agent.toml:9: sensor "cold": address: bme280 has no address 0x48; it can have: 0x76, 0x77`},
		{
			"two drivers on one address", cold + strings.NewReplacer("cold", "attic", "/dev/i2c-1", "i2c-1").Replace(cold),
			`agent.toml:14: sensor "attic": address: i2c-1 0x76 is used by sensor "cold" already; give each its own`,
		},
		{
			"a calibration that falls and rises", cold + "[[sensor.channel]]\nname = \"temperature\"\ncalibration = [[0, 0], [10, 9], [20, 8]]\n",
			`agent.toml:12: sensor "cold": channel "temperature": calibration: two readings cannot stand for one value: 8 after 9; what it is must rise from point to point, or fall`,
		},
		{
			"words that overlap", "[[sensor]]\nname = \"meter\"\ndriver = \"modbus\"\nbus = \"tcp:192.0.2.7:502\"\n" +
				"[[sensor.channel]]\nname = \"power\"\nregister = 12\ntype = \"float32\"\n[[sensor.channel]]\nname = \"energy\"\nregister = 13\n",
			`agent.toml:9: sensor "meter": channel: channels "power" and "energy" overlap at register 13 of table input; give one another register, or a type of fewer words`,
		},
		{
			"a line of two", "[[sensor]]\nname = \"door\"\ndriver = \"gpio-in\"\nchip = \"gpiochip0\"\nline = 4\n[[actuator]]\nname = \"pump\"\ndriver = \"gpio-out\"\nchip = \"/dev/gpiochip0\"\nline = 4\n",
			`agent.toml:14: actuator "pump": line: 4 of gpiochip0 is used by sensor "door" already, FOLDERagent.toml:5; give each its own`,
		},
		{
			"an interlock of nothing", "[[actuator]]\nname = \"pump\"\ndriver = \"sim\"\n[[actuator.interlock]]\ninput = \"door/state\"\n",
			`agent.toml:9: actuator "pump": interlock "door/state": input: there is no sensor "door", and no derived one above; write "sensor/channel"`,
		},
		{
			"an interlock that is kept", "[[sensor]]\nname = \"door\"\ndriver = \"gpio-in\"\nchip = \"c\"\nline = 4\n[[actuator]]\nname = \"pump\"\ndriver = \"sim\"\nsafe = \"keep\"\n[[actuator.interlock]]\ninput = \"door/state\"\n",
			`agent.toml:14: actuator "pump": interlock: an interlock needs a safe state of an output to lead to; safe is not "keep" then`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := files(t, map[string]string{"agent.toml": server + tt.text})
			_, err := Check(t.Context(), filepath.Join(dir, "agent.toml"), dir)
			want := filepath.Join(dir, strings.ReplaceAll(tt.want, "FOLDER", dir+"/"))
			if err == nil || err.Error() != want {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
}

// TestFilesOfRoot: root, who checks, reads everything; what the service reads is told by owner, group and mode. TestInstalled has both.
func TestFilesOfRoot(t *testing.T) {
	const root, service, other = 0, 990, 991
	for _, c := range []struct {
		uid, gid, mode, bits uint32
		want                 bool
	}{
		{root, root, 0o640, bitRead, true},
		{root, root, 0o600, bitRead, true},
		{root, root, 0o644, bitRead, false},
		{root, service, 0o640, bitRead, false},
		{root, service, 0o600, bitRead, true},
		{root, service, 0o604, bitRead, false},
		{root, other, 0o640, bitRead, false}, // the service may have that group, too
		{service, service, 0o600, bitRead, false},
		{root, root, 0o700, bitPass, true},
		{root, service, 0o2750, bitPass, false},
		{root, service, 0o710, bitPass, false},
		{root, service, 0o710, bitList, true},
		{root, root, 0o711, bitPass, false},
		{root, root, 0o711, bitList, true},
	} {
		if got := rootOnly(&unix.Stat_t{Uid: c.uid, Gid: c.gid, Mode: unix.S_IFREG | c.mode}, service, c.bits); got != c.want {
			t.Errorf("%d:%d %o, for %o: %v", c.uid, c.gid, c.mode, c.bits, got)
		}
	}
}

// TestFilesOfAConfiguration: what the service reads, with the folders on the way.
func TestFilesOfAConfiguration(t *testing.T) {
	dir := files(t, map[string]string{"objects/26300.xml": "<LWM2M/>", "objects/notes.txt": ""})
	got := neededFiles(&config.Config{
		Files: []string{"/etc/a/agent.toml", "agent.toml"}, KeyFiles: []string{"/srv/keys/gw.psk"}, Objects: filepath.Join(dir, "objects"),
		EventLogs: []config.EventLog{{File: "/var/log/messages"}, {Source: config.SourceJournal}},
	})
	for path := filepath.Dir(dir); path != "/"; path = filepath.Dir(path) {
		delete(got, path) // of temporary files
	}
	want := map[string]uint32{
		"/etc/a/agent.toml": bitRead, "/etc/a": bitPass, "/etc": bitPass, "/srv/keys/gw.psk": bitRead, "/srv/keys": bitPass, "/srv": bitPass,
		"/var/log/messages": bitRead, "/var/log": bitPass, "/var": bitPass,
		dir: bitPass, filepath.Join(dir, "objects"): bitList, filepath.Join(dir, "objects", "26300.xml"): bitRead,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestFilesOfReaders: what is open to those who may read at the control socket, and not to everybody, is told. TestInstalled has it.
func TestFilesOfReaders(t *testing.T) {
	const reading, service = 990, 991
	for _, c := range []struct {
		gid, mode uint32
		want      bool
	}{
		{reading, 0o640, true},
		{reading, 0o600, false},
		{reading, 0o644, false}, // no secret
		{service, 0o640, false},
	} {
		if got := openTo(&unix.Stat_t{Gid: c.gid, Mode: unix.S_IFREG | c.mode}, "990"); got != c.want {
			t.Errorf("%d %o: %v", c.gid, c.mode, got)
		}
	}
}

// TestCheckKeepsMemory: a check reads keys too, which no core file may have.
func TestCheckKeepsMemory(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	dir := files(t, map[string]string{"agent.toml": "endpoint = \"gw\"\n"})
	if _, err := Check(t.Context(), filepath.Join(dir, "agent.toml"), dir); err != nil {
		t.Fatal(err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("the process is dumpable: %d, %v", dumpable, err)
	}
}

// TestBadHardware: so is what only the machine knows; what else there is, is tried all the
// same.
func TestBadHardware(t *testing.T) {
	dir := files(t, map[string]string{
		"bus/i2c/devices/1-0048/name": "lm75", "drivers/lm75/bind": "", "class/leds/lamp/max_brightness": "1", "class/leds/lamp/brightness": "1",
		"agent.toml": `endpoint = "gw"
[[server]]
short_server_id = 101
uri = "coap://127.0.0.1"
[[sensor]]
name = "cold"
driver = "lm75"
bus = "/dev/i2c-1"
address = 0x48
[[sensor]]
name = "attic"
driver = "lm75"
bus = "/dev/i2c-7"
address = 0x48
[[actuator]]
name = "lamp"
driver = "led"
device = "lamp"
`,
	})
	if err := os.Symlink(filepath.Join(dir, "drivers/lm75"), filepath.Join(dir, "bus/i2c/devices/1-0048/driver")); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(filepath.Join(dir, "agent.toml"), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	rows := probes(t.Context(), cfg, hw.Options{Sys: dir, Dev: dir})
	for i, want := range []string{
		dir + `/agent.toml:5: sensor "cold": lm75 at /dev/i2c-1 0x48: the address is in use by the kernel's driver lm75; use driver = "hwmon" or "iio"; run "lwm2m-agent scan"`,
		dir + `/agent.toml:10: sensor "attic": lm75 at /dev/i2c-7 0x48: ` + dir + `/i2c-7 does not exist; run "lwm2m-agent scan"`,
		"state true, level 100",
	} {
		if rows[i].Detail != want || rows[i].OK != (i == 2) {
			t.Errorf("%+v\nwant %s", rows[i], want)
		}
	}
}

// TestCheckServers: what is said of each server, and of the bootstrap server, without a packet to it.
func TestCheckServers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	text := `
[[server]]
short_server_id = 101
uri = "coap://127.0.0.1"
[[server]]
short_server_id = 102
uri = "coap://lwm2m.example.com"
modem = "wwan"
[[server]]
short_server_id = 103
uri = "coap://[fe80::1]"
[bootstrap]
uri = "coap+tcp://127.0.0.1"
[[modem]]
name = "wwan"
driver = "at"
port = "` + dir + `/none"
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := Check(t.Context(), file, dir)
	if err != nil {
		t.Fatal(err)
	}
	wanted := []struct {
		name, detail string
		ok           bool
	}{
		{"101", "resolves to 127.0.0.1; there is a route, not contacted", true},
		{"102", `by the sockets of modem "wwan"`, true},
		{"103", "resolves to fe80::1, and there is no way there: ", false}, // of which interface?
		{"bootstrap", "there is a route, not contacted", true},
	}
	for i, want := range wanted {
		if r := rows[i]; r.Part != "server" || r.Name != want.name || r.OK != want.ok || !strings.Contains(r.Detail, want.detail) {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
}

// TestCheckOfACredential: a shell does not have what systemd hands to the service, which is no fault; the service itself looks.
func TestCheckOfACredential(t *testing.T) {
	account := &config.Account{Security: config.SecurityPSK, Held: keys.Place{Kind: keys.Credential, Name: "gw.psk"}}
	dir := t.TempDir()
	for variable, want := range map[string]string{"": "only the service has it", dir: "add LoadCredential=gw.psk:FILE"} {
		t.Setenv(keys.CredentialsVariable, variable)
		if rows := checkKey(&config.Config{}, "101", account); len(rows) != 1 || rows[0].OK != (variable == "") || !strings.Contains(rows[0].Detail, want) {
			t.Errorf("%q: %+v", variable, rows)
		}
	}
}
