package dtls_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Bits of a fuzzed handshake's kind.
const (
	withKeys   = 1 << iota // raw public keys, else a pre-shared key
	withCookie             // HelloVerifyRequest first
	withIDs                // connection IDs both ways
	withResume             // the client resumes a session
	withHint               // ServerKeyExchange with a hint
	withParams             // change the key share before it is signed, instead of a message
	withType               // change the message's type too, to the first byte of the script
	withChain              // X.509, in place of the keys and the pre-shared key
)

// fuzzed returns the configurations of a kind of handshake, and the sessions of both
// sides for resumption.
func fuzzed(kind uint8, sessions map[uint8]*dtls.Session, remembered *dtlstest.Sessions) (dtls.Config, dtlstest.Config) {
	client, server := pskClient, pskServer
	switch {
	case kind&withChain != 0:
		client, server = x509Client, x509Server
	case kind&withKeys != 0:
		client, server = rpkClient, rpkServer
	}
	server.Cookie = kind&withCookie != 0
	server.Sessions = remembered
	if kind&withIDs != 0 {
		client.CIDLength, server.CIDLength = 4, 6
	}
	if kind&withResume != 0 {
		client.Resume = sessions[kind&(withKeys|withChain)]
	}
	if kind&withHint != 0 {
		server.Hint = []byte("hint")
	}
	return client, server
}

// edit changes b as the script says: three bytes each, an operation, a place and a
// value. In a long message, as a chain of certificates is, the place is a share of it and
// the value the rest.
func edit(b, script []byte) []byte {
	b = bytes.Clone(b)
	for ; len(script) >= 3; script = script[3:] {
		at, v := int(script[1]), script[2]
		if len(b) > 256 {
			at = at*len(b)/256 + int(v)%(1+len(b)/256)
		}
		at = min(at, len(b))
		switch script[0] % 6 {
		case 0: // set
			if at < len(b) {
				b[at] = v
			}
		case 1: // flip
			if at < len(b) {
				b[at] ^= v
			}
		case 2: // insert
			b = slices.Insert(b, at, v)
		case 3: // remove v bytes
			b = slices.Delete(b, at, min(at+int(v), len(b)))
		case 4: // cut
			b = b[:at]
		case 5: // double what follows, v times up to 8
			if len(b) <= handshake.MaxBody { // no message is longer
				b = append(b, bytes.Repeat(b[at:], int(v%8))...)
			}
		}
	}
	return b
}

// FuzzServerMessages is a handshake with a server that holds the keys: one of its
// messages is changed before it enters its transcript, so that signature and
// Finished are right for what the client got and everything behind them is reached.
func FuzzServerMessages(f *testing.F) {
	sessions, remembered := fuzzSessions(f)
	for kind := range uint8(64) {
		for message := range uint8(6) {
			f.Add(kind, message, []byte{1, 0, 1})
			f.Add(kind|withChain, message, []byte{1, kind, 1})
		}
	}
	for _, kind := range []uint8{withType, withType | withKeys, withType | withResume, withType | withChain} {
		for message := range uint8(6) {
			for _, typ := range []byte{0, 1, 2, 3, 4, 11, 12, 13, 14, 20, 22} {
				f.Add(kind, message, []byte{typ})
			}
		}
	}
	f.Add(uint8(0), uint8(0), []byte{2, 38, 9, 4, 40, 0, 3, 10, 200})
	f.Fuzz(func(t *testing.T, kind, message uint8, script []byte) {
		client, server := fuzzed(kind, sessions, remembered)
		count := -1
		server.Mutate = func(typ uint8, body []byte) (uint8, []byte) {
			if count++; kind&withParams != 0 || count != int(message%8) {
				return typ, body
			}
			if kind&withType != 0 && len(script) > 0 {
				return script[0], edit(body, script[1:])
			}
			return typ, edit(body, script)
		}
		if kind&withParams != 0 {
			server.MutateParams = func(params []byte) []byte { return edit(params, script) }
		}
		synctest.Test(t, func(t *testing.T) {
			c, s, err, _ := shake(t, client, server, nil, nil)
			checkOutcome(t, &client, c, s, err)
		})
	})
}

// fuzzSessions returns sessions to resume, by kind of credentials.
func fuzzSessions(f *testing.F) (map[uint8]*dtls.Session, *dtlstest.Sessions) {
	f.Helper()
	sessions, remembered := make(map[uint8]*dtls.Session), new(dtlstest.Sessions)
	for _, kind := range []uint8{0, withKeys, withChain} {
		client, server := fuzzed(kind, nil, remembered)
		near, far := dtlstest.Pipe(nil, nil)
		accepted := make(chan error, 1)
		go func() {
			_, err := dtlstest.Accept(context.Background(), far, server)
			accepted <- err
		}()
		c, err := dtls.Client(context.Background(), near, client)
		if err := errors.Join(err, <-accepted); err != nil {
			f.Fatal(err)
		}
		if sessions[kind], err = c.Session(0); err != nil {
			f.Fatal(err)
		}
	}
	return sessions, remembered
}

