//go:build interop

package dtls_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// program returns a command, or ends the test with the Debian package that has it.
func program(t *testing.T, pkg, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: install the Debian package %s", name, pkg)
	}
	return exec.CommandContext(t.Context(), path, args...)
}

// serve runs a server until the test ends.
func serve(t *testing.T, cmd *exec.Cmd) *process.Process {
	t.Helper()
	return process.Start(t, cmd, workspace.Artifact(t, filepath.Base(cmd.Path)+".log"))
}

// given are the ports that tests got.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// freePort returns a UDP port of loopback that was free a moment ago, with the one
// above it. No other test gets either.
func freePort(t *testing.T) int {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = make(map[int]bool)
	}
	for range 100 {
		first, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		port := first.LocalAddr().(*net.UDPAddr).Port
		second, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + 1})
		first.Close()
		if err == nil {
			second.Close()
		}
		if err == nil && !given.ports[port] && !given.ports[port+1] {
			given.ports[port], given.ports[port+1] = true, true
			return port
		}
	}
	t.Fatal("no free port with a free one above it")
	return 0
}

// dialPort returns a new socket to a server on loopback.
func dialPort(t *testing.T, port int) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// untilUp runs a handshake with a server that may still be starting.
func untilUp(t *testing.T, port int, cfg dtls.Config) *dtls.Conn {
	t.Helper()
	cfg.RetransmitInitial, cfg.RetransmitMax = 100*time.Millisecond, time.Second
	c, err := dtls.Client(t.Context(), dialPort(t, port), cfg)
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return c
}

// network over a socket: harmed wraps a client's socket.
type harmedConn struct {
	net.Conn

	network network
	sending sync.Mutex
	kept    [][]byte // received and not yet read
}

func (h *harmedConn) Write(b []byte) (int, error) {
	h.sending.Lock()
	defer h.sending.Unlock()
	leaving := [][]byte{b}
	if h.network.toServer != nil {
		leaving = h.network.toServer(bytes.Clone(b))
	}
	for _, d := range leaving {
		if _, err := h.Conn.Write(d); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (h *harmedConn) Read(b []byte) (int, error) {
	for len(h.kept) == 0 {
		n, err := h.Conn.Read(b)
		if err != nil {
			return 0, err
		}
		h.kept = [][]byte{bytes.Clone(b[:n])}
		if h.network.toClient != nil {
			h.kept = h.network.toClient(h.kept[0])
		}
	}
	n := copy(b, h.kept[0])
	h.kept = h.kept[1:]
	return n, nil
}

// ask sends a request until an answer comes that has the wanted text.
func ask(c net.Conn, request, want string) error {
	buf := make([]byte, 2048)
	var last error
	for range 20 {
		if _, err := c.Write([]byte(request)); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(400 * time.Millisecond)); err != nil {
			return err
		}
		n, err := c.Read(buf)
		switch {
		case err == nil && bytes.Contains(buf[:n], []byte(want)):
			return nil
		case err == nil:
			last = fmt.Errorf("answer %q", buf[:n])
		case errors.Is(err, os.ErrDeadlineExceeded):
			last = err
		default:
			return err
		}
	}
	return fmt.Errorf("no answer with %q: %w", want, last)
}

// refused checks that a handshake is ended by the alert, ours or the server's.
func refused(t *testing.T, conn net.Conn, cfg dtls.Config, alert dtls.Alert, remote bool) {
	t.Helper()
	_, err := dtls.Client(t.Context(), conn, cfg)
	var e *dtls.Error
	if !errors.As(err, &e) || e.Alert != alert || e.Remote != remote {
		t.Errorf("%v, want alert %d, remote %v", err, alert, remote)
	}
}

// harms are what may happen to one datagram, for handshakes in real time.
func harms(n int) map[string]dtlstest.Route {
	return map[string]dtlstest.Route{
		"lost": dtlstest.Lose(n),
		"doubled": nth(n, func(d []byte) [][]byte {
			return [][]byte{d, bytes.Clone(d)}
		}),
		"overtaken": dtlstest.Swap(n),
	}
}

// pemFile writes a key for a program to read.
func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), strings.ReplaceAll(kind, " ", "-")+".pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pkcs8 returns the server's private key in DER.
func pkcs8(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(serverKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return der
}
