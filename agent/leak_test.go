package agent

import (
	"bytes"
	"context"
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
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// secretFolder is a configuration with a server for each kind of credential, and the
// keys in it.
type secretFolder struct {
	dir     string
	secrets map[string][]byte
}

func (f *secretFolder) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// key makes a private key in a file.
func (f *secretFolder) key(t *testing.T, name string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if f.secrets[name], err = key.Bytes(); err != nil {
		t.Fatal(err)
	}
	f.write(t, name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return key
}

func (f *secretFolder) psk(t *testing.T, name string) []byte {
	t.Helper()
	psk := make([]byte, 32)
	_, _ = rand.Read(psk)
	f.secrets[name] = psk
	f.write(t, name, []byte(hex.EncodeToString(psk)))
	return psk
}

// newSecretFolder names one server that answers and others that nobody is behind.
func newSecretFolder(t *testing.T) (*secretFolder, *lab) {
	t.Helper()
	f := &secretFolder{t.TempDir(), make(map[string][]byte)}
	l := newSecureLab(t, "gw", f.psk(t, "live.psk"))
	public, err := x509.MarshalPKIXPublicKey(f.key(t, "rpk.pem").Public())
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, "server.der", public)
	key := f.key(t, "x509.pem")
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gw"}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, "x509.der", certificate)
	f.psk(t, "credential.psk")
	f.key(t, "credential.pem")
	token := strings.ToLower(rand.Text()[:16])
	f.secrets["page.token"] = []byte(token)
	f.write(t, "page.token", []byte(token))
	t.Setenv(keys.CredentialsVariable, f.dir)
	dead := "coaps://" + closedPort(t)
	f.write(t, "agent.toml", fmt.Appendf(nil, `endpoint = "gw"
[[server]]
short_server_id = 101
uri = %q
identity = "gw"
key_file = "live.psk"
[[server]]
short_server_id = 102
uri = %[2]q
private_key_file = "rpk.pem"
server_public_key_file = "server.der"
[[server]]
short_server_id = 103
uri = %[2]q
private_key_file = "x509.pem"
certificate_file = "x509.der"
server_certificate_file = "x509.der"
[[server]]
short_server_id = 104
uri = %[2]q
identity = "gw"
key_file = "credential:credential.psk"
[[server]]
short_server_id = 105
uri = %[2]q
private_key_file = "credential:credential.pem"
server_public_key_file = "server.der"
[[server]]
short_server_id = 106
uri = %[1]q
identity = "gw"
key_file = "credential:credential.psk"
[page]
listen = "unix:%[3]s/p"
token_file = "page.token"
write = true
[log]
level = "debug"
`, l.uri.String(), dead, f.dir))
	return f, l
}

// closedPort is an address where nobody listens, nor will before the test ends: it is that of a socket which is connected elsewhere, to which
// the kernel gives nothing of others (udp(7)).
func closedPort(t *testing.T) string {
	t.Helper()
	address, _ := heldPort(t)
	return address
}

// heldPort is closedPort, which may be opened for a test to listen there itself.
func heldPort(t *testing.T) (address string, open func()) {
	t.Helper()
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	c, err := net.DialUDP("udp", local, &net.UDPAddr{IP: local.IP, Port: 9}) // "discard"
	if err != nil {
		t.Fatal(err)
	}
	open = func() { _ = c.Close() }
	t.Cleanup(open)
	return c.LocalAddr().String(), open
}

// search looks for every secret in what is told under a name.
func (f *secretFolder) search(t *testing.T, where string, text []byte) {
	t.Helper()
	lower := bytes.ToLower(text)
	for name, secret := range f.secrets {
		for i, form := range forms(secret) {
			if bytes.Contains(lower, form) {
				t.Errorf("%s has the key of %s, form %d", where, name, i)
			}
		}
	}
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.b.Bytes())
}