// checkOutcome checks what holds for every handshake: it fails by an alert or by
// silence, or both sides agree on everything.
func checkOutcome(t *testing.T, client *dtls.Config, c *dtls.Conn, s *dtlstest.Conn, err error) {
	t.Helper()
	if err != nil {
		if !errors.As(err, new(*dtls.Error)) && !errors.As(err, new(*dtls.TimeoutError)) {
			t.Errorf("error %v", err)
		}
		return
	}
	p := c.Parameters()
	if client.PSK == nil == strings.HasPrefix(p.Suite.String(), "TLS_PSK") {
		t.Errorf("suite %v", p.Suite)
	}
	if client.CIDLength > 0 && len(p.LocalCID) != 0 && len(p.LocalCID) != client.CIDLength {
		t.Errorf("local connection ID %x", p.LocalCID)
	}
	if p.Resumed && client.Resume == nil {
		t.Error("resumed from nothing")
	}
	if s != nil {
		echo(t, c, s, "hello")
	}
}

// FuzzHandshakeDatagrams is a handshake while a stranger, who does not know the
// keys, sends datagrams to the client before each of the server's. Whatever comes
// of it, the client ends in time, and without an alert forged in plaintext the
// handshake succeeds where the datagrams are no handshake messages.
func FuzzHandshakeDatagrams(f *testing.F) {
	for _, d := range forged() {
		f.Add(uint8(0), d)
		f.Add(uint8(withKeys|withCookie|withIDs), d)
		f.Add(uint8(withChain), d)
	}
	f.Fuzz(func(t *testing.T, kind uint8, datagram []byte) {
		client, server := fuzzed(kind&^withResume, nil, nil)
		route := func(d []byte) [][]byte { return [][]byte{bytes.Clone(datagram), d} }
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c, s, err, _ := shake(t, client, server, nil, route)
			if after := time.Since(start); after > 25*time.Second {
				t.Errorf("took %v", after)
			}
			checkOutcome(t, &client, c, s, err)
			var remote *dtls.Error
			if errors.As(err, &remote) && remote.Remote && !bytes.Contains(datagram, []byte{21, 0xfe}) {
				t.Errorf("error %v without an alert", err)
			}
		})
	})
}

// script is a socket that receives what a test prepared.
type script struct {
	net.Conn // nil: what is not below is not used

	in   [][]byte
	sent int
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, s.in[0])
	s.in = s.in[1:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error) { s.sent++; return len(b), nil }

// FuzzRecords is an established session that receives authentic records of any type
// and content. It is ended by an alert alone, shows application data alone, and
// answers close_notify alone.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{23, 2, 'h', 'i', 21, 2, 1, 0, 23, 2, 'h', 'i'}, uint8(0))
	f.Add([]byte{21, 2, 2, 40}, uint8(6))
	f.Add([]byte{22, 12, 20, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0}, uint8(6))
	f.Add([]byte{20, 1, 1, 25, 3, 1, 2, 3, 0, 0, 23, 0}, uint8(4))
	session := dtls.Session{
		Suite: dtls.PSKWithAES128CCM8, MasterSecret: make([]byte, 48), NextSend: 1,
		ClientRandom: make([]byte, 32), ServerRandom: make([]byte, 32),
	}
	f.Fuzz(func(t *testing.T, records []byte, cid uint8) {
		s := session
		s.LocalCID = make([]byte, cid%8)
		_, key, err := handshake.Keys(record.CCM8, s.MasterSecret, s.ClientRandom, s.ServerRandom)
		if err != nil {
			t.Fatal(err)
		}
		var sealer record.Sealer
		sealer.Protect(key, s.LocalCID, 0)
		socket := new(script)
		var want [][]byte
		end := os.ErrDeadlineExceeded
		for len(records) >= 2 && errors.Is(end, os.ErrDeadlineExceeded) {
			typ, n := record.Type(records[0]), min(int(records[1]), len(records)-2)
			payload := records[2:][:n]
			records = records[2+n:]
			raw, err := sealer.Append(nil, 1, typ, payload)
			if err != nil {
				t.Fatal(err)
			}
			socket.in = append(socket.in, raw)
			switch {
			case len(s.LocalCID) > 0 && typ == 0 || len(s.LocalCID) == 0 && typ == record.ConnectionID:
				// typ 0 cannot be told from padding, a bare tls12_cid not from one with an ID
				socket.in = socket.in[:len(socket.in)-1]
			case typ == record.ApplicationData && n > 0:
				want = append(want, payload)
			case typ == record.Alert && n == 2 && payload[1] == 0:
				end = io.EOF
			case typ == record.Alert && n == 2 && payload[0] == 2:
				end = &dtls.Error{}
			}
		}
		checkRecords(t, socket, &s, want, end)
	})
}

func checkRecords(t *testing.T, socket *script, s *dtls.Session, want [][]byte, end error) {
	t.Helper()
	c, err := dtls.Restore(socket, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Session(10); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 300)
	for _, w := range want {
		if n, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], w) {
			t.Fatalf("read %x, %v; want %x", buf[:n], err, w)
		}
	}
	_, err = c.Read(buf)
	var ours, wanted *dtls.Error
	if errors.As(end, &wanted) {
		if !errors.As(err, &ours) || !ours.Remote {
			t.Errorf("error %v, want that of a fatal alert", err)
		}
	} else if !errors.Is(err, end) {
		t.Errorf("error %v, want %v", err, end)
	}
	if answers := socket.sent; answers > 1 || answers == 1 && !errors.Is(end, io.EOF) {
		t.Errorf("%d datagrams sent", answers)
	}
}
