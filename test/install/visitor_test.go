//go:build install || soak

package install

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/test/web"
)

// visitor looks at the page of the installed service from outside of its system, over a socket
// that the trial forwards: what the two have to tell each other are files in a folder.
type visitor struct {
	folder string
	at     string // address of a port of this machine that leads to the page, as "ssh -L" makes it
}

// pageToken is the token that the trial gives the service.
const pageToken = "8f14e45fceea167a5a36dedd4bea2543"

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	v := &visitor{folder: t.TempDir()}
	if err := os.Chmod(v.folder, 0o777); err != nil { // users of the trial's system put files there
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.folder, "token"), []byte(pageToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v.at = "http://" + l.Addr().String() + "/"
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "page"})
			r.Out.Host = r.In.Host // as the browser says it
		},
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(v.folder, "page.sock"))
		}},
		FlushInterval: -1,
	}
	server := &http.Server{Handler: proxy}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return v
}

// visits does what the trial asks for, until that has ended.
func (v *visitor) visits(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	for _, visit := range []struct {
		name string
		pay  func(*testing.T)
	}{{"shown", v.shown}, {"operated", v.operated}} {
		if !v.asked(visit.name, ended) {
			return
		}
		t.Run(visit.name, visit.pay)
		if err := os.WriteFile(filepath.Join(v.folder, visit.name+".done"), nil, 0o600); err != nil {
			t.Error(err)
		}
	}
}

// asked waits until the trial asks for something; false if it has ended.
func (v *visitor) asked(name string, ended <-chan struct{}) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Lstat(filepath.Join(v.folder, name)); err == nil {
			return true
		}
		select {
		case <-tick.C:
		case <-ended:
			return false
		}
	}
}

const relay = `.card[data-path="/3306/0"] `

// shown looks at a page that only shows.
func (v *visitor) shown(t *testing.T) {
	t.Helper()
	p := web.Start(t).Open(t, v.at)
	p.WaitText(t, "#reg-state", "registered")
	p.WaitText(t, "#read-only", "nothing can be changed")
	p.WaitText(t, relay+".now", "off")
	p.Type(t, "#find", "/3/0")
	p.WaitText(t, `.row[data-path="/3/0/1"] .value`, "") // it is there
	var offered []string
	p.Eval(t, `[...document.querySelectorAll("button, .switch")].filter((e) => e.checkVisibility()).map((e) => e.getAttribute("aria-label") ?? e.textContent)`, &offered)
	if len(offered) < 3 {
		t.Errorf("the page offers only %q", offered)
	}
	for _, what := range offered {
		if strings.HasPrefix(what, "Write") || strings.HasPrefix(what, "Execute") || strings.HasPrefix(what, "Attributes") || strings.Contains(what, "relay") {
			t.Errorf("the page offers %q", what)
		}
	}
	var status int
	p.Eval(t, `fetch("api/write", {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"path":"/3306/0/5850","value":true}'}).then((r) => r.status)`, &status)
	if status != http.StatusForbidden {
		t.Errorf("a write was answered with %d", status)
	}
	p.Screenshot(t, "installed")
}

// operated uses a page that may change something, and shows itself with the token only.
func (v *visitor) operated(t *testing.T) {
	t.Helper()
	b := web.Start(t)
	b.Open(t, v.at).WaitText(t, "#stale", "token_file of [page]")
	p := b.Open(t, v.at+"?token="+pageToken)
	p.WaitText(t, relay+".now", "off")
	p.Click(t, relay+".switch")
	p.WaitText(t, relay+".now", "on")
	var address string
	p.Eval(t, "location.href", &address)
	if address != v.at {
		t.Errorf("the browser shows the address %q", address)
	}
	if problems := p.Problems(); len(problems) > 0 {
		t.Errorf("the console says:\n%s", strings.Join(problems, "\n"))
	}
	for _, asked := range p.Requests() {
		if !strings.HasPrefix(asked, v.at) {
			t.Errorf("the page asks for %s", asked)
		}
	}
}
