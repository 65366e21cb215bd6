package client

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
)

// patience bounds each wait for something that happens over a real socket.
const patience = time.Minute

// quick makes silence short.
func quick(uint16) Params {
	return Params{
		CIDLength: 4,
		CoAP:      coap.Params{AckTimeout: 50 * time.Millisecond, MaxRetransmit: 2},
		Retry:     Retry{First: 50 * time.Millisecond, Max: 200 * time.Millisecond},
	}
}

// networked returns a lab whose client dials for itself. changed receives after each
// change of the status.
func networked(t *testing.T, dialer Dialer, uri string, security func(*model.Batch), more ...func(*Config)) (l *lab, changed chan struct{}) {
	t.Helper()
	changed = make(chan struct{}, 1)
	l = newLab(t, func(c *Config) {
		c.Dialer, c.Params = dialer, quick
		tell := c.OnStatus
		c.OnStatus = func(s AccountStatus) {
			tell(s)
			select {
			case changed <- struct{}{}:
			default:
			}
		}
		for _, f := range more {
			f(c)
		}
	})
	l.publish(l.security, func(b *model.Batch) {
		b.Set(0, 0, lwm2m.String(uri))
		if security != nil {
			security(b)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		_ = l.client.Run(ctx)
	}()
	return l, changed
}

// await waits until the status is as wanted.
func (l *lab) await(changed chan struct{}, what string, ok func(AccountStatus) bool) AccountStatus {
	l.t.Helper()
	deadline := time.After(patience)
	for {
		if all := l.client.Status(); len(all) == 1 && ok(all[0]) {
			return all[0]
		}
		select {
		case <-changed:
		case <-deadline:
			l.t.Fatalf("not %s; status is %+v", what, l.client.Status())
		}
	}
}

func isRegistered(s AccountStatus) bool { return s.State == Registered }

// listenUDP is the scripted server on a UDP port.
func (s *scripted) listenUDP(address string) (uri string, stop func()) {
	s.t.Helper()
	a, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	socket, err := net.ListenUDP("udp", a)
	if err != nil {
		s.t.Fatal(err)
	}
	listener := coap.Listen(socket, s.handleFrom, coap.ListenOptions{})
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = listener.Run(ctx)
	}()
	return "coap://" + socket.LocalAddr().String(), func() {
		cancel()
		<-ended
		_ = socket.Close()
	}
}

// handleFrom notes the connection that a request came on.
func (s *scripted) handleFrom(x *coap.Exchange) {
	s.mu.Lock()
	s.conn = x.Conn()
	s.mu.Unlock()
	s.handle(x)
}

// listenDTLS is the scripted server behind DTLS.
func (s *scripted) listenDTLS(address string, c dtlstest.Config) (uri string, stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	listener, err := dtlstest.Listen(ctx, address, c)
	if err != nil {
		s.t.Fatal(err)
	}
	s.wg.Go(func() {
		for {
			session, err := listener.Accept(ctx)
			if err != nil {
				return
			}
			conn := coap.New(session, s.handleFrom, coap.Options{})
			s.wg.Go(func() { _ = conn.Run(ctx) })
		}
	})
	return "coaps://" + listener.Addr().String(), func() {
		cancel()
		_ = listener.Close()
		s.wg.Wait()
	}
}

// exercise reads, writes and observes.
func (l *lab) exercise() {
	l.t.Helper()
	if m := l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content); string(m.Payload) != "Example" {
		l.t.Errorf("/3/0/0 is %q", m.Payload)
	}
	l.wantCode(l.send(coap.PUT, "/3/0/15", lwm2m.FormatText, "UTC"), coap.Changed)
	m := &coap.Message{Code: coap.GET}
	m.SetPath(temperature)
	o, _, err := l.server.connection().Observe(l.t.Context(), m)
	if err != nil {
		l.t.Fatal(err)
	}
	l.count++
	l.temperature(0, 33+l.count)
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	if m, err := o.Next(ctx); err != nil || string(m.Payload) != fmt.Sprint(33+l.count) {
		l.t.Errorf("notification is %v, %v", m, err)
	}
}

func TestOverUDP(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			s := &scripted{t: t}
			uri, stop := s.listenUDP(address)
			defer stop()
			l, changed := networked(t, nil, uri, nil)
			l.server = s
			l.await(changed, "registered", isRegistered)
			l.exercise()
		})
	}
}

