package agent

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// keyed serves packages by DTLS to who has a pre-shared key, and notes the identities that it is shown.
type keyed struct {
	mu    sync.Mutex
	shown []string
	tasks sync.WaitGroup
}

func (k *keyed) serve(t *testing.T, at, identity string, key []byte, h coap.Handler) *url.URL {
	t.Helper()
	l, err := dtlstest.Listen(t.Context(), at+":0", dtlstest.Config{PSK: func(shown []byte) []byte {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.shown = append(k.shown, string(shown))
		return dtlstest.Key(identity, key)(shown)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		k.tasks.Wait()
	})
	k.tasks.Go(func() {
		for {
			conn, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			served := coap.New(conn, h, coap.Options{})
			k.tasks.Go(func() {
				_ = served.Run(t.Context())
				_ = served.Close()
			})
		}
	})
	return &url.URL{Scheme: "coaps", Host: l.Addr().String(), Path: "/package"}
}

// webDepot is a server of packages by https that asks for certificates, and notes whose it is shown.
type webDepot struct {
	*httptest.Server
	mu    sync.Mutex
	shown []string
}

func newWebDepot(t *testing.T, at string, own *dtlstest.Identity, ask tls.ClientAuthType, clients *x509.CertPool, h http.HandlerFunc) *webDepot {
	t.Helper()
	d := &webDepot{}
	l, err := net.Listen("tcp", at+":0")
	if err != nil {
		t.Fatal(err)
	}
	d.Server = &httptest.Server{Listener: l, Config: &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		for _, c := range r.TLS.PeerCertificates {
			d.shown = append(d.shown, c.Subject.CommonName)
		}
		d.mu.Unlock()
		h(w, r)
	})}}
	d.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: ask, ClientCAs: clients,
		Certificates: []tls.Certificate{{Certificate: [][]byte{own.Certificate.Raw}, PrivateKey: own.Key}},
	}
	d.StartTLS()
	t.Cleanup(d.Close)
	return d
}

// ofHost makes a certificate for an address.
func ofHost(t *testing.T, ca *dtlstest.Authority, address string) *dtlstest.Identity {
	t.Helper()
	own, err := ca.Issue("depot", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(address)} })
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// hosts is an agent whose account is not secured, and depots at addresses of this machine: .1 by a pre-shared key, .2 by certificates,
// .3 nothing is said about.
type hosts struct {
	*certified
	*testing.T
	agent   *Agent
	content []byte
}

const hostTables = "[[firmware.host]]\nhost='127.0.0.1'\nidentity='gw'\nkey='00112233'\n" +
	"[[firmware.host]]\nhost='127.0.0.2'\ncertificate_file='own.crt'\nprivate_key_file='own.key'\nca_file='ca.crt'\n"

// newHosts has change do more to the folder before the configuration is read.
func newHosts(t *testing.T, tables string, change ...func(*hosts)) *hosts {
	t.Helper()
	ca, err := dtlstest.NewAuthority("Depot Root")
	if err != nil {
		t.Fatal(err)
	}
	h := &hosts{certified: &certified{newLab(t), ca}, T: t, content: bytes.Repeat([]byte("firmware"), 4_000)}
	h.write(t, "ca.crt", "CERTIFICATE", ca.Certificate.Raw)
	h.issue(t, ca)
	for _, f := range change {
		f(h)
	}
	path := filepath.Join(h.dir, "agent.toml")
	text := fmt.Sprintf("endpoint='gw'\n[[server]]\nshort_server_id=101\nuri='%s'\n[firmware]\nbackend='file'\nca_file='%s'\n", h.uri, filepath.Join(h.dir, "ca.crt")) + tables
	h.must(os.WriteFile(path, []byte(text), 0o600))
	cfg, err := config.Load(path, config.Options{StateDir: filepath.Join(h.dir, "state")})
	h.must(err)
	h.agent, _ = h.run(t, cfg)
	return h
}

func (h *hosts) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// fetch fetches a package by what the agent has for the scheme.
func (h *hosts) fetch(uri string) error {
	h.Helper()
	u, err := url.Parse(uri)
	h.must(err)
	var got taken
	if err := h.agent.firmware.fetchers[u.Scheme].Fetch(h.Context(), u, fota.Position{}, &got); err != nil {
		return err
	}
	if !bytes.Equal(got.Bytes(), h.content) {
		h.Errorf("%s: %d bytes came, want %d", uri, got.Len(), len(h.content))
	}
	return nil
}

func (h *hosts) serve(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(h.content))
}

