package dtls_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// An alert ends the handshake on both sides, and both name it.
func TestRefused(t *testing.T) {
	otherKey, otherPub := newKey()
	for name, v := range map[string]struct {
		client dtls.Config
		server dtlstest.Config
		alert  dtls.Alert
		remote bool // for the client
	}{
		"unknown identity": {
			client: dtls.Config{PSK: testPSK, Identity: []byte("stranger")}, server: pskServer,
			alert: dtls.AlertUnknownPSKIdentity, remote: true,
		},
		"no common suite": {
			client: with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM8} }),
			server: with(pskServer, func(s *dtlstest.Config) { s.Suites = []dtls.Suite{dtls.PSKWithAES128CCM} }),
			alert:  dtls.AlertHandshakeFailure, remote: true,
		},
		"other server key": {
			client: with(rpkClient, func(c *dtls.Config) { c.PeerKey = otherPub }), server: rpkServer,
			alert: dtls.AlertCertificateUnknown,
		},
		"other client key": {
			client: with(rpkClient, func(c *dtls.Config) { c.Key = otherKey }), server: rpkServer,
			alert: dtls.AlertBadCertificate, remote: true,
		},
		"no extended master secret": {
			client: with(pskClient, func(c *dtls.Config) { c.RequireExtendedMasterSecret = true }),
			server: with(pskServer, func(s *dtlstest.Config) { s.NoExtendedMasterSecret = true }),
			alert:  dtls.AlertHandshakeFailure,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, clientErr, serverErr := shake(t, v.client, v.server, nil, nil)
				var ours, theirs *dtls.Error
				if !errors.As(clientErr, &ours) || ours.Alert != v.alert || ours.Remote != v.remote {
					t.Errorf("client: %v", clientErr)
				}
				if !errors.As(serverErr, &theirs) || theirs.Alert != v.alert || theirs.Remote == v.remote {
					t.Errorf("server: %v", serverErr)
				}
				if !v.remote && ours != nil && ours.Reason == "" {
					t.Error("no reason is given")
				}
			})
		})
	}
}

func with[T any](v T, change func(*T)) T {
	change(&v)
	return v
}

