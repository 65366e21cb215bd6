package fetch

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/fota"
)

// body records what a fetcher brings.
type body struct {
	bytes.Buffer
	at   fota.Position
	size int64
	full error

	spent atomic.Int64 // bytes on the wire
}

func (b *body) Spent(n int) { b.spent.Add(int64(n)) }

func (b *body) Begin(at fota.Position, size int64) error {
	b.at, b.size = at, size
	return b.full
}

const content = "a system of a gateway"

// serve serves f and returns its URI.
func serve(t *testing.T, f http.HandlerFunc) *url.URL {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return parse(t, s.URL+"/package")
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func fetcher(t *testing.T, opts Options) *HTTP {
	t.Helper()
	h, err := NewHTTP(opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// file serves the content as the standard library does, with ranges.
func file(etag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "package", time.Time{}, strings.NewReader(content))
	}
}

func TestFetch(t *testing.T) {
	for _, c := range []struct {
		name, etag string
		from       fota.Position
		want       string
		at         fota.Position
	}{
		{"whole", `"1"`, fota.Position{}, content, fota.Position{Validator: `"1"`}},
		{"rest", `"1"`, fota.Position{Offset: 9, Validator: `"1"`}, content[9:], fota.Position{Offset: 9, Validator: `"1"`}},
		{"has changed", `"2"`, fota.Position{Offset: 9, Validator: `"1"`}, content, fota.Position{Validator: `"2"`}},
		{"nothing to compare", `"1"`, fota.Position{Offset: 9}, content, fota.Position{Validator: `"1"`}},
		{"nothing behind it", `"1"`, fota.Position{Offset: int64(len(content)), Validator: `"1"`}, content, fota.Position{Validator: `"1"`}},
		{"weak", `W/"1"`, fota.Position{}, content, fota.Position{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got body
			if err := fetcher(t, Options{}).Fetch(t.Context(), serve(t, file(c.etag)), c.from, &got); err != nil {
				t.Fatal(err)
			}
			if got.String() != c.want || got.at != c.at || got.size != int64(len(content)) {
				t.Errorf("got %q at %+v of %d, want %q at %+v", got.String(), got.at, got.size, c.want, c.at)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	answer := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
		}
	}
	for _, c := range []struct {
		name    string
		serve   http.HandlerFunc
		refused bool
	}{
		{"not found", answer(404), true},
		{"forbidden", answer(403), true},
		{"busy", answer(503), false},
		{"too many", answer(429), false},
		{"no content", answer(204), true},
		{"another range", answer(206, "Content-Range", "bytes 3-5/21"), true},
		{"no range", answer(206), true},
		{"no range to be had", answer(416), true},
		{"a loop", answer(302, "Location", "/package"), true},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = w.Write([]byte("x"))
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := fetcher(t, Options{}).Fetch(t.Context(), serve(t, c.serve), fota.Position{Offset: 9, Validator: `"1"`}, &body{})
			if err == nil || errors.Is(err, fota.ErrRefused) != c.refused {
				t.Errorf("got %v, want refused: %v", err, c.refused)
			}
		})
	}
}

func TestBodyThatIsFullEndsTheDownload(t *testing.T) {
	full := fota.Failf(fota.NoStorage, "full")
	err := fetcher(t, Options{}).Fetch(t.Context(), serve(t, file(`"1"`)), fota.Position{}, &body{full: full})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

func TestSilentServer(t *testing.T) {
	silent := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	err := fetcher(t, Options{Silent: 50 * time.Millisecond}).Fetch(t.Context(), silent, fota.Position{}, &body{})
	if !errors.Is(err, errSilent) || errors.Is(err, fota.ErrRefused) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fetcher(t, Options{}).Fetch(ctx, silent, fota.Position{}, &body{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestHTTPSTrustsTheFile(t *testing.T) {
	s := httptest.NewTLSServer(file(`"1"`))
	defer s.Close()
	s.Config.ErrorLog = nil
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	var got body
	if err := fetcher(t, Options{CAFile: ca}).Fetch(t.Context(), parse(t, s.URL), fota.Position{}, &got); err != nil || got.String() != content {
		t.Errorf("got %q, %v", got.String(), err)
	}
	if err := fetcher(t, Options{}).Fetch(t.Context(), parse(t, s.URL), fota.Position{}, &body{}); !errors.Is(err, fota.ErrRefused) {
		t.Errorf("an unknown authority: %v", err)
	}
	if _, err := NewHTTP(Options{CAFile: os.DevNull}); err == nil {
		t.Error("an empty file is one of certificates")
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 5-9/10", "bytes 5-9/*", "bytes -/", "bytes 9-5/3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if start, size, ok := contentRange(s); ok && (start < 0 || size < 0 || size > 0 && start >= size) {
			t.Errorf("%q: %d of %d", s, start, size)
		}
	})
}

// relayed forwards connections to a server and counts their bytes.
type relayed struct {
	net.Listener
	bytes atomic.Int64
	tasks sync.WaitGroup
}

// end waits for the end of the connections, and returns what went over them.
func (r *relayed) end() int64 {
	_ = r.Close()
	r.tasks.Wait()
	return r.bytes.Load()
}

func relay(t *testing.T, to string) *relayed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relayed{Listener: l}
	t.Cleanup(func() { r.end() })
	pass := func(to, from net.Conn) {
		n, _ := io.Copy(to, from)
		r.bytes.Add(n)
		_ = to.Close()
	}
	r.tasks.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				return
			}
			r.tasks.Go(func() { pass(near, far) })
			r.tasks.Go(func() { pass(far, near) })
		}
	})
	return r
}

// TestSpent: what a download costs is what went over the connection, TLS among it, and what headers add to that.
func TestSpent(t *testing.T) {
	large := bytes.Repeat([]byte("firmware"), 100_000)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(large))
	}))
	r := relay(t, s.Listener.Addr().String())
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	var got body
	if err := fetcher(t, Options{CAFile: ca}).Fetch(t.Context(), parse(t, "https://"+r.Addr().String()+"/package"), fota.Position{}, &got); err != nil {
		t.Fatal(err)
	}
	s.Close()
	wire, spent := r.end(), got.spent.Load()
	if wire < int64(len(large)) || spent < wire*103/100 || spent > wire*115/100 {
		t.Errorf("%d bytes went over the connection, %d are counted; want 3 to 15 %% more", wire, spent)
	}
	t.Logf("%d bytes of content, %d over the connection, %d counted", len(large), wire, spent)
}
