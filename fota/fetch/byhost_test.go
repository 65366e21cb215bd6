package fetch

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/fota"
)

// TestRedirectionTellsNothing: neither user and password of a URI nor its query, which may be a signature, come to the host that is redirected to.
func TestRedirectionTellsNothing(t *testing.T) {
	var first, second http.Header
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		second = r.Header
		file(`"1"`)(w, r)
	})
	source := serve(t, func(w http.ResponseWriter, r *http.Request) {
		first = r.Header
		http.Redirect(w, r, strings.Replace(target.String(), "127.0.0.1", "localhost", 1), http.StatusFound)
	})
	source.User, source.RawQuery = url.UserPassword("gw", "word"), "signature=1"
	var got body
	if err := fetcher(t, Options{}).Fetch(t.Context(), source, fota.Position{}, &got); err != nil || got.String() != content {
		t.Fatalf("%q, %v", got.String(), err)
	}
	if first.Get("Authorization") == "" || second.Get("Authorization") != "" || second.Get("Referer") != "" {
		t.Errorf("the first one was told %v, the second one %v", first, second)
	}
}

// TestClockJudges: certificates are judged by the clock that is given, with the authorities of a host and with those of all.
func TestClockJudges(t *testing.T) {
	s := httptest.NewUnstartedServer(file(`"1"`))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	own := Host{Roots: x509.NewCertPool()}
	own.Roots.AddCert(s.Certificate())
	for name, opts := range map[string]Options{"of all": {CAFile: ca}, "of the host": {Hosts: map[string]Host{"127.0.0.1": own}}} {
		for at, refused := range map[time.Time]bool{s.Certificate().NotAfter: false, s.Certificate().NotAfter.Add(time.Second): true} {
			opts.Now = func() time.Time { return at }
			err := fetcher(t, opts).Fetch(t.Context(), parse(t, s.URL), fota.Position{}, &body{})
			if (err != nil) != refused || refused && !errors.Is(err, fota.ErrRefused) {
				t.Errorf("authorities %s at %s: %v, want refused: %v", name, at, err, refused)
			}
		}
	}
}

// TestProxyThatWouldSeeTheCertificate: net/http shows what is for the host to a proxy by https as well.
func TestProxyThatWouldSeeTheCertificate(t *testing.T) {
	for proxy, taken := range map[string]bool{"http://p:1": true, "socks5://p:1": true, "https://p:1": false} {
		lookup := unseen(func(*http.Request) (*url.URL, error) { return url.Parse(proxy) })
		if got, err := lookup(&http.Request{}); (err == nil) != taken || taken && got.String() != proxy {
			t.Errorf("%s: %v, %v; want it taken: %v", proxy, got, err, taken)
		}
	}
	if got, err := unseen(func(*http.Request) (*url.URL, error) { return nil, nil })(&http.Request{}); got != nil || err != nil { //nolint:nilnil // as http.ProxyFromEnvironment
		t.Errorf("without a proxy: %v, %v", got, err)
	}
}
