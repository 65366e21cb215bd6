package provision

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
)

// line is a folder of a factory line, without a TPM.
func line(t *testing.T) *Maker {
	t.Helper()
	return &Maker{Dir: filepath.Join(t.TempDir(), "keys"), Holder: keys.Holder{Device: "/nowhere"}}
}

func (m *Maker) must(t *testing.T, o Order) *Credential {
	t.Helper()
	c, err := m.Make(&o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPSK: a new key, one that is imported, and that neither replaces another nor is
// told unasked.
func TestPSK(t *testing.T) {
	m := line(t)
	c := m.must(t, Order{Kind: PSK, Name: "a", Identity: "gw"})
	info, err := os.Stat(c.Key)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	psk, err := keys.ParsePSK(content(t, c.Key))
	if err != nil || len(psk) != DefaultSize || c.Secret != "" || strings.Contains(fmt.Sprint(c), hex.EncodeToString(psk)) {
		t.Errorf("%d bytes, %v, told %+v", len(psk), err, c)
	}
	if _, err := m.Make(&Order{Kind: PSK, Name: "a"}); !errors.Is(err, ErrThere) || !strings.HasSuffix(err.Error(), "-name NAME puts another one beside it") {
		t.Errorf("a second one: %v", err)
	}
	if again, err := keys.ParsePSK(content(t, c.Key)); err != nil || !bytes.Equal(again, psk) {
		t.Error("the refused one changed the key")
	}
	other := m.must(t, Order{Kind: PSK, Name: "a", Force: true, Size: 32, Reveal: true})
	if other.Fingerprint == c.Fingerprint || len(other.Secret) != 64 || string(content(t, c.Key)) != other.Secret+"\n" {
		t.Errorf("%+v", other)
	}
	imported := m.must(t, Order{Kind: PSK, Name: "b", Secret: []byte("00 11 22\n")})
	if string(content(t, imported.Key)) != "001122\n" {
		t.Errorf("%q", content(t, imported.Key))
	}
	if _, err := m.Make(&Order{Kind: PSK, Name: "c", Secret: []byte("swordfish")}); err == nil || strings.Contains(err.Error(), "swordfish") {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(m.Dir, ".new*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestGroup: in a package's folder, root's and open to the service's group, that group can
// read keys; nobody else can.
func TestGroup(t *testing.T) {
	for mode, want := range map[fs.FileMode]fs.FileMode{0o700: 0o600, 0o750: 0o640, 0o755: 0o640, 0o770: 0o600, 0o711: 0o600} {
		m := line(t)
		if err := errors.Join(os.Mkdir(m.Dir, 0o700), os.Chmod(m.Dir, mode)); err != nil {
			t.Fatal(err)
		}
		c := m.must(t, Order{Kind: PSK, Name: "a"})
		if info, err := os.Stat(c.Key); err != nil || info.Mode() != want {
			t.Errorf("in %v: %v, %v", mode, info.Mode(), err)
		}
	}
}

// TestRPK: what the server is given is the public half of what the file has.
func TestRPK(t *testing.T) {
	m := line(t)
	c := m.must(t, Order{Kind: RPK, Name: "a"})
	key, err := keys.ParsePrivateKey(content(t, c.Key))
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	block, _ := pem.Decode([]byte(c.PublicPEM))
	if c.PublicKey != hex.EncodeToString(der) || !bytes.Equal(block.Bytes, der) || string(content(t, m.file(&Order{Name: "a"}, endPublic))) != c.PublicPEM {
		t.Errorf("%+v", c)
	}
	imported := m.must(t, Order{Kind: RPK, Name: "b", Secret: content(t, c.Key)})
	if imported.Fingerprint != c.Fingerprint {
		t.Error("another key was imported")
	}
}

// sign answers a request as an authority does.
func sign(t *testing.T, request string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || r.CheckSignature() != nil {
		t.Fatalf("request: %v", err)
	}
	authority, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: r.Subject, NotAfter: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, c, &x509.Certificate{Subject: pkix.Name{CommonName: "Root"}}, r.PublicKey, authority)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestX509: a request with the endpoint's name, and the certificate that comes back,
// for this key and no other.
func TestX509(t *testing.T) {
	m := line(t)
	c := m.must(t, Order{Kind: X509, Name: "a", Endpoint: "urn:dev:os:32473-gw-17"})
	block, _ := pem.Decode([]byte(c.Request))
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || r.Subject.CommonName != "urn:dev:os:32473-gw-17" {
		t.Errorf("%v, %v", r.Subject, err)
	}
	answer := sign(t, c.Request)
	done := m.must(t, Order{Kind: X509, Name: "a", Certificate: answer})
	if done.Fingerprint != c.Fingerprint || !bytes.Equal(content(t, done.Certificate), answer) || done.Key != c.Key {
		t.Errorf("%+v", done)
	}
	if _, err := m.Make(&Order{Kind: X509, Name: "missing", Certificate: answer}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no key: %v", err)
	}
	m.must(t, Order{Kind: X509, Name: "b", Endpoint: "b"})
	if _, err := m.Make(&Order{Kind: X509, Name: "b", Certificate: answer}); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), "for another key") {
		t.Errorf("another's: %v", err)
	}
	for _, junk := range []string{"x", c.Request, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if _, err := m.Make(&Order{Kind: X509, Name: "a", Certificate: []byte(junk)}); !errors.Is(err, errCertificate) {
			t.Errorf("%.20q: %v", junk, err)
		}
	}
}

func TestContradictions(t *testing.T) {
	m := line(t)
	for want, o := range map[string]Order{
		"there is no kind":        {Kind: "oscore", Name: "a"},
		"the name":                {Kind: PSK, Name: "../a"},
		"16 to 64 bytes":          {Kind: PSK, Name: "a", Size: 8},
		"has its size":            {Kind: PSK, Name: "a", Size: 16, Secret: []byte("00")},
		"sealed to it":            {Kind: PSK, Name: "a", Handle: 0x81000001},
		"only a pre-shared key":   {Kind: RPK, Name: "a", Seal: true},
		"cannot become":           {Kind: RPK, Name: "a", Handle: 0x81000001, Secret: []byte("x")},
		"no persistent handle":    {Kind: RPK, Name: "a", Handle: 1},
		"needs the endpoint name": {Kind: X509, Name: "a"},
		"takes a certificate":     {Kind: RPK, Name: "a", Certificate: []byte("x")},
	} {
		if _, err := m.Make(&o); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if exists(m.Dir) {
		t.Error("something was written")
	}
}

// TestList: what there is, with what is wrong, and no key.
func TestList(t *testing.T) {
	m := line(t)
	t.Setenv(keys.CredentialsVariable, "")
	if list, err := List(m.Dir, &m.Holder); err != nil || len(list) > 0 {
		t.Errorf("before: %v, %v", list, err)
	}
	psk := m.must(t, Order{Kind: PSK, Name: "a", Reveal: true})
	key := m.must(t, Order{Kind: X509, Name: "b", Endpoint: "gw"})
	m.must(t, Order{Kind: X509, Name: "b", Certificate: sign(t, key.Request)})
	for name, text := range map[string]string{"bad.psk": "zz", "open.psk": "00", "x.sealed": "x", "README": "x"} {
		if err := os.WriteFile(filepath.Join(m.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(m.Dir, "open.psk"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(keys.CredentialsVariable, m.Dir)
	list, err := List(m.Dir, &m.Holder)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, e := range list {
		got[strings.TrimPrefix(e.Place, m.Dir+"/")] = e.What + " " + e.Fingerprint + " " + e.Detail + e.Problem
	}
	for name, want := range map[string]string{
		"a.psk": "pre-shared key " + psk.Fingerprint + " 16 bytes", "b.key.pem": "private key " + key.Fingerprint + " ",
		"b.crt.pem": "certificate " + key.Fingerprint + " CN=gw, until 2036-01-01", "credential:a.psk": "credential  ",
		"tpm-sealed:" + m.Dir + "/x.sealed": "pre-shared key, sealed to the TPM  ",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if !strings.Contains(got["bad.psk"], keys.ErrPSK.Error()) || !strings.Contains(got["open.psk"], "chmod g-w,o-rwx") || got["README"] != "" {
		t.Errorf("%q", got)
	}
	text, _ := json.Marshal(list)
	if strings.Contains(string(text), psk.Secret) {
		t.Error("the list has a key")
	}
}

const twoServers = `{"endpoint":"gw\"17\"","servers":[
{"short_server_id":101,"uri":"coaps://h:5684","lifetime":"1h","security":"psk","identity":"gw","key":"00112233445566778899aabbccddeeff"},
{"short_server_id":102,"uri":"coap://h","security":"none"}],
"bootstrap":{"uri":"coaps://bs","security":"rpk","hold_off":"10s","server_public_key":PUBLIC}}`

func input(t *testing.T, text string) *Input {
	t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	public, _ := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	in, err := ReadInput(strings.NewReader(strings.Replace(text, "PUBLIC", string(public), 1)))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestApply: what JSON wants becomes files that the agent's configuration takes.
func TestApply(t *testing.T) {
	m := line(t)
	dir := filepath.Dir(m.Dir)
	out, err := m.Apply(input(t, twoServers), filepath.Join(dir, "agent.d"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.toml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "agent.toml"), config.Options{StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := cfg.Servers[0]
	if cfg.Endpoint != `gw"17"` || len(cfg.Servers) != 2 || s.Lifetime != time.Hour || hex.EncodeToString(s.Key.Reveal()) != "00112233445566778899aabbccddeeff" {
		t.Errorf("%+v", cfg)
	}
	if b := cfg.Bootstrap; b == nil || hex.EncodeToString(b.Public) != out.Bootstrap.PublicKey || b.HoldOff != 10*time.Second {
		t.Errorf("%+v", b)
	}
	text, _ := json.Marshal(out)
	if strings.Contains(string(text), "00112233") {
		t.Error("the answer has the key that was given")
	}
	again := input(t, twoServers)
	if _, err := m.Apply(again, filepath.Join(dir, "agent.d")); !errors.Is(err, ErrThere) { // another server's public key
		t.Errorf("again: %v", err)
	}
	again.Force = true
	if out, err := m.Apply(again, filepath.Join(dir, "agent.d")); err != nil || !out.Changed {
		t.Errorf("forced: %v", err)
	}
}

// TestApplyCertificate: the section of a server waits for the certificate.
func TestApplyCertificate(t *testing.T) {
	m := line(t)
	folder := filepath.Join(filepath.Dir(m.Dir), "agent.d")
	const text = `{"endpoint":"gw","servers":[{"short_server_id":101,"uri":"coaps://h","security":"x509"}]}`
	out, err := m.Apply(input(t, text), folder)
	if err != nil || !strings.Contains(string(content(t, out.File)), "\n#[[server]]\n") {
		t.Fatalf("%+v, %v", out, err)
	}
	in := input(t, text)
	in.Servers[0].Certificate = string(sign(t, out.Servers[0].Credential.Request))
	in.Servers[0].ServerCertificate = in.Servers[0].Certificate
	if out, err = m.Apply(in, folder); err != nil || !strings.Contains(string(content(t, out.File)), "\n[[server]]\n") {
		t.Fatalf("%+v, %v", out, err)
	}
	if out.Servers[0].Credential.Certificate == "" {
		t.Error("no certificate was imported")
	}
}

// TestApplyRefuses: nothing of what is wrong stays behind, and no secret is told.
func TestApplyRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"uri":        `{"servers":[{"short_server_id":1,"uri":"coaps://a","security":"psk","identity":"a"},{"short_server_id":2,"uri":"http://a","security":"psk","identity":"a"}]}`,
		"id":         `{"servers":[{"uri":"coaps://a","security":"psk","identity":"a"}]}`,
		"same id":    `{"servers":[{"short_server_id":1,"uri":"coap://a","security":"none"},{"short_server_id":1,"uri":"coap://a","security":"none"}]}`,
		"security":   `{"servers":[{"short_server_id":1,"uri":"coaps://a","security":"est"}]}`,
		"key of rpk": `{"servers":[{"short_server_id":1,"uri":"coaps://a","security":"rpk","key":"5ec2e7"}]}`,
		"bad key":    `{"servers":[{"short_server_id":1,"uri":"coaps://a","security":"psk","identity":"a","key":"5ec2e7zz"}]}`,
		"tpm":        `{"servers":[{"short_server_id":1,"uri":"coaps://a","security":"rpk","tpm":"1"}]}`,
		"no tpm":     `{"servers":[{"short_server_id":1,"uri":"coaps://a","security":"rpk","tpm":"0x81000001"}]}`,
		"endpoint":   `{"endpoint":"a b"}`,
	} {
		m := line(t)
		folder := filepath.Join(filepath.Dir(m.Dir), "agent.d")
		out, err := m.Apply(input(t, text), folder)
		if err == nil || out != nil || strings.Contains(err.Error(), "5ec2e7") {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
		for _, dir := range []string{m.Dir, folder} {
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%s: %s has %v", name, dir, left)
			}
		}
	}
}

// FuzzReadInput: no text panics, and what is refused is not told.
func FuzzReadInput(f *testing.F) {
	for _, text := range []string{"", "{}", twoServers, `{"servers":[{"key":1}]}`, `{"x":1}`, "{}{}", "[", `{"endpoint":"a"} `, strings.Repeat("[", 100)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if in, err := ReadInput(strings.NewReader(text)); (in == nil) != (err != nil) || err != nil && !errors.Is(err, ErrOrder) {
			t.Errorf("%v, %v", in, err)
		}
	})
}

// TestInputHidesSecrets: neither errors nor printing an Input tells its keys.
func TestInputHidesSecrets(t *testing.T) {
	in := input(t, twoServers)
	if text := fmt.Sprintf("%v %+v %#v", in, in.Servers, in.Servers[0]); strings.Contains(text, "00112233") {
		t.Errorf("%s", text)
	}
	for text, want := range map[string]string{
		`{"servers":[{"key":55}]}`: `"servers.key" takes no number`, `["5ec2e7"]`: "array instead of an object", `{"sesame":"5ec2e7"}`: `unknown field "sesame"`, `{"key":"5ec2e7`: "ends early", `{"a" "5ec2e7"}`: "syntax error at byte",
	} {
		if _, err := ReadInput(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "5ec2e7") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if d := cmp.Diff("***", fmt.Sprint(in.Servers[0].Key)); d != "" {
		t.Error(d)
	}
}

// TestMakeCut: whenever the power goes while one key is made or imported, the key is there whole, with what belongs
// to it, or the same can be asked for again; the next run leaves nothing half written, and no
// key is harmed by its cleaning up.
func TestMakeCut(t *testing.T) {
	vendor := line(t)
	foreign := vendor.must(t, Order{Kind: X509, Name: "a", Endpoint: "gw"})
	for what, made := range map[string]struct {
		order   Order
		belongs string
	}{
		"psk":  {Order{Kind: PSK, Name: "a"}, ""},
		"rpk":  {Order{Kind: RPK, Name: "a"}, endPublic},
		"x509": {Order{Kind: X509, Name: "a", Endpoint: "gw"}, endRequest},
		"import": {
			Order{Kind: X509, Name: "a", Secret: content(t, foreign.Key), Certificate: sign(t, foreign.Request)}, endCertificate,
		},
	} {
		cuts := 0
		for done := false; !done; cuts++ {
			m := line(t)
			o := made.order
			m.cutAt(cuts)
			_, err := m.Make(&o)
			if done = err == nil; !done && !errors.Is(err, errCut) {
				t.Fatalf("%s, cut %d: %v", what, cuts, err)
			}
			when := fmt.Sprintf("%s, cut %d", what, cuts)
			after := &Maker{Dir: m.Dir, Holder: m.Holder}
			after.must(t, Order{Kind: PSK, Name: "next"})
			if torn, _ := filepath.Glob(filepath.Join(m.Dir, besidePattern)); len(torn) > 0 {
				t.Errorf("%s: left is %q", when, torn)
			}
			if _, err := after.Make(&o); err != nil && !errors.Is(err, ErrThere) {
				t.Errorf("%s: again: %v", when, err)
			}
			after.checkPair(t, when, o.Kind, made.belongs)
		}
		if cuts < 5 {
			t.Errorf("%s: only %d cuts", what, cuts)
		}
	}
}

// checkPair looks whether the key "a" can be used, and whether what the other side is given belongs to it.
func (m *Maker) checkPair(t *testing.T, when string, kind Kind, belongs string) {
	t.Helper()
	o := &Order{Name: "a"}
	if kind == PSK {
		if _, err := keys.ParsePSK(content(t, m.file(o, endPSK))); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		return
	}
	key, err := keys.ParsePrivateKey(content(t, m.file(o, endPrivate)))
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	if !exists(m.file(o, belongs)) {
		t.Errorf("%s: the key is there, but not %s", when, belongs)
		return
	}
	block, _ := pem.Decode(content(t, m.file(o, belongs)))
	der := block.Bytes
	switch belongs {
	case endRequest:
		r, err := x509.ParseCertificateRequest(der)
		if err != nil {
			t.Fatal(err)
		}
		der = r.RawSubjectPublicKeyInfo
	case endCertificate:
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		der = c.RawSubjectPublicKeyInfo
	}
	if public, _ := x509.MarshalPKIXPublicKey(key.Public()); !bytes.Equal(public, der) {
		t.Errorf("%s: %s is of another key", when, belongs)
	}
}

// TestMakeKeepsWhatBelongs: a key that is not replaced keeps its request.
func TestMakeKeepsWhatBelongs(t *testing.T) {
	m := line(t)
	c := m.must(t, Order{Kind: X509, Name: "a", Endpoint: "gw"})
	if _, err := m.Make(&Order{Kind: X509, Name: "a", Endpoint: "other"}); !errors.Is(err, ErrThere) {
		t.Fatal(err)
	}
	if got := string(content(t, m.file(&Order{Name: "a"}, endRequest))); got != c.Request {
		t.Error("the request is another one")
	}
}
