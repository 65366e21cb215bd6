package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/config"
)

// folderOf is where the line's part of the configuration goes.
func (m *Maker) folderOf() string { return filepath.Join(filepath.Dir(m.Dir), "agent.d") }

// files returns what there is, by name, besides folders.
func (m *Maker) files(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, dir := range []string{m.Dir, m.folderOf()} {
		entries, _ := os.ReadDir(dir) // there may be none yet
		for _, e := range entries {
			out[e.Name()] = string(content(t, filepath.Join(dir, e.Name())))
		}
	}
	return out
}

func (m *Maker) apply1(t *testing.T, text string) *Output {
	t.Helper()
	out, err := m.Apply(input(t, text), m.folderOf())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const oneMade = `{"endpoint":"gw-17","servers":[{"short_server_id":101,"uri":"coaps://h","security":"psk","identity":"gw","reveal":true}],
"bootstrap":{"uri":"coaps://bs","security":"x509"}}`

// TestApplyAgain: the same wanted again changes nothing and is answered as at the first time, the
// keys that were made on the device among it.
func TestApplyAgain(t *testing.T) {
	m := line(t)
	first := m.apply1(t, oneMade)
	before := m.files(t)
	again := m.apply1(t, oneMade)
	if !first.Changed || again.Changed {
		t.Errorf("changed: %v, then %v", first.Changed, again.Changed)
	}
	first.Changed = false
	if d := cmp.Diff(first, again); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(before, m.files(t)); d != "" {
		t.Error(d)
	}
	if len(again.Servers[0].Credential.Secret) != 2*DefaultSize {
		t.Error("the key that was asked for is not told")
	}
	if strings.Contains(before[FileName], again.Servers[0].Credential.Secret) {
		t.Error("the file that all may read has the key")
	}
}

// TestApplyKeeps: what is there is not replaced unasked, whatever differs.
func TestApplyKeeps(t *testing.T) {
	for name, change := range map[string][2]string{
		"uri":      {"coaps://h", "coaps://other"},
		"identity": {`"identity":"gw"`, `"identity":"gx"`},
		"endpoint": {`"endpoint":"gw-17"`, `"endpoint":"gw-18"`},
		"key":      {`"identity":"gw"`, `"identity":"gw","key":"00112233445566778899aabbccddeeff"`},
		"fewer":    {`,` + "\n" + `"bootstrap":{"uri":"coaps://bs","security":"x509"}`, ""},
	} {
		m := line(t)
		m.apply1(t, oneMade)
		before := m.files(t)
		text := strings.Replace(oneMade, change[0], change[1], 1)
		if text == oneMade {
			t.Fatalf("%s: nothing is changed", name)
		}
		if _, err := m.Apply(input(t, text), m.folderOf()); !errors.Is(err, ErrThere) {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(before, m.files(t)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		in := input(t, text)
		in.Replace = true
		if out, err := m.Apply(in, m.folderOf()); err != nil || !out.Changed {
			t.Errorf("%s replaced: %v", name, err)
		}
	}
}

// TestApplyLeavesOthers: a file of that name that is somebody else's stays, and a key that has
// gone is not made anew unasked.
func TestApplyLeavesOthers(t *testing.T) {
	m := line(t)
	if err := os.MkdirAll(m.folderOf(), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(m.folderOf(), FileName)
	if err := os.WriteFile(file, []byte("endpoint = \"mine\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Apply(input(t, oneMade), m.folderOf()); !errors.Is(err, ErrThere) || string(content(t, file)) != "endpoint = \"mine\"\n" {
		t.Errorf("%v, %q", err, content(t, file))
	}
	m = line(t)
	key := m.apply1(t, oneMade).Servers[0].Credential.Key
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Apply(input(t, oneMade), m.folderOf()); err == nil || !strings.Contains(err.Error(), key+" is gone; -replace") || exists(key) {
		t.Errorf("%v", err)
	}
}

// TestAdd: an account comes to those that are there, and one with a certificate keeps its key.
func TestAdd(t *testing.T) {
	m := line(t)
	m.apply1(t, oneMade)
	section := func() string {
		_, s, _ := strings.Cut(string(content(t, filepath.Join(m.folderOf(), FileName))), "[bootstrap]")
		s, _, _ = strings.Cut(s, recordMark)
		return s
	}
	bootstrap := section()
	in, err := ReadText("LWM2M:U:coaps://second;S:102;I:gw;K:000102030405060708090a0b0c0d0e0f;;")
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Add(in, m.folderOf())
	if err != nil || out.Endpoint != "gw-17" || len(out.Servers) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	text := string(content(t, out.File))
	first, second, third := strings.Index(text, "short_server_id = 101"), strings.Index(text, "short_server_id = 102"), strings.Index(text, "[bootstrap]")
	if first < 0 || second < first || third < second {
		t.Errorf("not in this order: %d %d %d", first, second, third)
	}
	if d := cmp.Diff(bootstrap, section()); d != "" || bootstrap == "" {
		t.Errorf("the other account is another one: %s", d)
	}
}

var errCut = errors.New("the power is gone")

// cutAt makes the power go before the nth change of the disk.
func (m *Maker) cutAt(n int) {
	m.step = func() error {
		if n--; n < 0 {
			return errCut
		}
		return nil
	}
}

// TestApplyCut: whenever the power goes, the agent starts with all of the former or all of the new,
// and the next run comes to the same end as one that was not cut, with nothing left over.
func TestApplyCut(t *testing.T) {
	const other = `{"endpoint":"gw-18","servers":[{"short_server_id":101,"uri":"coaps://new","security":"psk","identity":"gw"},
{"short_server_id":7,"uri":"coaps://h7","security":"psk","identity":"gw"}],"bootstrap":{"uri":"coaps://bs2","security":"x509"},"replace":true}`
	for name, before := range map[string]string{"first": "", "replaced": oneMade} {
		cuts := 0
		for done := false; !done; cuts++ {
			m := line(t)
			if before != "" {
				m.apply1(t, before)
			}
			m.cutAt(cuts)
			_, err := m.Apply(input(t, other), m.folderOf())
			if done = err == nil; !done && !errors.Is(err, errCut) {
				t.Fatalf("%s, cut %d: %v", name, cuts, err)
			}
			m.checkCut(t, fmt.Sprintf("%s, cut %d", name, cuts), before != "")
			after := &Maker{Dir: m.Dir, Holder: m.Holder}
			after.apply1(t, other)
			want := []string{FileName, "bootstrap", "server-101", "server-7"}
			left := after.files(t)
			got := make([]string, 0, len(left))
			for file := range left {
				stem, _, _ := strings.Cut(file, ".")
				if file == FileName {
					stem = file
				}
				got = append(got, strings.TrimSuffix(strings.TrimSuffix(stem, "-2"), "-3"))
			}
			slices.Sort(got)
			if d := cmp.Diff(want, slices.Compact(got)); d != "" || len(left) != 5 {
				t.Fatalf("%s, cut %d: left are %q", name, cuts, got)
			}
		}
		if cuts < 20 {
			t.Errorf("%s: only %d cuts", name, cuts)
		}
	}
}

// checkCut looks at what the agent would start with.
func (m *Maker) checkCut(t *testing.T, when string, was bool) {
	t.Helper()
	main := filepath.Join(filepath.Dir(m.Dir), "agent.toml")
	if err := os.WriteFile(main, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(main, config.Options{StateDir: filepath.Dir(m.Dir)})
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	got := fmt.Sprint(cfg.Endpoint, len(cfg.Servers))
	for i := range cfg.Servers {
		got += " " + cfg.Servers[i].URI.String()
	}
	former := "0"
	if was {
		former = "gw-171 coaps://h:5684"
	}
	if got != former && got != "gw-182 coaps://new:5684 coaps://h7:5684" {
		t.Errorf("%s: %s", when, got)
	}
}

// TestEndpointPattern: one file for all devices of a line.
func TestEndpointPattern(t *testing.T) {
	m := line(t)
	m.Names = map[string]string{"serial": "S-7", "mac": "0200fffe5e0001", "endpoint": "urn:dev:mac:x"}
	for pattern, want := range map[string]string{"": "", "gw": "gw", "urn:dev:os:32473-{serial}": "urn:dev:os:32473-S-7", "{mac}-{mac}": "0200fffe5e0001-0200fffe5e0001"} {
		if got, err := m.Expand(pattern); got != want || err != nil {
			t.Errorf("%s: %q, %v", pattern, got, err)
		}
	}
	for pattern, want := range map[string]string{"{machine-id}": "does not have", "{imei}": "there are {serial}", "a}": "something unknown"} {
		if _, err := m.Expand(pattern); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	out := m.apply1(t, `{"bootstrap":{"uri":"coaps://bs","security":"x509"}}`)
	if out.Endpoint != "urn:dev:mac:x" {
		t.Errorf("a certificate was asked for in the name of %q", out.Endpoint)
	}
}

// TestLabel: keys are told where a label is asked for, and only there; what it says of an account is
// an account again.
func TestLabel(t *testing.T) {
	m := line(t)
	m.Names = map[string]string{"serial": "S-7"}
	const text = `{"endpoint":"gw;17","bootstrap":{"uri":"coaps://bs:5684","security":"psk","identity":"a\\b;c"},
"servers":[{"short_server_id":101,"uri":"coaps://h","security":"rpk","server_public_key":PUBLIC}]}`
	in := input(t, text)
	in.Label = true
	out, err := m.Apply(in, m.folderOf())
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(string(content(t, out.Bootstrap.Key)))
	l := out.Label
	if l.Serial != "S-7" || l.Endpoint != "gw;17" || len(l.Accounts) != 2 || l.Accounts[1].Key != key || l.Accounts[0].Key != "" {
		t.Errorf("%+v", l)
	}
	const want = `LWM2M:E:gw\;17;U:coaps://h;S:101;T:rpk;P:sha256:`
	if !strings.HasPrefix(l.Accounts[0].Text, want) || l.Accounts[1].Text != `LWM2M:E:gw\;17;U:coaps://bs:5684;T:psk;I:a\\b\;c;K:`+key+`;;` {
		t.Errorf("%+v", l.Accounts)
	}
	back, err := ReadText(l.Accounts[1].Text)
	if err != nil || back.Endpoint != "gw;17" || back.Bootstrap.Identity != `a\b;c` || string(back.Bootstrap.Key) != key || back.Bootstrap.URI != "coaps://bs:5684" {
		t.Errorf("%+v, %v", back, err)
	}
	in.Label = false
	out, err = m.Apply(in, m.folderOf())
	said, _ := json.Marshal(out)
	if err != nil || out.Changed || strings.Contains(string(said), key) {
		t.Errorf("unasked: %s, %v", said, err)
	}
}

func TestReadAccount(t *testing.T) {
	in, err := ReadAccount([]byte("\ufeffLWM2M:H:AAAA;L:1h;T:rpk;S:7;U:coaps://h;;\r\n"))
	if err != nil || in.Servers[0].Lifetime != "1h" || in.Servers[0].ServerPublicKey != "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" {
		t.Errorf("%+v, %v", in, err)
	}
	if in, err = ReadAccount([]byte(` {"bootstrap":{"uri":"coap://h","security":"none"}}`)); err != nil || in.Bootstrap.URI != "coap://h" {
		t.Errorf("%+v, %v", in, err)
	}
	for text, want := range map[string]string{
		"": "neither", "WIFI:S:x;;": "neither", "LWM2M:U:coaps://h": "part of it is missing", "LWM2M:U:coaps://h;K:5ec2e7": "part of it is missing",
		"LWM2M:S:1;;": "field U, is missing", "LWM2M:U:a;U:b;;": "U is there twice", "LWM2M:U:a;X:5ec2e7;;": "field 2 has none", "LWM2M:;;": "field U, is missing",
		"LWM2M:U:a;K:5ec2e7zz;;": "K is not a pre-shared key", "LWM2M:U:a;S:x;;": "S is no number", "LWM2M:U:a;H:-;;": "H is no base64",
		"LWM2M:U:" + strings.Repeat("x", maxText) + ";;": "longer than a QR code", `{"bootstrap":5}`: "takes no number",
	} {
		if _, err := ReadAccount([]byte(text)); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "5ec2e7") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// FuzzReadText: no text panics, what is refused is not told, and what was read is the same when it is
// written and read again.
func FuzzReadText(f *testing.F) {
	for _, text := range []string{"", "LWM2M:;;", `LWM2M:E:gw\;17;U:coaps://h;S:101;T:psk;I:a\\b;K:00;;`, "LWM2M:U:a;H:AAAA;T:rpk;L:1h;;", `LWM2M:U:a\;;`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in, err := ReadText(text)
		if (in == nil) != (err != nil) || err != nil && !errors.Is(err, ErrOrder) {
			t.Fatalf("%v, %v", in, err)
		}
		if err != nil || len(text) > maxText/2 {
			return
		}
		s := in.Bootstrap
		if s == nil {
			s = &in.Servers[0]
		}
		a := LabelAccount{ShortServerID: s.ShortServerID, URI: s.URI, Security: s.Security, Identity: s.Identity, Key: string(s.Key)}
		back, err := ReadText(a.text(in.Endpoint))
		s.ServerPublicKey, s.Lifetime = "", ""
		if in.Bootstrap == nil && s.ShortServerID == 0 {
			return // Apply refuses it
		}
		if d := cmp.Diff(in, back); d != "" || err != nil {
			t.Errorf("%v %s", err, d)
		}
	})
}
