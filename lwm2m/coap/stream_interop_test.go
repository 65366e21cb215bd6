//go:build interop

package coap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// streamPeer is how the tests speak with a program of others: in the clear or by TLS, with a
// certificate for 127.0.0.1.
type streamPeer struct {
	scheme    string
	tls       bool
	cert, key string // PEM files
	pair      tls.Certificate
	roots     *x509.CertPool
}

func streamPeers(t *testing.T) []*streamPeer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := &streamPeer{
		scheme: "coaps+tcp", tls: true, cert: filepath.Join(t.TempDir(), "cert.pem"), key: filepath.Join(t.TempDir(), "key.pem"),
		pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots: x509.NewCertPool(),
	}
	p.roots.AppendCertsFromPEM(writePEM(t, p.cert, "CERTIFICATE", der))
	writePEM(t, p.key, "PRIVATE KEY", own)
	return []*streamPeer{{scheme: "coap+tcp"}, p}
}

func writePEM(t *testing.T, file, kind string, der []byte) []byte {
	t.Helper()
	b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// connect dials a server that may still be starting.
func (p *streamPeer) connect(t *testing.T, address string) *Conn {
	t.Helper()
	var nc net.Conn
	waitFor(t, func() (ok bool) {
		var d net.Dialer
		tcp, err := d.DialContext(t.Context(), "tcp", address)
		if err != nil {
			return false
		}
		nc = tcp
		return true
	})
	if p.tls {
		nc = tls.Client(nc, &tls.Config{RootCAs: p.roots, ServerName: "127.0.0.1", NextProtos: []string{"coap"}})
	}
	c := NewStream(nc, nil, Options{})
	run(t, c)
	return c
}

// listen serves programs of others.
func (p *streamPeer) listen(t *testing.T, h Handler) (uri string) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	uri = fmt.Sprintf("%s://%v", p.scheme, l.Addr())
	if p.tls {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{p.pair}, NextProtos: []string{"coap"}})
	}
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				c := NewStream(nc, h, Options{})
				_ = c.Run(ctx)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		serving.Wait()
	})
	return uri
}

// freePort returns a port whose successor is free too, for TLS.
func freePort(t *testing.T) int {
	t.Helper()
	free := listenLoopback(t)
	defer free.Close()
	return free.LocalAddr().(*net.UDPAddr).Port &^ 1
}

// program returns the path of a libcoap program with TLS.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name + "-openssl")
	if err != nil {
		t.Fatalf("%v: install the Debian package libcoap3-bin", err)
	}
	return path
}

func TestLibcoapStreamServer(t *testing.T) {
	for _, p := range streamPeers(t) {
		t.Run(p.scheme, func(t *testing.T) {
			port := freePort(t)
			args := []string{"-A", "127.0.0.1", "-p", strconv.Itoa(port), "-d", "10"}
			if p.tls {
				args = append(args, "-c", p.cert, "-j", p.key, "-n")
				port++
			}
			server := exec.CommandContext(t.Context(), program(t, "coap-server"), args...)
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Wait() }) // its context has ended
			c := p.connect(t, fmt.Sprintf("127.0.0.1:%d", port))
			if err := c.Ping(t.Context()); err != nil {
				t.Fatalf("ping: %v", err)
			}
			put := get("/big")
			put.Code, put.Body = PUT, bytes.NewReader(megabyte)
			put.SetContentFormat(42)
			if m, err := c.Do(t.Context(), put); err != nil || m.Code != Created {
				t.Fatalf("PUT: %v, %v", m, err)
			}
			if m, err := c.Do(t.Context(), get("/big")); err != nil || m.Code != Content || !bytes.Equal(m.Payload, megabyte) {
				t.Fatalf("GET: %v", err)
			}
			obs, m, err := c.Observe(t.Context(), get("/time"))
			if err != nil || obs == nil {
				t.Fatalf("observe: %v, %v", m, err)
			}
			last := string(m.Payload)
			if m, err = obs.Next(t.Context()); err != nil || string(m.Payload) == last { // one a second
				t.Fatalf("got %v, %v after %q", m, err, last)
			}
			if m, err := obs.Cancel(t.Context()); err != nil || m.Code != Content {
				t.Errorf("cancel: %v, %v", m, err)
			}
			t.Logf("1 MB both ways and the rest in %d messages", c.Counters().ReceivedDatagrams)
		})
	}
}

