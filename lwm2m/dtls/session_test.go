package dtls_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// store returns the session as it comes back from a disk.
func store(t *testing.T, s *dtls.Session) *dtls.Session {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back dtls.Session
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return &back
}

// numbers notes the record numbers of epoch 1 that are sent, and fails the test
// when one comes twice.
func numbers(t *testing.T, seen map[uint64]bool) dtlstest.Route {
	t.Helper()
	return func(d []byte) [][]byte {
		if number := binary.BigEndian.Uint64(d[3:]); number>>48 == 1 {
			if seen[number] {
				t.Errorf("record number %d is used twice", number&(1<<48-1))
			}
			seen[number] = true
		}
		return [][]byte{d}
	}
}

// A session goes through a disk again and again, over new sockets, with and without
// connection IDs; no record number is used twice, and no old record is accepted.
func TestRestore(t *testing.T) {
	for name, v := range map[string]variant{
		"psk":              {"", with(pskClient, func(c *dtls.Config) { c.CIDLength = 4 }), with(pskServer, func(s *dtlstest.Config) { s.CIDLength = 6 })},
		"psk, no IDs":      {"", with(pskClient, func(c *dtls.Config) { c.CIDLength = -1 }), pskServer},
		"psk, GCM":         {"", with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128GCMSHA256} }), pskServer},
		"psk, 16 byte tag": {"", with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM} }), pskServer},
		"rpk":              {"", rpkClient, with(rpkServer, func(s *dtlstest.Config) { s.CIDLength = 6 })},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := make(map[uint64]bool)
				var old [][]byte
				near, far := dtlstest.Pipe(numbers(t, seen), func(d []byte) [][]byte {
					old = append(old, bytes.Clone(d))
					return [][]byte{d}
				})
				go func() { _ = serveEcho(t.Context(), far, v.server) }()
				defer far.Close()
				c, err := dtls.Client(t.Context(), near, v.client)
				if err != nil {
					t.Fatal(err)
				}
				want := c.Parameters()
				want.Restored = true
				for range 5 {
					session, err := c.Session(100)
					if err != nil {
						t.Fatal(err)
					}
					if err := ping(c); err != nil { // the process ends after this
						t.Fatal(err)
					}
					if !session.Matches(&v.client) {
						t.Error("the session does not match its credentials")
					}
					if c, err = dtls.Restore(near, store(t, session)); err != nil {
						t.Fatal(err)
					}
					if _, err := c.Write([]byte("too early")); !errors.Is(err, dtls.ErrReserved) {
						t.Errorf("write before Session: %v", err)
					}
					if session, err = c.Session(100); err != nil {
						t.Fatal(err)
					}
					replayBefore(t, far, c, old, session.NextReceive)
					if err := ping(c); err != nil {
						t.Fatal(err)
					}
				}
				if d := cmp.Diff(want, c.Parameters(), cmp.Comparer(bytes.Equal)); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

// replayBefore sends the server's records numbered below next once more; none may
// be accepted.
func replayBefore(t *testing.T, far net.Conn, c *dtls.Conn, old [][]byte, next uint64) {
	t.Helper()
	for _, d := range old {
		if number := binary.BigEndian.Uint64(d[3:]); number>>48 == 1 && number&(1<<48-1) < next {
			far.Write(bytes.Clone(d))
		}
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	if n, err := c.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes of an old record accepted", n)
	}
	c.SetReadDeadline(time.Time{})
}

// Reserved numbers run out and are renewed; Close keeps to them.
func TestReserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, pskClient, pskServer)
		first, err := c.Session(2)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Remaining(); got != 2 {
			t.Errorf("%d remain, want 2", got)
		}
		echo(t, c, s, "one")
		echo(t, c, s, "two")
		if _, err := c.Write([]byte("three")); !errors.Is(err, dtls.ErrReserved) {
			t.Errorf("write: %v", err)
		}
		second, err := c.Session(1)
		if err != nil || second.NextSend != first.NextSend+1 {
			t.Fatalf("reserved up to %d, then %d, %v", first.NextSend, second.NextSend, err)
		}
		echo(t, c, s, "three")
		if _, err := c.Session(0); err != nil {
			t.Fatal(err)
		}
		if c.Remaining() != 0 {
			t.Errorf("%d remain", c.Remaining())
		}
		// Nothing is sent by Close, so that the session can be restored.
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		s.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := s.Read(make([]byte, 10)); err == nil || n != 0 {
			t.Errorf("server read %d bytes, %v", n, err)
		} else if errors.As(err, new(*dtls.Error)) || err.Error() == "EOF" {
			t.Errorf("an alert was sent: %v", err)
		}
	})
}

// A Session shares nothing with the Conn.
func TestSessionIsACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, pskClient, pskServer)
		session, err := c.Session(10)
		if err != nil {
			t.Fatal(err)
		}
		clear(session.MasterSecret)
		clear(session.ClientRandom)
		again, err := c.Session(10)
		if err != nil || bytes.Equal(again.MasterSecret, session.MasterSecret) {
			t.Error("clearing a Session cleared the Conn's")
		}
		if err := s.Alert(dtls.AlertInternalError); err != nil {
			t.Fatal(err)
		}
		c.Read(make([]byte, 10))
		if bytes.Equal(again.MasterSecret, make([]byte, 48)) {
			t.Error("an alert cleared a Session that was handed out")
		}
	})
}

