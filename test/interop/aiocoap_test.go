//go:build interop

package interop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// aiocoapVersion is what pip installs, once, into the cache.
const aiocoapVersion = "0.4.17"

// aiocoap starts aiocoap as testdata/aiocoap_peer.py uses it.
func aiocoap(t *testing.T, args ...string) *process.Process {
	t.Helper()
	dir := workspace.Cached(t, "aiocoap", []string{aiocoapVersion}, func(dir string) error {
		pip := exec.CommandContext(t.Context(), "python3", "-m", "pip", "install", "--quiet", "--target", filepath.Join(dir, "lib"), "aiocoap=="+aiocoapVersion)
		if out, err := pip.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s; install the Debian package python3-pip", err, out)
		}
		return nil
	})
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{filepath.Join("testdata", "aiocoap_peer.py")}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(dir, "lib"))
	return process.Start(t, cmd, workspace.Artifact(t, "aiocoap-"+args[0]+".log"))
}

// loopbackTLS returns a server's certificate for 127.0.0.1, and the files that a program of
// others takes it from.
func loopbackTLS(t *testing.T) (pair tls.Certificate, roots *x509.CertPool, certFile, keyFile string) {
	t.Helper()
	ca, err := dtlstest.NewAuthority("Test Root")
	if err != nil {
		t.Fatal(err)
	}
	id, err := ca.Issue("localhost", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.Key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, ders ...[]byte) string {
		text := make([]byte, 0, 4096)
		for _, b := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})...)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	roots = x509.NewCertPool()
	roots.AddCert(ca.Certificate)
	certFile = write("cert.pem", "CERTIFICATE", id.Certificate.Raw, ca.Certificate.Raw)
	pair = tls.Certificate{Certificate: [][]byte{id.Certificate.Raw, ca.Certificate.Raw}, PrivateKey: id.Key}
	return pair, roots, certFile, write("key.pem", "PRIVATE KEY", der)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func request(code coap.Code, path string) *coap.Message {
	m := &coap.Message{Code: code}
	m.SetPath(path)
	return m
}

var megabyte = func() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i * 7 % 251)
	}
	return b
}()

// TestAiocoapServer puts and gets 1 MB, observes and pings aiocoap over TCP and TLS.
func TestAiocoapServer(t *testing.T) {
	_, roots, certFile, keyFile := loopbackTLS(t)
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secure), func(t *testing.T) {
			port := freePort(t)
			args := []string{"serve", strconv.Itoa(port)}
			if secure {
				args = append(args, certFile, keyFile)
				port++ // aiocoap's own choice for TLS
			}
			aiocoap(t, args...).WaitPrefix(t, patience, "ready")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				t.Fatal(err)
			}
			if secure {
				nc = tls.Client(nc, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{"coap"}})
			}
			c := coap.NewStream(nc, nil, coap.Options{})
			var running sync.WaitGroup
			running.Go(func() { _ = c.Run(ctx) })
			defer running.Wait()
			defer c.Close()
			exerciseAiocoap(ctx, t, c)
		})
	}
}

func exerciseAiocoap(ctx context.Context, t *testing.T, c *coap.Conn) {
	t.Helper()
	if err := c.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	put := request(coap.PUT, "/big")
	put.Body = bytes.NewReader(megabyte)
	if m, err := c.Do(ctx, put); err != nil || m.Code != coap.Changed {
		t.Fatalf("PUT: %v, %v", m, err)
	}
	if m, err := c.Do(ctx, request(coap.GET, "/big")); err != nil || m.Code != coap.Content || !bytes.Equal(m.Payload, megabyte) {
		t.Fatalf("GET: %v", err)
	}
	obs, m, err := c.Observe(ctx, request(coap.GET, "/count"))
	if err != nil || obs == nil {
		t.Fatalf("observe: %v, %v", m, err)
	}
	last, _ := strconv.Atoi(string(m.Payload))
	for range 3 {
		m, err := obs.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(string(m.Payload))
		if n <= last {
			t.Errorf("notified of %d after %d", n, last)
		}
		last = n
	}
	if m, err := obs.Cancel(ctx); err != nil || m.Code != coap.Content {
		t.Errorf("cancel: %v, %v", m, err)
	}
}

// TestAiocoapClient lets aiocoap put, get and observe: 1 MB, and notifications of which one
// is long.
func TestAiocoapClient(t *testing.T) {
	pair, _, certFile, _ := loopbackTLS(t)
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secure), func(t *testing.T) {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"use", "coap+tcp://" + l.Addr().String()}
			if secure {
				args = []string{"use", "coaps+tcp://" + l.Addr().String(), certFile}
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"coap"}})
			}
			var running sync.WaitGroup
			running.Go(func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				c := coap.NewStream(nc, (&kept{t: t, running: &running}).handle, coap.Options{})
				_ = c.Run(t.Context())
				_ = c.Close()
			})
			defer running.Wait()
			defer l.Close()
			p := aiocoap(t, args...)
			p.WaitPrefix(t, patience, "put 2.04")
			p.WaitPrefix(t, patience, "got 2.05 Content "+fmt.Sprintf("%x", sha256.Sum256(megabyte)))
			p.WaitPrefix(t, patience, "first 0")
			for i := 1; i <= 3; i++ {
				p.WaitPrefix(t, patience, fmt.Sprintf("then %s%d ", strings.Repeat("0", 19*(i%2)), i))
			}
			if code := p.Wait(t, patience); code != 0 {
				t.Errorf("aiocoap ended with %d", code)
			}
		})
	}
}

// kept keeps what is put, and notifies three times.
type kept struct {
	t       *testing.T
	running *sync.WaitGroup
	body    []byte
}

func (k *kept) handle(x *coap.Exchange) {
	m := &coap.Message{Code: coap.Content, Payload: k.body}
	if x.Request.Code == coap.PUT {
		k.body = bytes.Clone(x.Request.Payload)
		m = &coap.Message{Code: coap.Changed}
	}
	if v, ok := x.Request.Observe(); ok {
		m.Payload = []byte("0")
		if v == 0 {
			m.SetObserve(x.Conn().NextObserve())
			observe := x.Request.Clone()
			k.running.Go(func() { k.notify(x.Conn(), observe) })
		}
	}
	_ = x.Respond(m) // it fails only if the connection has ended
}

func (k *kept) notify(c *coap.Conn, observe *coap.Message) {
	for i := 1; i <= 3; i++ {
		select {
		case <-time.After(200 * time.Millisecond): // aiocoap keeps only the newest that it has not handed on
		case <-c.Done():
			return
		}
		text := strconv.Itoa(i)
		if i%2 == 1 {
			text = strings.Repeat("0", 100_000) + text
		}
		confirmed := make(chan error, 1)
		if err := c.Notify(observe, &coap.Message{Type: coap.CON, Code: coap.Content, Payload: []byte(text)}, func(err error) { confirmed <- err }); err != nil {
			return // it has what it wanted
		}
		if err := <-confirmed; err != nil && i < 3 {
			k.t.Errorf("notification %d: %v", i, err)
		}
	}
}
