package fetch

import (
	"net/http"
	"net/url"
	"testing"
)

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