func TestRestoreRefuses(t *testing.T) {
	var good *dtls.Session
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, pskClient, pskServer)
		var err error
		if good, err = c.Session(0); err != nil {
			t.Fatal(err)
		}
	})
	for name, spoil := range map[string]func(*dtls.Session){
		"suite":          func(s *dtls.Session) { s.Suite = 0x1301 },
		"master secret":  func(s *dtls.Session) { s.MasterSecret = s.MasterSecret[:47] },
		"client random":  func(s *dtls.Session) { s.ClientRandom = nil },
		"server random":  func(s *dtls.Session) { s.ServerRandom = append(s.ServerRandom, 0) },
		"local ID":       func(s *dtls.Session) { s.LocalCID = make([]byte, 256) },
		"remote ID":      func(s *dtls.Session) { s.RemoteCID = make([]byte, 256) },
		"number 0":       func(s *dtls.Session) { s.NextSend = 0 },
		"send number":    func(s *dtls.Session) { s.NextSend = 1<<48 + 1 },
		"receive number": func(s *dtls.Session) { s.NextReceive = 1<<48 + 1 },
		"ended":          func(s *dtls.Session) { s.Ended = true },
		"empty":          func(s *dtls.Session) { *s = dtls.Session{} },
	} {
		s := store(t, good)
		spoil(s)
		if _, err := dtls.Restore(nil, s); err == nil {
			t.Errorf("%s: restored", name)
		}
	}
	if _, err := dtls.Restore(nil, good); err != nil {
		t.Errorf("the unspoilt one: %v", err)
	}
}

func TestMatches(t *testing.T) {
	session := func(cfg dtls.Config, server dtlstest.Config) (s *dtls.Session) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := connect(t, cfg, server)
			var err error
			if s, err = c.Session(0); err != nil {
				t.Fatal(err)
			}
		})
		return store(t, s)
	}
	otherKey, otherPub := newKey()
	psk, rpk, chain := session(pskClient, pskServer), session(rpkClient, rpkServer), session(x509Client, x509Server)
	trusting := func(change func(*dtls.Trust)) dtls.Config {
		return with(x509Client, func(c *dtls.Config) { c.Trust = new(with(*c.Trust, change)) })
	}
	for name, v := range map[string]struct {
		s    *dtls.Session
		cfg  dtls.Config
		want bool
	}{
		"the same key":     {psk, pskClient, true},
		"another key":      {psk, with(pskClient, func(c *dtls.Config) { c.PSK = []byte("another") }), false},
		"another identity": {psk, with(pskClient, func(c *dtls.Config) { c.Identity = []byte("another") }), false},
		"shifted":          {psk, with(pskClient, func(c *dtls.Config) { c.Identity, c.PSK = []byte("gw-1"), append([]byte("7"), testPSK...) }), false},
		"another kind":     {psk, rpkClient, false},
		"the same keys":    {rpk, rpkClient, true},
		"another own key":  {rpk, with(rpkClient, func(c *dtls.Config) { c.Key = otherKey }), false},
		"another peer":     {rpk, with(rpkClient, func(c *dtls.Config) { c.PeerKey = otherPub }), false},
		"the same trust":   {chain, trusting(func(*dtls.Trust) {}), true},
		"another usage":    {chain, trusting(func(t *dtls.Trust) { t.Usage = dtls.UnstatedUsage }), false},
		"another name":     {chain, trusting(func(t *dtls.Trust) { t.Name = "other.example.com" }), false},
		"another anchor":   {chain, trusting(func(t *dtls.Trust) { t.Data = strangeCA.Certificate.Raw }), false},
		"an empty session": {&dtls.Session{}, pskClient, false},
		"no configuration": {psk, dtls.Config{}, false},
	} {
		if got := v.s.Matches(&v.cfg); got != v.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A session restored over a new socket goes on at the server by its connection ID.
func TestNewAddress(t *testing.T) {
	l, err := dtlstest.Listen(t.Context(), "127.0.0.1:0", with(pskServer, func(s *dtlstest.Config) { s.CIDLength = 6 }))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial := func() net.Conn {
		conn, err := net.Dial("udp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	first := dial()
	c, err := dtls.Client(t.Context(), first, pskClient)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		echo(t, c, s, fmt.Sprint("from ", i))
		session, err := c.Session(0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if c, err = dtls.Restore(dial(), session); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Session(1000); err != nil {
			t.Fatal(err)
		}
	}
	echo(t, c, s, "last")
	if got, want := s.RemoteAddr().String(), c.LocalAddr().String(); got != want {
		t.Errorf("server sends to %s, want %s", got, want)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Two clients, a new handshake from a port that has a session, and a stranger.
func TestListener(t *testing.T) {
	l, err := dtlstest.Listen(t.Context(), "127.0.0.1:0", with(pskServer, func(s *dtlstest.Config) { s.Cookie = true }))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 {
		conn, err := net.Dial("udp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for range 2 { // the second replaces the first
			c, err := dtls.Client(t.Context(), conn, pskClient)
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			echo(t, c, s, "hello")
		}
		stranger := with(pskClient, func(c *dtls.Config) { c.Identity = []byte("stranger") })
		if _, err := dtls.Client(t.Context(), conn, stranger); err == nil {
			t.Error("a stranger was let in")
		}
		var e *dtls.Error
		if err := <-l.Failed(); !errors.As(err, &e) || e.Alert != dtls.AlertUnknownPSKIdentity {
			t.Errorf("listener says %v", err)
		}
	}
}