// TestNobodyListens shows that a closed port is named as such, and that the client
// registers when the server comes.
func TestNobodyListens(t *testing.T) {
	s := &scripted{t: t}
	uri, stop := s.listenUDP("127.0.83.1:0") // where no other program takes the port meanwhile
	stop()
	l, changed := networked(t, nil, uri, nil)
	status := l.await(changed, "in trouble", func(s AccountStatus) bool { return s.LastError != "" })
	if !strings.Contains(status.LastError, "refused") || !strings.Contains(status.Remedy, "listens on this port") {
		t.Errorf("status says %q, %q", status.LastError, status.Remedy)
	}
	_, stop = s.listenUDP(strings.TrimPrefix(uri, "coap://"))
	defer stop()
	l.await(changed, "registered", isRegistered)
}

func TestUnusableAccounts(t *testing.T) {
	for _, c := range []struct {
		uri  string
		mode SecurityMode
		want string
	}{
		{"http://127.0.0.1", SecurityNone, "want coap, coaps"},
		{"coap+tcp://127.0.0.1", SecurityPSK, "without security"},
		{"coap://", SecurityNone, "names no host"},
		{"coap://[::1", SecurityNone, "missing ']'"},
		{"coap://127.0.0.1", SecurityPSK, "without security"},
		{"coaps://127.0.0.1", SecurityNone, "not supported"},
		{"coaps://127.0.0.1", SecurityPSK, "no pre-shared key"},
		{"coaps://127.0.0.1", SecurityRPK, "private key"},
		{"coaps://127.0.0.1", SecurityX509, "with X.509: private key: it is missing"},
		{"coaps://127.0.0.1", SecurityEST, "not supported"},
		{"coaps://127.0.0.1", 9, "no such security mode"},
	} {
		_, err := DefaultDialer{}.Dial(t.Context(), Server{URI: c.uri, Credentials: Credentials{Mode: c.mode}})
		if !errors.Is(err, ErrAccount) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: %v, want %q", c.uri, c.mode, err, c.want)
		}
		if remedy(err) == "" {
			t.Errorf("%s: no remedy", c.uri)
		}
	}
}

func TestServerPrintsNoSecrets(t *testing.T) {
	s := Server{ShortServerID: 1, URI: "coaps://x", Credentials: Credentials{SecretKey: []byte("swordfish"), Identity: []byte("me")}}
	for _, text := range []string{fmt.Sprint(s.Credentials), fmt.Sprintf("%+v", s.Credentials), fmt.Sprintf("%#v", s.Credentials), fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%v", &s)} {
		if strings.Contains(text, "swordfish") || strings.Contains(text, "115 119 111") {
			t.Errorf("prints %s", text)
		}
	}
}

var psk = []byte("0123456789abcdef")

// account sets the credentials of a PSK account.
func pskAccount(key []byte) func(*model.Batch) {
	return func(b *model.Batch) {
		b.Set(0, 2, lwm2m.Integer(int64(SecurityPSK)))
		b.Set(0, 3, lwm2m.Opaque([]byte("gw-17")))
		b.Set(0, 5, lwm2m.Opaque(key))
	}
}

func TestOverPSK(t *testing.T) {
	s := &scripted{t: t}
	uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{PSK: dtlstest.Key("gw-17", psk), CIDLength: 6})
	defer stop()
	l, changed := networked(t, nil, uri, pskAccount(psk))
	l.server = s
	status := l.await(changed, "registered", isRegistered)
	if status.Transport != "DTLS PSK" || len(status.CID) != 12 {
		t.Errorf("transport is %q with Connection ID %q", status.Transport, status.CID)
	}
	l.exercise()
}

func TestOverRPK(t *testing.T) {
	ours, theirs := key(t), key(t)
	public := func(k *ecdsa.PrivateKey) []byte { return spki(t, k) }
	private, err := x509.MarshalPKCS8PrivateKey(ours)
	if err != nil {
		t.Fatal(err)
	}
	const handle = "held elsewhere"
	elsewhere := DefaultDialer{Key: func(secret []byte) (crypto.Signer, error) {
		if string(secret) != handle {
			return nil, errors.New("there is no such key")
		}
		return ours, nil
	}}
	for name, v := range map[string]struct {
		dialer Dialer
		secret []byte
	}{"in DER": {nil, private}, handle: {elsewhere, []byte(handle)}} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{t: t}
			uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{Key: theirs, ClientKey: public(ours), CIDLength: 6})
			defer stop()
			l, changed := networked(t, v.dialer, uri, func(b *model.Batch) {
				b.Set(0, 2, lwm2m.Integer(int64(SecurityRPK)))
				b.Set(0, 3, lwm2m.Opaque(public(ours)))
				b.Set(0, 4, lwm2m.Opaque(public(theirs)))
				b.Set(0, 5, lwm2m.Opaque(v.secret))
			})
			l.server = s
			if status := l.await(changed, "registered", isRegistered); status.Transport != "DTLS RPK" {
				t.Errorf("transport is %q", status.Transport)
			}
			l.exercise()
		})
	}
}

