//go:build !small

package agent

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m"
)

// failing is a server of packages by HTTP that serves a part of one once, and nothing but 503 from then on. It notes the ranges that it is asked for.
type failing struct {
	*httptest.Server
	content []byte
	etag    string
	part    int // bytes; 0: none; more than there are: all, whenever it is asked
	mu      sync.Mutex
	asked   []string
}

func newFailing(t *testing.T, content []byte, etag string, part int) *failing {
	t.Helper()
	f := &failing{content: content, etag: etag, part: part}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.URL.RequestURI()+" "+r.Header.Get("Range"))
	w.Header().Set("ETag", f.etag)
	switch {
	case f.part > len(f.content):
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	case f.part == 0:
		http.Error(w, "come back later", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(f.content)))
		_, _ = w.Write(f.content[:f.part])
		_ = http.NewResponseController(w).Flush()
		f.part = 0
		panic(http.ErrAbortHandler) // the connection is lost
	}
}

func (f *failing) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// mirrored has an agent whose host of packages has mirrors.
func mirrored(t *testing.T, mirrors ...string) *updating {
	t.Helper()
	return newUpdating(t, func(cfg *config.Config) {
		h := config.PackageHost{Host: "127.0.0.1"}
		for _, m := range mirrors {
			u, err := url.Parse(m)
			if err != nil {
				t.Fatal(err)
			}
			h.Mirrors = append(h.Mirrors, u)
		}
		cfg.Firmware.Hosts = []config.PackageHost{h}
		cfg.Firmware.Patience = generous
	})
}

// elsewhere is the URI of a server of this machine by a name that no host of the configuration has.
func elsewhere(uri string) string { return strings.Replace(uri, "127.0.0.1", "localhost", 1) }

// TestMirrorGoesOn: a source that vanishes at 50 % is replaced by a mirror, which goes on there if its entity tag and size are the same, and begins anew if
// they are not. It waits for real as long as the source is given time to come back.
func TestMirrorGoesOn(t *testing.T) {
	t.Parallel()
	content := packageOf("2.0", 300_000)
	for name, same := range map[string]bool{"the same bytes": true, "another entity tag": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			half := len(content) / 2
			source := newFailing(t, content, `"v2"`, half)
			mirror := newFailing(t, content, map[bool]string{true: `"v2"`, false: `"other"`}[same], len(content)+1)
			u := mirrored(t, elsewhere(mirror.URL)+"/pub/")
			uri := strings.Replace(source.URL, "http://", "http://user:word@", 1) + "/gateway%202?v=2"
			u.must(u.write("/5/0/1", lwm2m.String(uri)))
			u.until(fota.Downloaded, fota.Initial)
			if asked := fmt.Sprint(mirror.requests()); asked != fmt.Sprintf("[/pub/gateway%%202?v=2 bytes=%d-]", half) {
				t.Errorf("the mirror was asked for %s", asked)
			}
			if s := u.agent.firmware.now.Load().Status(); s.Source != elsewhere(mirror.URL)+"/pub/gateway%202?v=2" || s.Package.Version != "2.0" {
				t.Errorf("%+v", s)
			}
			if got := u.value("/5/0/1").Text(); got != uri {
				t.Errorf("the server reads %s", got)
			}
		})
	}
}

// TestBadMirror: what is damaged, or what a mirror sends that is no package, is fetched anew from the next one.
func TestBadMirror(t *testing.T) {
	content := packageOf("2.0", 300_000)
	damaged := bytes.Clone(content)
	damaged[len(damaged)-1] ^= 1
	source := newFailing(t, damaged, `"v2"`, len(content)+1)
	none := newFailing(t, bytes.Replace(content, []byte("\n"), []byte("99\n"), 1), `"v2"`, 2*len(content)) // its layout is unknown
	whole := newFailing(t, content, `"v2"`, len(content)+1)
	u := mirrored(t, elsewhere(none.URL), elsewhere(whole.URL))
	u.must(u.write("/5/0/1", lwm2m.String(source.URL+"/gateway")))
	u.until(fota.Downloaded, fota.Initial)
	for _, f := range []*failing{source, none, whole} {
		if asked := fmt.Sprint(f.requests()); asked != "[/gateway ]" {
			t.Errorf("%s was asked for %s", f.URL, asked)
		}
	}
}

// TestMirrors: one that does not have the package is passed over, by HTTP and by CoAP; what the source itself refuses, no mirror is asked for.
func TestMirrors(t *testing.T) {
	content := packageOf("2.0", 300_000)
	constrained := strings.TrimSuffix(depot(t, content), "/depot/")
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	whole := newFailing(t, content, `"v2"`, len(content)+1)
	u := mirrored(t, elsewhere(empty.URL), elsewhere(constrained), elsewhere(whole.URL))
	source := newFailing(t, content, `"v2"`, 0)
	u.must(u.write("/5/0/1", lwm2m.String(source.URL+"/depot/gateway?v=2")))
	u.until(fota.Downloaded, fota.Initial)
	if s := u.agent.firmware.now.Load().Status(); s.Source != elsewhere(constrained)+"/depot/gateway?v=2" || len(source.requests()) != 1 || len(whole.requests()) != 0 {
		t.Errorf("it came from %s; the source was asked %v, the last mirror %v", s.Source, source.requests(), whole.requests())
	}
	u.must(u.write("/5/0/1", lwm2m.String("")))
	u.until(fota.Idle, fota.Initial)
	u.must(u.write("/5/0/1", lwm2m.String(empty.URL+"/depot/gateway?v=2")))
	u.until(fota.Idle, fota.InvalidURI)
	if n := len(whole.requests()); n != 0 {
		t.Errorf("a mirror was asked %d times for what the source refuses", n)
	}
}
