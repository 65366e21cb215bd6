package web

import (
	"bufio"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

func TestFeed(t *testing.T) {
	s, feed := serve(t, &board{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // the stream is open
	feed.Values([]lwm2m.Node{{Path: lwm2m.MustPath("/3306/0/5851"), Value: lwm2m.Integer(7)}})
	var got []string
	for len(got) < 2 && lines.Scan() {
		if lines.Text() != "" {
			got = append(got, lines.Text())
		}
	}
	if d := cmp.Diff([]string{"event: values", `data: {"turn":1,"values":[{"path":"/3306/0/5851","value":7}]}`}, got); d != "" {
		t.Error(d)
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	got = nil
	for lines.Scan() {
		if lines.Text() != "" {
			got = append(got, lines.Text())
		}
	}
	if d := cmp.Diff([]string{"event: end", "data: {}"}, got); d != "" {
		t.Error(d)
	}
	if status, body := do(t, s, http.MethodGet, "/api/events", "", nil); status != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d %s", status, body)
	}
}

func TestFeedDropsForASlowPage(t *testing.T) {
	var f Feed
	ch, _ := f.open()
	for range 2 * feedBuffer {
		f.Objects()
	}
	if len(ch) != feedBuffer {
		t.Errorf("%d events wait, want at most %d", len(ch), feedBuffer)
	}
}

// TestFeedEvents: each event has its name and its data in one line.
func TestFeedEvents(t *testing.T) {
	for _, c := range []struct {
		tell func(*Feed)
		want string
	}{
		{func(f *Feed) { f.Objects() }, "event: objects\ndata: {}\n\n"},
		{func(f *Feed) { f.Note("two\nlines") }, "event: note\ndata: \"two\\nlines\"\n\n"},
		{
			func(f *Feed) { f.Observed([]lwm2m.Path{lwm2m.MustPath("/3/1"), lwm2m.MustPath("/3/0")}) },
			"event: observed\ndata: {\"turn\":2,\"paths\":[\"/3/0\",\"/3/1\"]}\n\n",
		},
		{func(f *Feed) { f.Observed(nil) }, "event: observed\ndata: {\"turn\":2,\"paths\":[]}\n\n"},
		{
			func(f *Feed) { f.Registration(Registration{Endpoint: "gw", Lifetime: 60}) },
			`event: registration` + "\n" + `data: {"turn":2,"endpoint":"gw","server":"","state":"","registered":false,"version":"","lifetime":60,"transport":"","since":"","update":""}` + "\n\n",
		},
	} {
		var f Feed
		if f.Watched() {
			t.Error("a feed without readers is watched")
		}
		c.tell(&f) // nobody sees it
		ch, _ := f.open()
		if !f.Watched() {
			t.Error("a feed with a reader is not watched")
		}
		c.tell(&f)
		if got := string(<-ch); got != c.want || len(ch) != 0 {
			t.Errorf("got %q, want %q", got, c.want)
		}
		f.forget(ch)
		if f.Watched() {
			t.Error("a feed whose reader has left is watched")
		}
	}
}