// What a lying server sends is refused by the alert that RFC 5246, section 7.2.2,
// and the extensions' specifications want. The lie is in the transcript and signed.
func TestLies(t *testing.T) {
	const (
		hello, certificate, keyExchange, request, done, finished = 2, 11, 12, 13, 14, 20
	)
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !strings.Contains(string(b), old) {
				panic("nothing to replace")
			}
			return []byte(strings.Replace(string(b), old, new, 1))
		}
	}
	at := func(i int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[i] = v; return b }
	}
	flip := func(i int) func([]byte) []byte { // where any byte may stand
		return func(b []byte) []byte { b[i] ^= 1; return b }
	}
	// ServerHello: version 2, random 32, session ID 1, suite 2, compression 1,
	// extensions' length 2, then renegotiation_info ff01 0001 00 and others.
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }
	longer := func(b []byte) []byte { return append(b, 0) }
	extension := func(ext string) func([]byte) []byte {
		return func(b []byte) []byte {
			b[38], b[39] = byte((len(b)-40+len(ext))>>8), byte(len(b)-40+len(ext))
			return append(b, ext...)
		}
	}
	for name, v := range map[string]struct {
		rpk   bool
		typ   uint8
		lie   func([]byte) []byte
		alert dtls.Alert
	}{
		"version":                     {false, hello, at(1, 0xff), dtls.AlertProtocolVersion},
		"truncated hello":             {false, hello, cut(37), dtls.AlertDecodeError},
		"half extensions":             {false, hello, cut(41), dtls.AlertDecodeError},
		"bytes behind the extensions": {false, hello, longer, dtls.AlertDecodeError},
		"half an extension":           {false, hello, extension("\x00\x17"), dtls.AlertDecodeError},
		"long session ID": {false, hello, func(b []byte) []byte {
			return append(append(b[:34:34], append([]byte{33}, make([]byte, 33)...)...), b[35:]...)
		}, dtls.AlertDecodeError},
		"suite not offered":       {false, hello, at(36, 0xaf), dtls.AlertIllegalParameter},
		"compression":             {false, hello, at(37, 1), dtls.AlertIllegalParameter},
		"extension not offered":   {false, hello, extension("\x00\x23\x00\x00"), dtls.AlertUnsupportedExtension},
		"formats not offered":     {false, hello, extension("\x00\x0b\x00\x02\x01\x00"), dtls.AlertUnsupportedExtension},
		"certificate type in PSK": {false, hello, extension("\x00\x14\x00\x01\x02"), dtls.AlertUnsupportedExtension},
		"extension twice":         {false, hello, extension("\xff\x01\x00\x01\x00"), dtls.AlertIllegalParameter},
		"malformed EMS":           {false, hello, replace("\x00\x17\x00\x00", "\x00\x17\x00\x01\x00"), dtls.AlertDecodeError},
		"malformed renegotiation": {false, hello, replace("\xff\x01\x00\x01\x00", "\xff\x01\x00\x01\x01"), dtls.AlertDecodeError},
		"renegotiation of another": {false, hello, func(b []byte) []byte {
			b[39]++
			return bytes.Replace(b, []byte("\xff\x01\x00\x01\x00"), []byte("\xff\x01\x00\x02\x01\x07"), 1)
		}, dtls.AlertHandshakeFailure},
		"malformed connection ID": {false, hello, replace("\x00\x36\x00\x01\x00", "\x00\x36\x00\x01\x05"), dtls.AlertDecodeError},
		"hello done with a body":  {false, done, longer, dtls.AlertDecodeError},
		"bytes behind the hint":   {false, keyExchange, longer, dtls.AlertDecodeError},
		"finished":                {false, finished, flip(3), dtls.AlertDecryptError},
		"short finished":          {false, finished, cut(11), dtls.AlertDecryptError},
		"long finished":           {false, finished, longer, dtls.AlertDecryptError},

		"no certificate type":           {true, hello, replace("\x00\x14\x00\x01\x02", "\x00\x14\x00\x01\x00"), dtls.AlertUnsupportedCertificate},
		"X.509 wanted of us":            {true, hello, replace("\x00\x13\x00\x01\x02", "\x00\x13\x00\x01\x00"), dtls.AlertHandshakeFailure},
		"compressed points only":        {true, hello, extension("\x00\x0b\x00\x02\x01\x01"), dtls.AlertDecodeError},
		"malformed certificate":         {true, certificate, longer, dtls.AlertDecodeError},
		"truncated certificate":         {true, certificate, cut(2), dtls.AlertDecodeError},
		"other certificate":             {true, certificate, flip(60), dtls.AlertCertificateUnknown},
		"truncated key share":           {true, keyExchange, cut(40), dtls.AlertDecodeError},
		"bytes behind the key share":    {true, keyExchange, longer, dtls.AlertDecodeError},
		"key share changed once signed": {true, keyExchange, flip(20), dtls.AlertDecryptError},
		"explicit curve":                {true, keyExchange, at(0, 1), dtls.AlertIllegalParameter},
		"curve P-384":                   {true, keyExchange, at(2, 24), dtls.AlertIllegalParameter},
		"signature with SHA-1":          {true, keyExchange, at(69, 2), dtls.AlertIllegalParameter},
		"malformed request":             {true, request, longer, dtls.AlertDecodeError},
		"request without ECDSA":         {true, request, at(1, 1), dtls.AlertHandshakeFailure},
		"request without SHA-256":       {true, request, at(4, 2), dtls.AlertHandshakeFailure},
		"done with a body":              {true, done, longer, dtls.AlertDecodeError},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pskClient, with(pskServer, func(s *dtlstest.Config) { s.Hint = []byte("hint") })
			if v.rpk {
				client, server = rpkClient, rpkServer
			}
			applied := false
			server.Mutate = func(typ uint8, body []byte) (uint8, []byte) {
				if typ == v.typ {
					applied = true
					return typ, v.lie(body)
				}
				return typ, body
			}
			synctest.Test(t, func(t *testing.T) {
				_, _, err, _ := shake(t, client, server, nil, nil)
				var e *dtls.Error
				if !errors.As(err, &e) || e.Remote || e.Alert != v.alert {
					t.Errorf("%v, want alert %d", err, v.alert)
				}
				if !applied {
					t.Error("the lie was not told")
				}
			})
		})
	}
}