func TestLibcoapStreamClient(t *testing.T) {
	for _, p := range streamPeers(t) {
		t.Run(p.scheme, func(t *testing.T) {
			bodies := make(chan []byte, 1)
			uri := p.listen(t, func(x *Exchange) {
				if x.Request.Code == PUT {
					bodies <- bytes.Clone(x.Request.Payload)
					_ = x.Reply(Changed)
					return
				}
				_ = x.Respond(&Message{Code: Content, Payload: megabyte})
			})
			file := filepath.Join(t.TempDir(), "body")
			if err := os.WriteFile(file, megabyte, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{nil, {"-X", "1152"}, {"-b", "512"}} {
				got := filepath.Join(t.TempDir(), "got")
				p.libcoapClient(t, append(args, "-o", got, uri+"/big")...)
				if b, err := os.ReadFile(got); err != nil || !bytes.Equal(b, megabyte) {
					t.Errorf("GET %v: %d bytes, %v", args, len(b), err)
				}
				out := p.libcoapClient(t, append(args, "-m", "put", "-f", file, uri+"/fw")...)
				select {
				case b := <-bodies:
					if !bytes.Equal(b, megabyte) {
						t.Errorf("PUT %v: %d bytes", args, len(b))
					}
				default:
					t.Errorf("PUT %v: nothing came\n%s", args, out)
				}
			}
		})
	}
}

func (p *streamPeer) libcoapClient(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if p.tls {
		args = append([]string{"-R", p.cert}, args...)
	}
	client := exec.CommandContext(ctx, program(t, "coap-client"), args...)
	out, err := client.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", client.Args, err, out)
	}
	return string(out)
}

// libcoap observes, is notified in one and in several messages, and cancels.
func TestLibcoapStreamObserves(t *testing.T) {
	for _, p := range streamPeers(t) {
		t.Run(p.scheme, func(t *testing.T) {
			observers, cancelled := make(chan *Exchange, 1), make(chan struct{})
			uri := p.listen(t, func(x *Exchange) {
				m := &Message{Code: Content, Payload: []byte("value 0\n")}
				switch v, ok := x.Request.Observe(); {
				case ok && v == 0:
					m.SetObserve(x.Conn().NextObserve())
					observers <- &Exchange{Request: x.Request.Clone(), conn: x.conn}
				case ok && v == 1:
					close(cancelled)
				}
				_ = x.Respond(m)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			args := []string{"-s", "3", "-w", uri + "/a"}
			if p.tls {
				args = append([]string{"-R", p.cert}, args...)
			}
			client := exec.CommandContext(ctx, program(t, "coap-client"), args...)
			out, err := client.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			o := <-observers
			long := strings.Repeat("long value\n", 20_000)
			for i, payload := range []string{"", "value 1\n", long + "value 2\n"} {
				if i > 0 {
					arrived := make(chan error, 1)
					m := &Message{Type: CON, Code: Content, Payload: []byte(payload)}
					if err := o.Conn().Notify(o.Request, m, func(err error) { arrived <- err }); err != nil {
						t.Fatal(err)
					}
					if err := <-arrived; err != nil {
						t.Errorf("notification %d: %v", i, err)
					}
				}
				for want := fmt.Sprintf("value %d", i); lines.Scan() && !strings.Contains(lines.Text(), want); {
				}
				if lines.Err() != nil {
					t.Fatal(lines.Err())
				}
			}
			select {
			case <-cancelled:
			case <-ctx.Done():
				t.Error("libcoap did not cancel")
			}
			_, _ = io.Copy(io.Discard, out)
			if err := client.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
