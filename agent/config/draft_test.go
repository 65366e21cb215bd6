package config

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const filesText = `endpoint = "gw"

[[server]]
short_server_id = 101
uri             = "coaps://h"
identity        = "gw"
key             = "0011223344"
lifetime        = "1h"

[[sensor]]
name   = "a"
driver = "sim"
object = 3303

[[modem]]
name   = "wwan"
driver = "at"
port   = "/dev/ttyUSB2"
pin    = "1234"

[[app]]
name    = "meter"
user    = "meter"
objects = [3305]

[firmware]
backend = "file"

[remote_configuration]
servers = [101]
`

// folder is a configuration on disk.
func folder(t *testing.T, text string) Files {
	t.Helper()
	dir := t.TempDir()
	f := Files{filepath.Join(dir, "agent.toml"), Options{StateDir: filepath.Join(dir, "state"), Drivers: drivers}}
	for name, content := range map[string]string{"agent.toml": text, "keys/new.psk": "aabbccdd", "state/x.csv": "1,2", "keys/x.csv": "1,2", "state/state.db": ""} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o600)
		if filepath.Ext(name) == ".csv" {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f Files) mustDraft(t *testing.T, candidate, overlay string, remote bool) *Layout {
	t.Helper()
	l, err := f.Draft(candidate, overlay, remote)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestShownRoundTrip: what is shown can be written back, by a server too, and comes to
// nothing; what it does not show it keeps.
func TestShownRoundTrip(t *testing.T) {
	f := folder(t, filesText)
	l, err := f.Read("")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(l.Shown, "0011223344") || strings.Contains(l.Shown, "1234") || strings.Count(l.Shown, `"***"`) != 2 {
		t.Errorf("shown:\n%s", l.Shown)
	}
	back := f.mustDraft(t, l.Shown, "", true)
	if back.Overlay != "" || len(back.Changes) != 0 || back.Shown != l.Shown {
		t.Errorf("written back it comes to\n%s%v", back.Overlay, back.Changes)
	}
	if d := cmp.Diff([]byte{0, 0x11, 0x22, 0x33, 0x44}, back.Config.Servers[0].Key.Reveal()); d != "" {
		t.Error(d)
	}
	added := f.mustDraft(t, l.Shown+"\n[[sensor]]\nname='b'\ndriver='ina219'\nbus='/dev/i2c-1'\naddress=0x40\nshunt=1\n", "", false)
	const want = "[[sensor]]\nname = \"b\"\ndriver = \"ina219\"\nbus = \"/dev/i2c-1\"\naddress = 0x40\nshunt = 1\n"
	if added.Overlay != want || !slices.Equal(added.Changes, []string{`sensor "b": added`}) || len(added.Restart) > 0 || added.ServersChange {
		t.Errorf("overlay\n%s%v %v", added.Overlay, added.Changes, added.Restart)
	}
}

// TestReferenceRoundTrip: every key of the reference can be rendered and is read as what it was.
func TestReferenceRoundTrip(t *testing.T) {
	_, on := reference(t)
	src := &source{file: "agent.toml", text: on}
	var c checker
	n := c.source(src)
	again := &source{file: "agent.toml", text: render(&schema, n, true)}
	m := c.source(again)
	if len(c.problems) > 0 {
		t.Fatal(c.problems)
	}
	if rest := prune(&schema, m, n); len(rest.table) > 0 {
		t.Errorf("rendered, these are others: %v", slices.Collect(maps.Keys(rest.table)))
	}
	if rest := prune(&schema, n, m); len(rest.table) > 0 {
		t.Errorf("rendered, these are missing: %v", slices.Collect(maps.Keys(rest.table)))
	}
}

func TestDraft(t *testing.T) {
	f := folder(t, filesText)
	tests := []struct {
		name, candidate, overlay, want string
		changes                        []string
	}{
		{
			"a part changes what it names", "[[server]]\nshort_server_id=101\nlifetime='2h'\n", "",
			"[[server]]\nshort_server_id = 101\nlifetime = \"2h\"\n",
			[]string{`server 101: lifetime: "1h" becomes "2h"`},
		},
		{
			"what the overlay had is replaced", "[[sensor]]\nname='c'\ndriver='sim'\n", "[[sensor]]\nname='b'\ndriver='sim'\n",
			"[[sensor]]\nname = \"c\"\ndriver = \"sim\"\n",
			[]string{`sensor "b": removed`, `sensor "c": added`},
		},
		{
			"a new key is not shown", "[[server]]\nshort_server_id=101\nkey='ffee'\n", "",
			"[[server]]\nshort_server_id = 101\nkey = \"ffee\"\n",
			[]string{`server 101: key: "***" becomes "***"`},
		},
		{
			"the secret of the overlay", "[[server]]\nshort_server_id=101\nkey='***'\n", "[[server]]\nshort_server_id=101\nkey='ffee'\n",
			"[[server]]\nshort_server_id = 101\nkey = \"ffee\"\n", nil,
		},
		{
			"the same in other words", "[[server]]\nshort_server_id=101\nlifetime='60m'\nuri='coaps://h:5684'\n", "", "", nil,
		},
		{"a table", "[log]\nlevel='debug'\n", "", "[log]\nlevel = \"debug\"\n", []string{`log: level: none becomes "debug"`}},
		{
			"what a server may not set stays", "[log]\nlevel='warn'\n", "test_object=true\n[log]\nlevel='debug'\n[firmware]\nconfirm='1m'\n",
			"test_object = true\n\n[firmware]\nconfirm = \"1m\"\n\n[log]\nlevel = \"warn\"\n",
			[]string{`log: level: "debug" becomes "warn"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := f.mustDraft(t, tt.candidate, tt.overlay, true)
			if d := cmp.Diff(tt.want, l.Overlay); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.changes, l.Changes); d != "" {
				t.Error(d)
			}
		})
	}
	local := f.mustDraft(t, "[log]\nlevel='warn'\n", "test_object=true\n", false)
	if local.Overlay != "[log]\nlevel = \"warn\"\n" || !slices.Equal(local.Restart, []string{"test_object"}) {
		t.Errorf("a local candidate replaces all: %s%v", local.Overlay, local.Restart)
	}
}

// TestUndo: what is kept to go back to has no secret, and can be gone back to only with those that are still in force.
func TestUndo(t *testing.T) {
	f := folder(t, filesText)
	const another = "[[server]]\nshort_server_id=101\nidentity='gw-1'\nkey='ffee'\n"
	for _, tt := range []struct{ name, former, overlay, back string }{
		{"the key stays", another + "lifetime='2h'\n", another, another + "lifetime='2h'\n"},
		{"the key is another one", another, "[[server]]\nshort_server_id=101\nidentity='gw-2'\nkey='ffef'\n", ""},
		{"the key of the files is back", another, "", ""},
		{"the server is gone", "[[server]]\nshort_server_id=102\nuri='coaps://h'\nidentity='x'\nkey='ffee'\n", "", ""},
		{"it had none", "[log]\nlevel='debug'\n", another, "[log]\nlevel='debug'\n"},
	} {
		undo := f.Undo(tt.former, tt.overlay)
		if strings.Contains(undo, "ffee") {
			t.Errorf("%s: a key is in\n%s", tt.name, undo)
		}
		l, err := f.Draft(undo, tt.overlay, false)
		if tt.back == "" {
			if err == nil || !strings.Contains(err.Error(), ": key: the secret that stood here is out of use and was erased") {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if want := f.mustDraft(t, tt.back, "", false); err != nil || l.Overlay != want.Overlay {
			t.Errorf("%s: %v, %+v", tt.name, err, l)
		}
	}
	if undo := (Files{Path: "none"}).Undo(another, another); strings.Contains(undo, "ffee") {
		t.Errorf("without files: %s", undo)
	}
}

// TestDraftRestart: what lies in a section that is read at the start is read then, too; the
// channel of a sensor is not.
func TestDraftRestart(t *testing.T) {
	f := folder(t, filesText+"\n[[firmware.host]]\nhost = 'a.example.com'\nmirrors = ['https://b.example.com']\n")
	for _, tt := range []struct {
		candidate string
		want      []string
	}{
		{"[[firmware.host]]\nhost='c.example.com'\nmirrors=['https://d.example.com']\n", []string{"firmware"}},
		{"[[firmware.host]]\nhost='a.example.com'\nmirrors=['https://d.example.com']\n", []string{"firmware"}},
		{"[firmware]\nbackend='grub'\nkeys=['state/x.csv']\ncompatible='b'\n" +
			"[[firmware.slot]]\nname='A'\ndevices=['rootfs=/dev/a']\n[[firmware.slot]]\nname='B'\ndevices=['rootfs=/dev/b']\n", []string{"firmware"}},
		{"[[modem]]\nname='second'\ndriver='at'\nport='/dev/ttyUSB3'\n", []string{"modem"}},
		{"[[sensor]]\nname='a'\n[[sensor.channel]]\nname='value'\nscale=2\n", nil},
	} {
		l := f.mustDraft(t, tt.candidate, "", false)
		if len(l.Changes) == 0 || !slices.Equal(l.Restart, tt.want) {
			t.Errorf("%s\nin force at the next start only: %q, want %q; changes %q", tt.candidate, l.Restart, tt.want, l.Changes)
		}
	}
}

func TestDraftRefuses(t *testing.T) {
	f := folder(t, filesText)
	outside := filepath.Join(t.TempDir(), "other.psk")
	if err := os.WriteFile(outside, []byte("aabb"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(f.Path)
	for link, to := range map[string]string{"keys/link.psk": outside, "state/y.csv": filepath.Join(dir, "keys/x.csv")} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	const server = "[[server]]\nshort_server_id=101\n"
	const other = "[[server]]\nshort_server_id=102\nuri='coaps://i'\nidentity='x'\n"
	const recording = "[[sensor]]\nname='p'\ndriver='sim'\nwave='csv'\nfile='"
	tests := []struct {
		name, candidate string
		remote          bool
		want            string // "": accepted
	}{
		{"syntax", "\n[[sensor]]\nname = = 'x'\n", true, "candidate:3: "},
		{"unknown key", "[log]\nlvel='info'\n", true, `candidate:2: log: lvel: unknown; did you mean "level"?`},
		{"bad value", server + "lifetime='1h'\nqueue_mode='no'\n", true, "candidate:4: server 101: queue_mode"},
		{"missing key", "\n\n" + other, true, `candidate:3: server 102: key_file: missing`},
		{"no such secret", other + "key='***'\n", true, "candidate:5: server 102: key: "},
		{"endpoint", "endpoint='other'\n", false, "candidate:1: endpoint: is identity"},
		{"bootstrap", "[bootstrap]\nuri='coap://b'\n", false, "candidate:2: bootstrap: uri: is identity"},
		{"too long", strings.Repeat("#", MaxCandidate+1), true, "at most 65536"},
		{"key file inside", other + "key_file='keys/new.psk'\n", true, ""},
		{"key file outside", other + "key_file='" + outside + "'\n", true, "candidate:5: server 102: key_file: a file that is set remotely must be there, below " + dir},
		{"key file outside by dots", other + "key_file='keys/../../x.psk'\n", true, "candidate:5: server 102: key_file: a file"},
		{"key file outside by a link", other + "key_file='keys/link.psk'\n", true, "candidate:5: server 102: key_file: a file"},
		{"key file outside, for the user", other + "key_file='" + outside + "'\n", false, ""},
		{"a recording in the state directory", "[[sensor]]\nname='p'\ndriver='sim'\nwave='csv'\nfile='" + filepath.Join(dir, "state/x.csv") + "'\n", true, ""},
		{"a recording that is none", recording + filepath.Join(dir, "state/state.db") + "'\n", true, "candidate:5: sensor \"p\": file: a recording that is set remotely must be readable by everyone"},
		{"a recording among the keys", recording + filepath.Join(dir, "keys/x.csv") + "'\n", true, "candidate:5: sensor \"p\": file: a recording that is set"},
		{"a recording among the keys, by a link", recording + filepath.Join(dir, "state/y.csv") + "'\n", true, "candidate:5: sensor \"p\": file: a recording that is set"},
		{"the same for the user", recording + filepath.Join(dir, "keys/x.csv") + "'\n", false, ""},
		{"a recording elsewhere", "[[sensor]]\nname='p'\ndriver='sim'\nwave='csv'\nfile='/etc/passwd'\n", true, "candidate:5: sensor \"p\": file: a file"},
		{"a bus elsewhere", "[[sensor]]\nname='p'\ndriver='bme280'\naddress=0x76\nbus='/etc/i2c'\n", true, "candidate:5: sensor \"p\": bus: a device"},
		{"a bus by dots", "[[sensor]]\nname='p'\ndriver='bme280'\naddress=0x76\nbus='/dev/../etc/i2c'\n", true, "candidate:5: sensor \"p\": bus: a device"},
		{"a bus", "[[sensor]]\nname='p'\ndriver='bme280'\naddress=0x76\nbus='/dev/i2c-1'\n", true, ""},
		{"a bus behind multiplexers", "[[sensor]]\nname='p'\ndriver='bme280'\naddress=0x76\nbus='21a0000.i2c/0x70/2/0x71/0'\n", true, ""},
		{"a relative path", "[[sensor]]\nname='p'\ndriver='bme280'\naddress=0x76\nbus='etc/0x70'\n", true, "candidate:5: sensor \"p\": bus: a device"},
		{"a relative path that looks like a bus", "[[sensor]]\nname='p'\ndriver='bme280'\naddress=0x76\nbus='../0x70/2'\n", true, "candidate:5: sensor \"p\": bus: a device"},
		{"an application", "[[app]]\nname='x'\nuser='root'\nobjects=[3306]\n", true, "candidate:1: app \"x\": cannot be set remotely"},
		{"an application as it is", "[[app]]\nname='meter'\nuser='meter'\nobjects=[3305]\n", true, ""},
		{"an application's user", "[[app]]\nname='meter'\nuser='root'\n", true, "candidate:3: app \"meter\": user: cannot be set remotely"},
		{"another driver, without what it needs", "[[sensor]]\nname='a'\ndriver='thermal'\n", true, "agent.toml:10: sensor \"a\": device is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Draft(tt.candidate, "", tt.remote)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// TestRemoteAPN: a server sets the APN of a modem that there is, neither adds one nor takes one away, and what the
// user set of it by command stays.
func TestRemoteAPN(t *testing.T) {
	f := folder(t, filesText)
	const local = "[[modem]]\nname = \"wwan\"\nheal = true\n"
	set := f.mustDraft(t, "[[modem]]\nname = 'wwan'\napn = 'iot.lab'\n", local, true)
	if want := "[[modem]]\nname = \"wwan\"\nheal = true\napn = \"iot.lab\"\n"; set.Overlay != want || !set.ServersChange || len(set.Restart) > 0 {
		t.Errorf("overlay %s, servers %v, at the next start %v", set.Overlay, set.ServersChange, set.Restart)
	}
	if got := set.Config.Modems[0].APN; got != "iot.lab" {
		t.Errorf("the APN is %q", got)
	}
	if gone := f.mustDraft(t, "[log]\nlevel = 'info'\n", set.Overlay, true); !strings.HasPrefix(gone.Overlay, local) || strings.Contains(gone.Overlay, "apn") {
		t.Errorf("without the modem in the candidate: %s", gone.Overlay)
	}
	for _, candidate := range []string{"[[modem]]\nname = 'other'\napn = 'x'\n", "[[modem]]\nname = 'wwan'\napn = 'a\"b'\n", "[[modem]]\nname = 'wwan'\nheal = false\n"} {
		if _, err := f.Draft(candidate, local, true); err == nil {
			t.Errorf("taken: %s", candidate)
		}
	}
}

// TestSecretsCannotBeTried: a server that writes a secret which it may not set learns nothing of the one that is there.
func TestSecretsCannotBeTried(t *testing.T) {
	f := folder(t, filesText+"[bootstrap]\nuri = 'coaps://b'\nidentity = 'gw'\nkey = 'aabb'\n")
	for _, tt := range []struct{ section, right, wrong string }{
		{"[[modem]]\nname = 'wwan'\npin = '%s'\n", "1234", "4321"},
		{"[bootstrap]\nkey = '%s'\n", "aabb", "bbaa"},
	} {
		with := func(secret string) string { return strings.Replace(tt.section, "%s", secret, 1) }
		_, right := f.Draft(with(tt.right), "", true)
		_, wrong := f.Draft(with(tt.wrong), "", true)
		if right == nil || wrong == nil || right.Error() != wrong.Error() {
			t.Errorf("%s: the right one: %v; a wrong one: %v", tt.section, right, wrong)
		}
		f.mustDraft(t, with("***"), "", true)
		f.mustDraft(t, with(tt.right), "", false)
	}
}

// TestNoServerLeft: a server cannot leave a device without any.
func TestNoServerLeft(t *testing.T) {
	f := folder(t, "[remote_configuration]\nservers=[101]\n")
	if _, err := f.Draft("[log]\nlevel='warn'\n", "[[server]]\nshort_server_id=101\nuri='coap://h'\n", true); err == nil || !strings.Contains(err.Error(), "no [[server]] would be left") {
		t.Error(err)
	}
}

// notForServers are the keys that servers may not set; a key that is neither here nor in
// remotely fails the test, so that who adds one decides.
var notForServers = []string{
	"endpoint", "test_object", "object_folder", "device.manufacturer", "device.model", "device.serial", "device.hardware_version",
	"location.*",
	"server.rights", "server.private_key_file", "server.certificate_file", "server.server_public_key_file", "server.server_certificate_file",
	"server.certificate_usage", "server.matching_type", "bootstrap.*", "event_log.*", "app.*", "actuator.interlock.*", "tpm.*", "firmware.*", "firmware.slot.*", "firmware.host.*", "lock_and_wipe.*", "remote_configuration.*", "metrics.*", "page.*",
	"modem.name", "modem.driver", "modem.port", "modem.speed", "modem.signal", "modem.heal", "modem.power", "modem.netifd", "modem.release", "modem.pin",
}

// samples are values of which every kind takes one.
var samples = []string{
	"true", "1", "3", "0.5", "'1s'", "'x'", "'1.2'", "'info'", "'udp'", "'median'", "'sum'", "'off'", "'none'", "'even'", "'big'", "'input'", "'int16'",
	"'coap://h'", "['coap://h']", "['read']", "[1]", "[3305]", "[[0, 0], [1, 1]]", "['/bin/true']", "['a/b']", "'00'", "'1234'", "'ethernet'", "'psk'", "'at'", "'file'", "'fixed'", "'/run/x'",
	"'generic'", "0x03", "19200", "['TLS_PSK_WITH_AES_128_CCM_8']", "'32-34'", "'127.0.0.1:9464'", "['rootfs=/dev/mmcblk0p2']", "'uboot'", "'stable,copy1'", "'22:00-05:00'", "'200MB/month'", "'all'",
}

// TestRemoteKeyByKey: each key of the schema can be set remotely, or is refused.
func TestRemoteKeyByKey(t *testing.T) {
	f := folder(t, "[[modem]]\nname = 'wwan'\ndriver = 'modemmanager'\n") // which servers cannot add
	d, err := f.drafter("")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(f.Path)
	tried := 0
	var each func(s *section, at string)
	each = func(s *section, at string) {
		for i := range s.keys {
			k := &s.keys[i]
			name := strings.TrimPrefix(at+"."+k.name, ".")
			literal := "'" + filepath.Join(dir, "keys/new.psk") + "'"
			switch {
			case !k.isFile():
				literal = k.sample(t, name)
			case k.name == "file":
				literal = "'" + filepath.Join(dir, "state/x.csv") + "'"
			}
			refused := d.tries(t, s, at, k, literal)
			want := slices.Contains(notForServers, name) || slices.Contains(notForServers, at+".*")
			if refused != want {
				t.Errorf("%s = %s: refused is %v, want %v", name, literal, refused, want)
			}
			tried++
		}
		for i := range s.sections {
			each(&s.sections[i], strings.TrimPrefix(at+"."+s.sections[i].name, "."))
		}
	}
	each(&schema, "")
	if tried < 150 {
		t.Errorf("%d keys", tried)
	}
}

// sample returns a value that the key takes.
func (k *key) sample(t *testing.T, name string) string {
	t.Helper()
	for _, s := range samples {
		n, problem := parse(&source{text: "v = " + s})
		if problem != nil {
			t.Fatal(problem)
		}
		if _, ok := k.kind.read(n.table["v"].value); ok {
			return s
		}
	}
	t.Fatalf("no sample for %s: %s", name, k.kind.words)
	return ""
}

// tries reports whether a candidate that sets a key is refused.
func (d *drafter) tries(t *testing.T, s *section, at string, k *key, literal string) bool {
	t.Helper()
	var text strings.Builder
	path, sub := "", &schema
	for _, part := range strings.FieldsFunc(at, func(r rune) bool { return r == '.' }) {
		path = strings.TrimPrefix(path+"."+part, ".")
		sub = sub.section(part)
		if sub.identity == "" {
			text.WriteString("[" + path + "]\n")
			continue
		}
		text.WriteString("[[" + path + "]]\n")
		if sub.identity != k.name || sub != s {
			name := sub.key(sub.identity).sample(t, sub.name)
			if there := elements(d.active, part); len(there) > 0 {
				name = fmt.Sprintf("'%v'", valueOf(there[0], sub.identity))
			}
			text.WriteString(sub.identity + " = " + name + "\n")
		}
	}
	text.WriteString(k.name + " = " + literal + "\n")
	var c checker
	n := c.source(&source{file: CandidateName, text: text.String()})
	if len(c.problems) > 0 {
		t.Fatalf("%s%v", text.String(), c.problems)
	}
	return len(d.forbidden(&schema, "", "", n, d.active)) > 0
}
