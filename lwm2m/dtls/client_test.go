package dtls_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// Credentials of the tests.
var (
	testPSK              = []byte("0123456789abcdef")
	clientKey, clientPub = newKey()
	serverKey, serverPub = newKey()
	pskClient            = dtls.Config{PSK: testPSK, Identity: []byte("gw-17")}
	rpkClient            = dtls.Config{Key: clientKey, PeerKey: serverPub}
	pskServer            = dtlstest.Config{PSK: dtlstest.Key("gw-17", testPSK)}
	rpkServer            = dtlstest.Config{Key: serverKey, ClientKey: clientPub}
)

// newKey returns a key on P-256 and its SubjectPublicKeyInfo.
func newKey() (crypto.Signer, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return key, spki
}

// result is what one side's handshake returned.
type result[C any] struct {
	conn C
	err  error
}

// shake runs both sides over the network and returns their results. It leaves no
// goroutine behind.
func shake(t *testing.T, cfg dtls.Config, server dtlstest.Config, toServer, toClient dtlstest.Route) (*dtls.Conn, *dtlstest.Conn, error, error) {
	t.Helper()
	near, far := dtlstest.Pipe(toServer, toClient)
	t.Cleanup(func() { near.Close(); far.Close() })
	accepted := make(chan result[*dtlstest.Conn], 1)
	go func() {
		s, err := dtlstest.Accept(t.Context(), far, server)
		accepted <- result[*dtlstest.Conn]{s, err}
	}()
	c, err := dtls.Client(t.Context(), near, cfg)
	if err != nil && !errors.As(err, new(*dtls.Error)) {
		far.Close() // the server waits for a client that is gone
	}
	r := <-accepted
	return c, r.conn, err, r.err
}

// connect is shake that must succeed.
func connect(t *testing.T, cfg dtls.Config, server dtlstest.Config) (*dtls.Conn, *dtlstest.Conn) {
	t.Helper()
	c, s, err, serverErr := shake(t, cfg, server, nil, nil)
	if err != nil || serverErr != nil {
		t.Fatalf("client: %v; server: %v", err, serverErr)
	}
	return c, s
}

// echo exchanges one record each way.
func echo(t *testing.T, c *dtls.Conn, s net.Conn, text string) {
	t.Helper()
	buf := make([]byte, 100)
	for _, way := range []struct {
		from io.Writer
		to   io.Reader
	}{{c, s}, {s, c}} {
		if _, err := way.from.Write([]byte(text)); err != nil {
			t.Fatalf("write: %v", err)
		}
		n, err := way.to.Read(buf)
		for errors.Is(err, io.ErrShortBuffer) { // a long datagram of a stranger's
			n, err = way.to.Read(buf)
		}
		if err != nil || string(buf[:n]) != text {
			t.Fatalf("read %q, %v; want %q", buf[:n], err, text)
		}
	}
}