// TestPackageHostByKey: a host is shown its own key, and another one nothing.
func TestPackageHostByKey(t *testing.T) {
	h := newHosts(t, hostTables)
	var own, stranger keyed
	key := []byte{0, 0x11, 0x22, 0x33}
	h.must(h.fetch(own.serve(t, "127.0.0.1", "gw", key, servingPackage(h.content)).String()))
	if fmt.Sprint(own.shown) != "[gw]" {
		t.Errorf("the host was shown %v", own.shown)
	}
	err := h.fetch(stranger.serve(t, "127.0.0.3", "gw", key, servingPackage(h.content)).String())
	if !errors.Is(err, fota.ErrRefused) || !strings.Contains(err.Error(), "no [[firmware.host]] has any for it") || len(stranger.shown) > 0 {
		t.Errorf("%v; the stranger was shown %v", err, stranger.shown)
	}
	err = h.fetch("coaps+tcp://127.0.0.1:1/package") // a key is for coaps only
	if !errors.Is(err, fota.ErrRefused) {
		t.Error(err)
	}
}

// TestPackageHostByCertificate: DTLS, TLS and https with the same certificate, to hosts that the authority vouches for.
func TestPackageHostByCertificate(t *testing.T) {
	h := newHosts(t, hostTables)
	strange, err := dtlstest.NewAuthority("Strange Root")
	h.must(err)
	for _, c := range []struct {
		name    string
		own     *dtlstest.Identity
		refused bool
	}{
		{"the host", ofHost(t, h.ca, "127.0.0.2"), false},
		{"another host", ofHost(t, h.ca, "127.0.0.3"), true},
		{"another authority", ofHost(t, strange, "127.0.0.2"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &packageDepot{certified: h.certified, T: t, at: "127.0.0.2", own: c.own, serve: servingPackage(h.content)}
			t.Cleanup(d.tasks.Wait)
			web := newWebDepot(t, "127.0.0.2", c.own, tls.RequireAndVerifyClientCert, h.clients(), h.serve)
			for _, uri := range []string{d.open("coaps"), d.open("coaps+tcp"), web.URL + "/package"} {
				if err := h.fetch(uri); (err == nil) == c.refused || c.refused && !errors.Is(err, fota.ErrRefused) {
					t.Errorf("%s: %v; want refused: %v", uri, err, c.refused)
				}
			}
			if shown := fmt.Sprint(web.shown); shown != map[bool]string{false: "[gw]", true: "[]"}[c.refused] {
				t.Errorf("https was shown %s", shown)
			}
		})
	}
}

// TestCertificateDoesNotFollowARedirection: what is meant for a host is not shown to the one that it redirects to, and a host that is redirected to
// is shown its own.
func TestCertificateDoesNotFollowARedirection(t *testing.T) {
	h := newHosts(t, hostTables)
	for _, c := range []struct{ from, to, shown string }{
		{"127.0.0.2", "127.0.0.3", "[]"},
		{"127.0.0.3", "127.0.0.2", "[gw]"},
		{"127.0.0.3", "127.0.0.1", "[]"},
	} {
		target := newWebDepot(t, c.to, ofHost(t, h.ca, c.to), tls.RequestClientCert, nil, h.serve)
		first := newWebDepot(t, c.from, ofHost(t, h.ca, c.from), tls.RequestClientCert, nil, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target.URL+"/elsewhere", http.StatusFound)
		})
		h.must(h.fetch(first.URL + "/package"))
		if fmt.Sprint(target.shown) != c.shown {
			t.Errorf("from %s to %s: the second one was shown %v, want %s", c.from, c.to, target.shown, c.shown)
		}
		if want := map[bool]string{true: "[gw]", false: "[]"}[c.from == "127.0.0.2"]; fmt.Sprint(first.shown) != want {
			t.Errorf("from %s: it was shown %v, want %s", c.from, first.shown, want)
		}
	}
}

// TestPackageHostByHeldKey: the keys are where the service manager hands them over, and health says when one is not.
func TestPackageHostByHeldKey(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(keys.CredentialsVariable, folder)
	h := newHosts(t, strings.NewReplacer("key='00112233'", "key_file='credential:depot.psk'", "'own.key'", "'credential:own.key'").Replace(hostTables))
	var depot keyed
	byKey := depot.serve(t, "127.0.0.1", "gw", []byte{0, 0x11, 0x22, 0x33}, servingPackage(h.content)).String()
	byCertificate := newWebDepot(t, "127.0.0.2", ofHost(t, h.ca, "127.0.0.2"), tls.RequireAndVerifyClientCert, h.clients(), h.serve).URL + "/package"
	for _, uri := range []string{byKey, byCertificate} {
		if err := h.fetch(uri); err == nil || errors.Is(err, fota.ErrRefused) {
			t.Errorf("%s without a key: %v", uri, err)
		}
	}
	h.agent.await(t, health.KeyUnavailable, true)
	h.must(os.WriteFile(filepath.Join(folder, "depot.psk"), []byte("00112233\n"), 0o400))
	own, err := os.ReadFile(filepath.Join(h.dir, "own.key"))
	h.must(err)
	h.must(os.WriteFile(filepath.Join(folder, "own.key"), own, 0o400))
	h.must(h.fetch(byKey))
	h.must(h.fetch(byCertificate))
	h.agent.await(t, health.KeyUnavailable, false)
}
