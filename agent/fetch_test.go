package agent

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/server"
)

// packageDepot has a package at each way of CoAP, for whoever has a certificate where there is security.
type packageDepot struct {
	*certified
	*testing.T
	at    string // address; "": 127.0.0.1
	own   *dtlstest.Identity
	asks  []byte // public key (SPKI) that the client must show by DTLS; nil: it is not asked
	serve coap.Handler
	tasks sync.WaitGroup
}

// open returns where the package is by a scheme.
func (d *packageDepot) open(scheme string) string {
	d.Helper()
	if scheme == "coaps" {
		l, err := dtlstest.Listen(d.Context(), cmp.Or(d.at, "127.0.0.1")+":0", dtlstest.Config{Certificates: [][]byte{d.own.Certificate.Raw}, Key: d.own.Key, ClientKey: d.asks})
		if err != nil {
			d.Fatal(err)
		}
		d.Cleanup(func() { _ = l.Close() })
		d.tasks.Go(func() {
			for {
				conn, err := l.Accept(d.Context())
				if err != nil {
					return
				}
				d.run(coap.New(conn, d.serve, coap.Options{}))
			}
		})
		return scheme + "://" + l.Addr().String() + "/package"
	}
	l, err := net.Listen("tcp4", cmp.Or(d.at, "127.0.0.1")+":0")
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = l.Close() })
	if scheme == "coaps+tcp" {
		l = tls.NewListener(l, &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{d.own.Certificate.Raw}, PrivateKey: d.own.Key}},
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: d.clients(), NextProtos: []string{"coap"},
		})
	}
	d.tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.run(coap.NewStream(conn, d.serve, coap.Options{}))
		}
	})
	return scheme + "://" + l.Addr().String() + "/package"
}

func (d *packageDepot) run(conn *coap.Conn) {
	d.tasks.Go(func() {
		_ = conn.Run(d.Context())
		_ = conn.Close()
	})
}

// taken is what a download brings.
type taken struct {
	bytes.Buffer
	at    fota.Position
	size  int64
	spent atomic.Int64 // bytes on the wire
}

func (t *taken) Begin(at fota.Position, size int64) error {
	t.at, t.size = at, size
	return nil
}

func (t *taken) Spent(n int) { t.spent.Add(int64(n)) }

// TestFetchByCoAP fetches a package by DTLS, TCP and TLS, with the credentials of the account of the same scheme and host, from its beginning and
// from the middle, and nothing from hosts that no account has.
func TestFetchByCoAP(t *testing.T) {
	content := bytes.Repeat([]byte("firmware"), 40_000)
	c := newCertified(t)
	own, err := c.ca.Issue("server.example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &packageDepot{certified: c, T: t, own: own, serve: servingPackage(content)}
	t.Cleanup(d.tasks.Wait)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second := serving(t, c.Server, "coaps+tcp", l.Addr(), func(ctx context.Context) error { return c.ServeTLS(ctx, l) })
	a, _ := c.run(t, c.load(t, "sni = 'server.example.com'\n"+fmt.Sprintf("[[server]]\nshort_server_id = 102\nuri = '%s'\n", second.uri)+
		"certificate_file = 'own.crt'\nprivate_key_file = 'own.key'\nserver_certificate_file = 'ca.crt'\nsni = 'server.example.com'"))
	c.next(t, server.Registered) // the accounts are there
	for _, scheme := range []string{"coaps", "coap+tcp", "coaps+tcp"} {
		uri, err := url.Parse(d.open(scheme))
		if err != nil {
			t.Fatal(err)
		}
		var first, rest taken
		if err := (coapFetcher{a}).Fetch(t.Context(), uri, fota.Position{}, &first); err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		if !bytes.Equal(first.Bytes(), content) || first.at.Offset != 0 || first.at.Validator == "" {
			t.Errorf("%s: %d bytes at %+v", scheme, first.Len(), first.at)
		}
		half := fota.Position{Offset: int64(len(content) / 2), Validator: first.at.Validator}
		if err := (coapFetcher{a}).Fetch(t.Context(), uri, half, &rest); err != nil {
			t.Fatalf("%s, from the middle: %v", scheme, err)
		}
		if !bytes.Equal(rest.Bytes(), content[half.Offset:]) || rest.at != half {
			t.Errorf("%s: %d bytes at %+v, want those behind %+v", scheme, rest.Len(), rest.at, half)
		}
	}
	for _, scheme := range []string{"coaps", "coaps+tcp"} {
		uri := &url.URL{Scheme: scheme, Host: "stranger.invalid", Path: "/package"}
		if err := (coapFetcher{a}).Fetch(t.Context(), uri, fota.Position{}, &taken{}); !errors.Is(err, fota.ErrRefused) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// TestFetchGoesOn has a depot that has been started anew while a package was fetched: it still has the package, has another one, or knows no
// block in the middle.
func TestFetchGoesOn(t *testing.T) {
	content := bytes.Repeat([]byte("firmware"), 4_000)
	half := fota.Position{Offset: int64(len(content)/2) + 8, Validator: "31"} // the ETag of servingPackage
	for _, c := range []struct {
		name   string
		from   fota.Position
		refuse coap.Code // of a block in the middle; 0: none
		want   fota.Position
	}{
		{"the same", half, 0, half},
		{"another one", fota.Position{Offset: half.Offset, Validator: "32"}, 0, fota.Position{Validator: "31"}},
		{"none in the middle", half, coap.RequestEntityIncomplete, fota.Position{Validator: "31"}},
		{"no validator", fota.Position{Offset: half.Offset}, 0, fota.Position{Validator: "31"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := net.Pipe()
			serve := servingPackage(content)
			refused := false
			depot := coap.NewStream(far, func(x *coap.Exchange) {
				if b, ok := x.Request.Block2(); ok && b.Number > 0 && c.refuse != 0 && !refused {
					refused = true
					_ = x.Reply(c.refuse)
					return
				}
				serve(x)
			}, coap.Options{})
			var running sync.WaitGroup
			running.Go(func() { _ = depot.Run(t.Context()) })
			var got taken
			err := fetchOver(t.Context(), near, coap.Options{}, &url.URL{Scheme: "coap+tcp", Host: "depot", Path: "/package"}, c.from, &got)
			_ = depot.Close()
			running.Wait()
			if err != nil || got.at != c.want || !bytes.Equal(got.Bytes(), content[c.want.Offset:]) || refused != (c.refuse != 0) {
				t.Errorf("%d bytes at %+v, %v; refused: %v; want those at %+v", got.Len(), got.at, err, refused, c.want)
			}
		})
	}
}

// TestPackageComesTheWayOfItsServer: a package at the host of an account comes through the network interface that leads to that; one from elsewhere as the
// routes say.
func TestPackageComesTheWayOfItsServer(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	cfg.Servers[0].Interface = "lo"
	a, end := l.run(t, cfg)
	defer end()
	for host, want := range map[string]string{l.uri.Hostname(): "lo", "192.0.2.1": ""} {
		to, done, err := a.packageServer(&url.URL{Scheme: "coap", Host: host, Path: "/package"})
		if err != nil {
			t.Fatal(err)
		}
		if done(); to.Interface != want {
			t.Errorf("from %s over %q, want %q", host, to.Interface, want)
		}
	}
}