func TestHandshake(t *testing.T) {
	type change func(*dtls.Config, *dtlstest.Config)
	suite := func(s dtls.Suite) change {
		return func(c *dtls.Config, _ *dtlstest.Config) { c.Suites = []dtls.Suite{s} }
	}
	tests := map[string]change{
		"plain":        func(*dtls.Config, *dtlstest.Config) {},
		"cookie":       func(_ *dtls.Config, s *dtlstest.Config) { s.Cookie = true },
		"no ems":       func(_ *dtls.Config, s *dtlstest.Config) { s.NoExtendedMasterSecret = true },
		"no client id": func(c *dtls.Config, _ *dtlstest.Config) { c.CIDLength = -1 },
		"no server id": func(_ *dtls.Config, s *dtlstest.Config) { s.CIDLength = -1 },
		"ids 0 and 6":  func(_ *dtls.Config, s *dtlstest.Config) { s.CIDLength = 6 },
		"ids 4 and 0":  func(c *dtls.Config, _ *dtlstest.Config) { c.CIDLength = 4 },
		"ids 255 and 255": func(c *dtls.Config, s *dtlstest.Config) {
			c.CIDLength, s.CIDLength = 255, 255
		},
		"small MTU": func(c *dtls.Config, s *dtlstest.Config) { c.MTU, s.MTU = 272, 272 },
	}
	kinds := map[string]struct {
		client dtls.Config
		server dtlstest.Config
	}{"psk": {pskClient, pskServer}, "rpk": {rpkClient, rpkServer}, "x509": {x509Client, x509Server}}
	for kind, k := range kinds {
		for name, change := range tests {
			t.Run(kind+"/"+name, func(t *testing.T) { handshakeWith(t, k.client, k.server, change) })
		}
	}
	for _, s := range []dtls.Suite{dtls.PSKWithAES128CCM8, dtls.PSKWithAES128CCM, dtls.PSKWithAES128GCMSHA256} {
		t.Run(s.String(), func(t *testing.T) { handshakeWith(t, pskClient, pskServer, suite(s)) })
	}
	for _, s := range []dtls.Suite{dtls.ECDHEECDSAWithAES128CCM8, dtls.ECDHEECDSAWithAES128CCM, dtls.ECDHEECDSAWithAES128GCMSHA256} {
		t.Run("rpk/"+s.String(), func(t *testing.T) { handshakeWith(t, rpkClient, rpkServer, suite(s)) })
		t.Run("x509/"+s.String(), func(t *testing.T) { handshakeWith(t, x509Client, x509Server, suite(s)) })
	}
	t.Run("x509/RSA", func(t *testing.T) {
		handshakeWith(t, x509Client, rsaServer(), func(_ *dtls.Config, s *dtlstest.Config) {
			s.Suites = []dtls.Suite{dtls.ECDHERSAWithAES128GCMSHA256}
		})
	})
	t.Run("rpk/digest", func(t *testing.T) {
		handshakeWith(t, rpkClient, rpkServer, func(c *dtls.Config, _ *dtlstest.Config) {
			sum := sha256.Sum256(serverPub)
			c.PeerKey, c.PeerMatching = sum[:], dtls.MatchSHA256
		})
	})
	t.Run("psk/hint", func(t *testing.T) {
		handshakeWith(t, pskClient, pskServer, func(_ *dtls.Config, s *dtlstest.Config) { s.Hint = []byte("hint") })
	})
	t.Run("rpk/server only", func(t *testing.T) {
		handshakeWith(t, rpkClient, rpkServer, func(_ *dtls.Config, s *dtlstest.Config) { s.ClientKey = nil })
	})
}

func handshakeWith(t *testing.T, client dtls.Config, server dtlstest.Config, change func(*dtls.Config, *dtlstest.Config)) {
	t.Helper()
	change(&client, &server)
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, client, server)
		for i := range 100 { // beyond the replay window
			echo(t, c, s, fmt.Sprint("message ", i))
		}
		time.AfterFunc(time.Hour, func() { s.Write([]byte("late")) })
		if n, err := c.Read(make([]byte, 10)); n != 4 || err != nil { // no deadline is left from the handshake
			t.Errorf("read %d bytes, %v", n, err)
		}
		p := c.Parameters()
		if p.Resumed || p.Restored || p.ExtendedMasterSecret == server.NoExtendedMasterSecret || p.Suite != s.Suite() {
			t.Errorf("parameters %+v", p)
		}
		local, remote := max(client.CIDLength, 0), max(server.CIDLength, 0)
		if client.CIDLength < 0 || server.CIDLength < 0 {
			local, remote = 0, 0
		}
		if len(p.LocalCID) != local || len(p.RemoteCID) != remote {
			t.Errorf("connection IDs of %d and %d bytes, want %d and %d", len(p.LocalCID), len(p.RemoteCID), local, remote)
		}
	})
}

// A server that is away is told alike at each attempt: the milliseconds differ.
func TestTimeoutReadsAlike(t *testing.T) {
	for after, want := range map[time.Duration]string{
		25007 * time.Millisecond: "dtls: no ServerHello from server after 25s",
		25013 * time.Millisecond: "dtls: no ServerHello from server after 25s",
		40 * time.Millisecond:    "dtls: no ServerHello from server after 40ms",
	} {
		if got := (&dtls.TimeoutError{Awaited: "ServerHello", After: after}).Error(); got != want {
			t.Errorf("after %v: %q, want %q", after, got, want)
		}
	}
}