// An alert behind our Finished is sealed: a server that is done takes no other.
func TestSealedAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := with(pskServer, func(s *dtlstest.Config) {
			s.Mutate = func(typ uint8, body []byte) (uint8, []byte) {
				if typ == 20 {
					body[0] ^= 1
				}
				return typ, body
			}
		})
		_, s, err, _ := shake(t, pskClient, server, nil, nil)
		var ours, theirs *dtls.Error
		if !errors.As(err, &ours) || ours.Alert != dtls.AlertDecryptError {
			t.Fatalf("client: %v", err)
		}
		_, err = s.Read(make([]byte, 10))
		if !errors.As(err, &theirs) || theirs.Alert != dtls.AlertDecryptError || !theirs.Remote {
			t.Errorf("server: %v", err)
		}
	})
}

// Messages out of order, missing, doubled, or of another key exchange.
func TestUnexpectedMessage(t *testing.T) {
	const certificate, keyExchange, request, done = 11, 12, 13, 14
	hinting := with(pskServer, func(s *dtlstest.Config) { s.Hint = []byte("hint") })
	for name, v := range map[string]struct {
		client   dtls.Config
		server   dtlstest.Config
		typ, lie uint8
	}{
		"Certificate for a pre-shared key": {pskClient, hinting, keyExchange, certificate},
		"request for a pre-shared key":     {pskClient, hinting, keyExchange, request},
		"two hints":                        {pskClient, hinting, done, keyExchange},
		"no Certificate":                   {rpkClient, rpkServer, certificate, keyExchange},
		"two Certificates":                 {rpkClient, rpkServer, keyExchange, certificate},
		"request before the key share":     {rpkClient, rpkServer, keyExchange, request},
		"two requests":                     {rpkClient, rpkServer, done, request},
		"two key shares":                   {rpkClient, rpkServer, request, keyExchange},
		"no chain":                         {x509Client, x509Server, certificate, keyExchange},
		"two chains":                       {x509Client, x509Server, keyExchange, certificate},
		"request for a chain, twice":       {x509Client, x509Server, done, request},
		"client's message":                 {rpkClient, rpkServer, done, 16},
		"unknown message":                  {pskClient, pskServer, done, 99},
		"ServerHello again":                {pskClient, pskServer, done, 2},
	} {
		t.Run(name, func(t *testing.T) {
			v.server.Mutate = func(typ uint8, body []byte) (uint8, []byte) {
				if typ == v.typ {
					typ = v.lie
				}
				return typ, body
			}
			synctest.Test(t, func(t *testing.T) {
				_, _, err, _ := shake(t, v.client, v.server, nil, nil)
				var e *dtls.Error
				if !errors.As(err, &e) || e.Remote || e.Alert != dtls.AlertUnexpectedMessage {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// A server that keeps asking for another cookie is left.
func TestCookies(t *testing.T) {
	verify := func(change func([]byte) []byte) error {
		var err error
		synctest.Test(t, func(t *testing.T) {
			server := with(pskServer, func(s *dtlstest.Config) { s.Cookie = true })
			server.Mutate = func(typ uint8, body []byte) (uint8, []byte) {
				if typ == 3 {
					body = change(body)
				}
				return typ, body
			}
			_, _, err, _ = shake(t, pskClient, server, nil, nil)
		})
		return err
	}
	count := byte(0)
	for name, change := range map[string]func([]byte) []byte{
		"another each time": func(b []byte) []byte { count++; b[3] ^= count; return b },
		"truncated":         func(b []byte) []byte { return b[:5] },
		"too long":          func(b []byte) []byte { return append(b, 0) },
	} {
		var e *dtls.Error
		if err := verify(change); !errors.As(err, &e) || e.Remote {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key share that is signed, but no point of the curve.
func TestSignedNonsense(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"not on the curve": func(p []byte) []byte { p[40] ^= 1; return p },
		"infinity":         func([]byte) []byte { return []byte{3, 0, 23, 1, 0} },
		"compressed":       func(p []byte) []byte { return append([]byte{3, 0, 23, 33, 2}, p[5:37]...) },
		"empty":            func([]byte) []byte { return []byte{3, 0, 23, 0} },
	} {
		t.Run(name, func(t *testing.T) {
			server := rpkServer
			server.MutateParams = change
			synctest.Test(t, func(t *testing.T) {
				_, _, err, _ := shake(t, rpkClient, server, nil, nil)
				var e *dtls.Error
				if !errors.As(err, &e) || e.Alert != dtls.AlertIllegalParameter {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// A server that falls silent: the error names the message and the last trouble.
func TestSilence(t *testing.T) {
	never := func([]byte) [][]byte { return nil }
	for name, v := range map[string]struct {
		server  dtlstest.Config
		network network
		awaited string
	}{
		"nobody there":    {pskServer, network{never, never}, "ServerHello"},
		"only a cookie":   {with(pskServer, func(s *dtlstest.Config) { s.Cookie = true }), network{dtlstest.Lose(1, 2, 3, 4, 5, 6), nil}, "ServerHello"},
		"wrong key":       {dtlstest.Config{PSK: dtlstest.Key("gw-17", []byte("another key"))}, network{}, "Finished"},
		"flight 4 halved": {with(pskServer, func(s *dtlstest.Config) { s.Hint = make([]byte, 900); s.MTU = 300 }), network{toClient: after(2, never)}, "ServerHelloDone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, _, err, _ := shake(t, pskClient, v.server, v.network.toServer, v.network.toClient)
				var timeout *dtls.TimeoutError
				if !errors.As(err, &timeout) || timeout.Awaited != v.awaited || !timeout.Timeout() {
					t.Fatalf("error %v", err)
				}
				if time.Since(start) != 25*time.Second || timeout.After != 25*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("error %v after %v", err, time.Since(start))
				}
				if want := "dtls: no " + v.awaited + " from server after 25s"; !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%q, want %q", err, want)
				}
			})
		})
	}
}

// after applies a route from the nth datagram on.
func after(n int, route dtlstest.Route) dtlstest.Route {
	count := 0
	return func(d []byte) [][]byte {
		if count++; count > n {
			return route(d)
		}
		return [][]byte{d}
	}
}

// refusing is a socket whose port answers with ICMP.
type refusing struct {
	*dtls.Conn // never called

	reads int
	until time.Time
}

func (r *refusing) Write(b []byte) (int, error)       { return 0, syscall.ECONNREFUSED }
func (r *refusing) SetReadDeadline(t time.Time) error { r.until = t; return nil }
func (r *refusing) Read([]byte) (int, error) {
	if r.reads++; r.reads%2 == 0 {
		return 0, syscall.ECONNREFUSED
	}
	time.Sleep(time.Until(r.until)) // on synctest's clock
	return 0, os.ErrDeadlineExceeded
}

func TestTroubleIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := dtls.Client(t.Context(), &refusing{}, pskClient)
		if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "no ServerHello") ||
			!strings.Contains(err.Error(), "connection refused") {
			t.Errorf("error %v", err)
		}
	})
}

// The context ends a handshake at once, and its cause is in the error.
func TestCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := dtlstest.Pipe(nil, nil)
		cause := errors.New("shut down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(cause) })
		start := time.Now()
		_, err := dtls.Client(ctx, near, pskClient)
		if !errors.Is(err, cause) || time.Since(start) != 1500*time.Millisecond || !strings.Contains(err.Error(), "ServerHello") {
			t.Errorf("error %v after %v", err, time.Since(start))
		}

		if _, err := dtls.Client(ctx, near, pskClient); !errors.Is(err, cause) {
			t.Errorf("once more: %v", err)
		}

		ctx, cancelTimeout := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancelTimeout()
		_, err = dtls.Client(ctx, near, pskClient)
		var timeout *dtls.TimeoutError
		if !errors.As(err, &timeout) || timeout.After != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// After a failed attempt the socket serves another one.
func TestAnotherAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := dtlstest.Pipe(dtlstest.Lose(0, 1), nil) // all that the first attempt sends
		defer near.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		if _, err := dtls.Client(ctx, near, pskClient); err == nil {
			t.Fatal("nobody answered")
		}
		go func() { _ = serveEcho(t.Context(), far, pskServer) }()
		defer far.Close()
		c, err := dtls.Client(t.Context(), near, pskClient)
		if err != nil {
			t.Fatal(err)
		}
		if err := ping(c); err != nil {
			t.Error(err)
		}
	})
}

// brokenSigner is a key store that fails.
type brokenSigner struct{ crypto.Signer }

var errStore = errors.New("key store is gone")

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errStore }

func TestOwnFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := rpkClient
		cfg.Key = brokenSigner{clientKey}
		near, far := dtlstest.Pipe(nil, nil)
		accepted := make(chan error, 1)
		go func() {
			_, err := dtlstest.Accept(t.Context(), far, rpkServer)
			accepted <- err
		}()
		if _, err := dtls.Client(t.Context(), near, cfg); !errors.Is(err, errStore) {
			t.Errorf("client: %v", err)
		}
		var e *dtls.Error
		if err := <-accepted; !errors.As(err, &e) || e.Alert != dtls.AlertInternalError || !e.Remote {
			t.Errorf("server: %v", err)
		}
	})
}

func TestConfig(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]dtls.Config{
		"neither":                 {},
		"both":                    with(rpkClient, func(c *dtls.Config) { c.PSK = testPSK }),
		"pre-shared key is empty": {Identity: []byte("x")},
		"longer than 512":         {PSK: make([]byte, 513)},
		"identity is longer":      {PSK: testPSK, Identity: make([]byte, 513)},
		"own key is not on":       with(rpkClient, func(c *dtls.Config) { c.Key = p384 }),
		"server's key":            with(rpkClient, func(c *dtls.Config) { c.PeerKey = []byte("not DER") }),
		"does not go with":        with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.ECDHEECDSAWithAES128CCM8} }),
		"twice":                   with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM8, dtls.PSKWithAES128CCM8} }),
		"longer than 255":         with(pskClient, func(c *dtls.Config) { c.CIDLength = 256 }),
		"neither a pre":           {Key: clientKey},
		"both a raw":              with(x509Client, func(c *dtls.Config) { c.PeerKey = serverPub }),
		"certificates need":       with(x509Client, func(c *dtls.Config) { c.Trust = nil }),
		"does not belong":         with(x509Client, func(c *dtls.Config) { c.Key = clientKey }),
		"own certificate 0":       with(x509Client, func(c *dtls.Config) { c.Certificates = [][]byte{{1}} }),
		"more than 8 certif":      with(x509Client, func(c *dtls.Config) { c.Certificates = make([][]byte, 9) }),
		"more than 8189 bytes":    with(x509Client, func(c *dtls.Config) { c.Certificates = [][]byte{c.Certificates[0], largeCertificate()} }),
		"no certificate usage 4":  with(x509Client, func(c *dtls.Config) { c.Trust = &dtls.Trust{Usage: 4} }),
		"it is missing":           with(x509Client, func(c *dtls.Config) { c.Trust = &dtls.Trust{Usage: dtls.DomainIssued} }),
		"no name to check":        with(x509Client, func(c *dtls.Config) { c.Trust = &dtls.Trust{Data: []byte{1}} }),
		"no matching type 4":      with(x509Client, func(c *dtls.Config) { c.Trust = &dtls.Trust{Name: "x", Data: []byte{1}, Matching: 4} }),
		"has 48 bytes, not 1":     with(x509Client, func(c *dtls.Config) { c.Trust = &dtls.Trust{Name: "x", Data: []byte{1}, Matching: dtls.MatchSHA384} }),
		"is no host name":         with(x509Client, func(c *dtls.Config) { c.ServerName = "192.0.2.1" }),
		"MTU":                     with(pskClient, func(c *dtls.Config) { c.MTU = 227 }),
		"time-outs":               with(pskClient, func(c *dtls.Config) { c.RetransmitMax = time.Millisecond }),
	} {
		_, err := dtls.Client(t.Context(), nil, cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// An established session has no goroutine.
func TestNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	c, s := connect(t, pskClient, pskServer)
	echo(t, c, s, "hello")
	end := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(end) { // that of connect may be about to end, as may be one of an earlier test
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}
