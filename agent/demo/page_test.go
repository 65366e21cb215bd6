package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/web"
)

// generous is how long something may take that takes no time.
const generous = 20 * time.Second

// page is an open page.
type page struct {
	t     *testing.T
	lines *bufio.Scanner
}

// open opens a page on a feed.
func open(t *testing.T, feed *web.Feed) *page {
	t.Helper()
	s := httptest.NewServer(feed)
	t.Cleanup(s.Close)
	t.Cleanup(func() { _ = feed.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	p := &page{t, bufio.NewScanner(resp.Body)}
	p.lines.Buffer(nil, 1<<20)
	p.lines.Scan() // the stream is open
	return p
}

// next waits for the next event of a name and decodes its data into v, unless v
// is nil.
func (p *page) next(event string, v any) {
	p.t.Helper()
	for p.lines.Scan() {
		if p.lines.Text() != "event: "+event {
			continue
		}
		p.lines.Scan()
		data := strings.TrimPrefix(p.lines.Text(), "data: ")
		if v == nil {
			return
		}
		if err := json.Unmarshal([]byte(data), v); err != nil {
			p.t.Fatalf("event %s with %s: %v", event, data, err)
		}
		return
	}
	p.t.Fatalf("no event %s: %v", event, p.lines.Err())
}
