//go:build web

package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestStrangers: the page answers only those who have the token, at its own address, and from its own pages.
func TestStrangers(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	for _, c := range []struct {
		name  string
		path  string
		alter func(*http.Request)
		want  int
	}{
		{"with the token", "/v1/value?path=/3/0/0", func(*http.Request) {}, http.StatusOK},
		{"without a token", "/api/state", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		{"without a token, for values", "/v1/value?path=/3/0/0", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		{"with another token", "/api/state", func(r *http.Request) { r.Header.Set("Authorization", "Bearer guess") }, http.StatusUnauthorized},
		{"for another host", "/", func(r *http.Request) { r.Host = "board.example" }, http.StatusMisdirectedRequest},
		{"for a name that somebody made point here", "/api/state", func(r *http.Request) { r.Host = "board.example:" + d.page.Port() }, http.StatusMisdirectedRequest},
		{"from another page", "/api/state", func(r *http.Request) { r.Header.Set("Origin", "http://board.example") }, http.StatusForbidden},
		{"from another port", "/api/state", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.page.Host+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+d.page.Query().Get("token"))
			c.alter(request)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != c.want {
				t.Errorf("status %d, want %d", response.StatusCode, c.want)
			}
		})
	}
}

// TestStrangersInABrowser: another page cannot operate the board through the browser of somebody who has the page open.
func TestStrangersInABrowser(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	without := url.URL{Scheme: "http", Host: d.page.Host, Path: "/"}
	p.Navigate(t, without.String())
	settle(t, p) // the tab has the token by now
	told := make(chan http.Header, 8)
	neighbour := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.Header }))
	defer neighbour.Close()
	p.browser.Open(t, neighbour.URL)
	if header := fmt.Sprint(<-told); strings.Contains(header, "Cookie") || strings.Contains(header, d.page.Query().Get("token")) {
		t.Errorf("a browser tells another port of the host %s", header)
	}
	second := p.browser.Open(t, without.String())
	second.WaitText(t, "#stale", "carries a token")
	second.Navigate(t, d.page.String())
	settle(t, second)
	// localhost is another origin than 127.0.0.1, on the same machine.
	foreign := p.browser.Open(t, "http://localhost:"+d.page.Port()+"/?token=wrong")
	foreign.Eval(t, `fetch(`+quote(without.String()+"api/write")+`, {method: "POST", mode: "no-cors", credentials: "include",
		headers: {"Content-Type": "text/plain"}, body: JSON.stringify({path: "/3306/0/5850", value: true})}).catch(() => {})`, nil)
	if got := d.value(t, "/3306/0/5850"); got != false {
		t.Errorf("another page has switched the relay: %v", got)
	}
}

// TestTwoDemos: a browser keeps them apart, though they share a host.
func TestTwoDemos(t *testing.T) {
	t.Parallel()
	first, second := startDemo(t, "first"), startDemo(t, "second")
	p := visit(t, first)
	q := p.browser.Open(t, second.page.String())
	settle(t, q)
	p.Front(t)
	p.Navigate(t, "http://"+first.page.Host+"/")
	settle(t, p)
	p.Click(t, card("/3306/0")+" .switch")
	p.WaitText(t, card("/3306/0")+" .now", "on")
	if first.value(t, "/3306/0/5850") != true || second.value(t, "/3306/0/5850") != false {
		t.Error("the wrong relay was switched")
	}
}