func spki(t *testing.T, k *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestWrongKey shows what the status says, and that the right key helps at once.
func TestWrongKey(t *testing.T) {
	s := &scripted{t: t}
	uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{PSK: dtlstest.Key("gw-17", psk)})
	defer stop()
	dialer := DefaultDialer{DTLS: dtls.Config{Timeout: 2 * time.Second}}
	l, changed := networked(t, dialer, uri, pskAccount([]byte("not the right key")))
	l.server = s
	status := l.await(changed, "in trouble", func(s AccountStatus) bool { return s.LastError != "" })
	if !strings.Contains(status.Remedy, "compare identity and key") {
		t.Errorf("status says %q, %q", status.LastError, status.Remedy)
	}
	l.publish(l.security, pskAccount(psk))
	l.await(changed, "registered", func(s AccountStatus) bool { return isRegistered(s) && s.ErrorCleared })
	l.exercise()
}

// TestServerRestarted shows that a server which has forgotten both session and
// registration is found out by an Update.
func TestServerRestarted(t *testing.T) {
	s := &scripted{t: t}
	config := dtlstest.Config{PSK: dtlstest.Key("gw-17", psk), CIDLength: 6}
	uri, stop := s.listenDTLS("127.0.0.1:0", config)
	l, changed := networked(t, nil, uri, pskAccount(psk))
	l.server = s
	l.await(changed, "registered", isRegistered)
	stop()
	_, stop = s.listenDTLS(strings.TrimPrefix(uri, "coaps://"), config)
	defer stop()
	s.take()
	if err := l.client.Update(101); err != nil {
		t.Fatal(err)
	}
	l.await(changed, "registered anew", func(s AccountStatus) bool { return isRegistered(s) && s.Location == "/rd/2" })
	l.wantCalls(register)
	l.exercise()
}

// fromElsewhere returns a Dialer whose first socket has an address that the system would not choose.
func fromElsewhere() DefaultDialer {
	from := []string{"127.0.0.2:0"}
	return DefaultDialer{DialUDP: func(ctx context.Context, address string) (net.Conn, error) {
		var d net.Dialer
		if len(from) > 0 {
			d.LocalAddr, _ = net.ResolveUDPAddr("udp", from[0])
			from = from[1:]
		}
		return d.DialContext(ctx, "udp", address)
	}}
}

// TestNewAddress shows that with a Connection ID a change of the own address costs an
// Update, without one a new handshake and a Register.
func TestNewAddress(t *testing.T) {
	for _, c := range []struct {
		cid  int
		want string
	}{{6, "POST /rd/1 []"}, {-1, register}} {
		t.Run(fmt.Sprint("CID length ", c.cid), func(t *testing.T) {
			s := &scripted{t: t}
			uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{PSK: dtlstest.Key("gw-17", psk), CIDLength: c.cid})
			defer stop()
			l, changed := networked(t, fromElsewhere(), uri, pskAccount(psk))
			l.server = s
			first := l.await(changed, "registered", isRegistered)
			l.client.NetworkChanged()
			l.await(changed, "registered from the new address", func(s AccountStatus) bool {
				return isRegistered(s) && s.Local != first.Local
			})
			l.wantCalls(register, c.want)
			l.exercise()
			l.client.NetworkChanged() // nothing new now
			l.exercise()
			l.wantCalls()
		})
	}
}

// TestGoroutines shows what a registered client costs: Run, the bootstrap, the account and
// its reader.
func TestGoroutines(t *testing.T) {
	s := &scripted{t: t}
	uri, stop := s.listenUDP("127.0.0.1:0")
	defer stop()
	before := runtime.NumGoroutine()
	l, changed := networked(t, nil, uri, nil)
	l.await(changed, "registered", isRegistered)
	const own = 4
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before+own {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines more than before, want %d", runtime.NumGoroutine()-before, own)
		}
		runtime.Gosched() // the goroutine of the Register is about to end
	}
}