// readable are the routes of the control interface that tell something, and what a
// server or a user may ask for in vain.
var readable = []string{
	"/v1/status", "/v1/health", "/v1/tree", "/v1/tree?path=/0", "/v1/value?path=/0", "/v1/value?path=/0/0/5", "/v1/value?path=/0/1", "/v1/value?path=/1",
	"/v1/value?path=/20", "/v1/value?path=/3", "/v1/firmware", "/v1/config", "/v1/apps/x", "/v1/bundle", "/metrics",
}

// TestKeysStayInside: with every kind of credential, at work and in trouble, no key is
// in the log, the control interface, the events, what "check" says, the complaints
// about a configuration, or what a server reads.
func TestKeysStayInside(t *testing.T) {
	f, l := newSecretFolder(t)
	var log lockedBuffer
	socket := filepath.Join(f.dir, "s")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	opts := RunOptions{Config: filepath.Join(f.dir, "agent.toml"), StateDir: filepath.Join(f.dir, "state"), Socket: socket, Log: &log}
	go func() { done <- Run(ctx, opts) }()
	l.next(t, server.Registered)
	awaitSocket(t, socket)
	web := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	for _, route := range readable {
		f.search(t, route, fetch(t, web, route))
	}
	if status := fetch(t, web, "/v1/status"); !bytes.Contains(status, []byte("102")) || !bytes.Contains(status, []byte("106")) {
		t.Errorf("the status is %s", status)
	}
	ask := pageAt(t, filepath.Join(f.dir, "p"))
	for _, given := range []string{"", string(f.secrets["page.token"]), string(f.secrets["page.token"]) + "x"} {
		for _, path := range []string{"/", "/api/state", "/api/none", "/?token=" + given, "/api/state?token=" + given + "x"} {
			_, text := ask(http.MethodGet, path, "", given)
			f.search(t, "the page's "+strings.Split(path, "?")[0], []byte(text))
			_, text = ask(http.MethodPost, path, `{"path":"/0/0/5"}`, given)
			f.search(t, "an operation of the page", []byte(text))
		}
	}
	for _, path := range []string{"/3", "/1", "/20", "/0", "/0/0/5"} {
		nodes, err := l.client(t).Read(t.Context(), lwm2m.MustPath(path))
		f.search(t, "a server's read of "+path, fmt.Appendf(nil, "%v %v %s", nodes, err, err))
	}
	var archive bytes.Buffer
	bundle := BundleOptions{Config: opts.Config, StateDir: opts.StateDir, Socket: socket, Version: "test", Now: time.Now}
	if err := Bundle(t.Context(), &archive, bundle); err != nil {
		t.Error(err)
	}
	files := unpacked(t, &archive)
	for name, content := range files {
		f.search(t, "the bundle's "+name, content)
	}
	for _, name := range []string{"status.json", "config.json", "tree.json", "log.txt", "configuration.txt"} {
		if len(files["lwm2m-agent/"+name]) == 0 {
			t.Errorf("the bundle has no %s", name)
		}
	}
	rows, err := Check(t.Context(), opts.Config, opts.StateDir)
	text, _ := json.Marshal(rows)
	f.search(t, "check", append(text, fmt.Sprint(err)...))
	web.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	f.search(t, "the log", log.bytes())
	if len(log.bytes()) == 0 {
		t.Error("nothing was logged")
	}
	f.complain(t)
}

// complain spoils each file in turn and looks at what is said.
func (f *secretFolder) complain(t *testing.T) {
	t.Helper()
	for name := range f.secrets {
		file := filepath.Join(f.dir, name)
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f.write(t, name, append([]byte("x"), good[:len(good)-8]...))
		cfg, err := Load(filepath.Join(f.dir, "agent.toml"), filepath.Join(f.dir, "state"), "")
		f.search(t, "the complaint about "+name, fmt.Appendf(nil, "%v %+v %#v", err, err, cfg))
		if problems := config.Problems(nil); !strings.HasPrefix(name, "credential") && !errors.As(err, &problems) {
			t.Errorf("%s spoiled: %v", name, err)
		}
		f.write(t, name, good)
	}
}

func fetch(t *testing.T, web *http.Client, route string) []byte {
	t.Helper()
	answer, err := web.Get("http://agent" + route)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return text
}
