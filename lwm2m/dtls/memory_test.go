package dtls_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/test/memory"
)

// pskSize makes the premaster secret longer than a block of SHA-256, with much of the key in the last one.
const pskSize = 60

// clientVariable tells this program that it is the client, where its server is and what comes of it.
const clientVariable = "LWM2M_TEST_ERASED_CLIENT"

// TestKeysAreErased: after a session, and after a handshake that failed, nothing on the heap of its process holds the master secret or
// the pre-shared key, which is its owner's to wipe. The client is a process of its own, since the server knows the same secrets.
func TestKeysAreErased(t *testing.T) {
	if to, fails, ok := strings.Cut(os.Getenv(clientVariable), " "); ok {
		erased(t, to, fails == "failure")
		return
	}
	t.Parallel()
	for _, name := range []string{"session", "failure"} {
		t.Run(name, func(t *testing.T) {
			psk := make([]byte, pskSize)
			rand.Read(psk)
			known := bytes.Clone(psk)
			if name == "failure" {
				known[0]++
			}
			socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			go func() {
				c, err := dtlstest.Accept(t.Context(), dtlstest.Socket(socket), dtlstest.Config{PSK: dtlstest.Key("gw-17", known), NoExtendedMasterSecret: true})
				if err == nil {
					_, _ = io.Copy(c, c) // ends with the socket
				}
			}()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKeysAreErased$")
			cmd.Env = append(os.Environ(), clientVariable+"="+socket.LocalAddr().String()+" "+name)
			cmd.Stdin = bytes.NewReader(psk)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		})
	}
}

// erased is the client's process. A handshake that is to fail is given up when the server, which has another key, is silent.
func erased(t *testing.T, to string, fails bool) {
	t.Helper()
	memory.Keep(t)
	psk := make([]byte, pskSize)
	if _, err := io.ReadFull(os.Stdin, psk); err != nil {
		t.Fatal(err)
	}
	dialed, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn := &hellos{Conn: dialed}
	if fails {
		conn.finished = cancel
	}
	defer conn.Close()
	c, err := dtls.Client(ctx, conn, dtls.Config{PSK: psk, Identity: []byte("gw-17")})
	secrets := map[string]memory.Secret{
		"pre-shared key": memory.Hide(bytes.Clone(psk[:16])), "end of the pre-shared key": memory.Hide(bytes.Clone(psk[len(psk)-16:])),
		"master secret": conn.master(psk),
	}
	there := 2
	switch {
	case err == nil && !fails:
		there = 3
		use(t, c)
	case err == nil || !fails || !strings.Contains(err.Error(), "while awaiting Finished"):
		t.Fatal(err)
	}
	found := 0
	for _, s := range secrets {
		found += min(s.Count(t), 1)
	}
	if found != there {
		t.Errorf("%d of the secrets are there while they are in use, want %d, or the test is blind", found, there)
	}
	if c != nil {
		c.Close()
	}
	clear(psk)
	for name, s := range secrets {
		if n := s.Count(t); n > 0 {
			t.Errorf("the %s is left %d times", name, n)
		}
	}
}

// use uses a session.
func use(t *testing.T, c *dtls.Conn) {
	t.Helper()
	for range 3 {
		if _, err := c.Write([]byte("a message")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		c.Parameters()
		c.Overhead()
	}
	s, err := c.Session(100)
	if err != nil {
		t.Fatal(err)
	}
	clear(s.MasterSecret) // this copy is the caller's
}

// hellos notes the randoms of a handshake.
type hellos struct {
	net.Conn

	client, server []byte
	finished       func() // is called when the client's Finished is out; may be nil
}

// random returns that of a ClientHello or ServerHello, whose record a datagram begins with (RFC 5246, section 7.4.1.2), nil if it is
// another message.
func random(datagram []byte, typ handshake.Type) []byte {
	const header, at = 13, 13 + handshake.HeaderSize + 2
	if len(datagram) < at+handshake.RandomSize || datagram[header] != byte(typ) {
		return nil
	}
	return bytes.Clone(datagram[at:][:handshake.RandomSize])
}

func (h *hellos) Write(b []byte) (int, error) {
	if h.client == nil {
		h.client = random(b, handshake.ClientHello)
	} else if h.finished != nil && random(b, handshake.ClientKeyExchange) != nil { // the rest is in the same datagram
		defer h.finished()
	}
	return h.Conn.Write(b)
}

func (h *hellos) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if h.server == nil {
		h.server = random(b[:n], handshake.ServerHello)
	}
	return n, err
}

// master returns the master secret (RFC 5246, section 8.1).
func (h *hellos) master(psk []byte) memory.Secret {
	premaster := handshake.PSKPremaster(psk)
	defer clear(premaster)
	return memory.Hide(handshake.MasterSecret(premaster, h.client, h.server))
}
