package fetch

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// byHost has each request go out with what is meant for its host, also after a redirection.
type byHost struct {
	own    map[string]*http.Transport // by host, in lower case
	others *http.Transport
}

var _ http.RoundTripper = byHost{}

func newByHost(config *tls.Config, hosts map[string]Host) byHost {
	b := byHost{make(map[string]*http.Transport), newTransport(config.Clone())}
	for name, h := range hosts {
		c := config.Clone()
		if h.Roots != nil {
			c.RootCAs = h.Roots
		}
		t := newTransport(c)
		if h.Certificate != nil {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return h.Certificate() }
			t.Proxy = unseen(http.ProxyFromEnvironment)
		}
		b.own[name] = t
	}
	return b
}

func newTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialCounted, TLSClientConfig: config,
		DisableKeepAlives: true, DisableCompression: true, // a connection for each request; the bytes as they are
	}
}

// unseen takes out proxies over TLS: net/http would show them the certificate that is meant for
// the host behind them.
func unseen(proxyOf func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		proxy, err := proxyOf(r)
		if err == nil && proxy != nil && proxy.Scheme == "https" {
			return nil, errors.New("the proxy is reached by https, and would be shown the certificate for the host; give an http or socks5 proxy")
		}
		return proxy, err
	}
}

// RoundTrip implements http.RoundTripper.
func (b byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if t, ok := b.own[strings.ToLower(r.URL.Hostname())]; ok {
		return t.RoundTrip(r)
	}
	return b.others.RoundTrip(r)
}
