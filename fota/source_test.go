package fota

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// depots are hosts that have a package, each with what it does at its attempts, the last one again and again. They note who was asked where to begin.
type depots struct {
	mu     sync.Mutex
	script map[string][]visit
	asked  []string
}

// visit is what a host does when it is asked.
type visit struct {
	brings    int    // bytes before the connection is lost; more than the package has: all of it
	validator string // of what it has
	size      int    // that it announces; 0: that of the package
	err       error  // in place of all that
}

const all = 1000

var (
	errLost   = errors.New("the connection is lost")
	errNotHad = fmt.Errorf("%w: 404", ErrRefused)
)

func (d *depots) Fetch(_ context.Context, uri *url.URL, from Position, to Body) error {
	v := d.visit(uri.Host, from)
	if v.err != nil {
		return v.err
	}
	if from.Validator != v.validator || v.validator == "" {
		from = Position{Validator: v.validator}
	}
	if v.size == 0 {
		v.size = len(good)
	}
	if err := to.Begin(from, int64(v.size)); err != nil {
		return err
	}
	end := min(int(from.Offset)+v.brings, len(good))
	if _, err := to.Write([]byte(good[from.Offset:end])); err != nil {
		return err
	}
	if end < len(good) {
		return errLost
	}
	return nil
}

// visit notes who is asked where to begin, and returns what it does.
func (d *depots) visit(host string, from Position) visit {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, fmt.Sprintf("%s %d", host, from.Offset))
	v := d.script[host][0]
	if len(d.script[host]) > 1 {
		d.script[host] = d.script[host][1:]
	}
	return v
}

// does has a host do something else from now on.
func (d *depots) does(host string, v ...visit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.script[host] = v
}

// with has the updater ask a, and then b and c.
func (d *depots) with(c *Config) {
	c.Fetchers = map[string]Fetcher{"coap": d}
	c.Patience = time.Hour
	c.Mirrors = func(uri *url.URL) []*url.URL {
		if uri.Host != "a" {
			return nil
		}
		return []*url.URL{{Scheme: "coap", Host: "b"}, {Scheme: "gopher", Host: "x"}, {Scheme: "coap", Host: "c"}}
	}
}

func TestMirrors(t *testing.T) {
	lost, gone, whole := visit{err: errLost}, visit{err: errNotHad}, visit{brings: all, validator: `"1"`}
	some := visit{brings: 6, validator: `"1"`}
	for _, c := range []struct {
		name   string
		script map[string][]visit
		asked  string
		phase  Phase
		result Result
	}{
		{"the first one is there", map[string][]visit{"a": {whole}}, "[a 0]", Ready, Initial},
		{"it is not", map[string][]visit{"a": {lost}, "b": {lost}, "c": {whole}}, "[a 0 b 0 c 0]", Ready, Initial},
		{"it comes back", map[string][]visit{"a": {lost, whole}, "b": {lost}, "c": {lost}}, "[a 0 b 0 c 0 a 0]", Ready, Initial},
		{"it does not have it", map[string][]visit{"a": {gone}, "b": {whole}}, "[a 0]", Resting, InvalidURI},
		{"a mirror does not have it", map[string][]visit{"a": {lost, whole}, "b": {gone}, "c": {lost}}, "[a 0 b 0 c 0 a 0]", Ready, Initial},
		{"it refuses in the end", map[string][]visit{"a": {lost, gone}, "b": {lost}, "c": {lost}}, "[a 0 b 0 c 0 a 0]", Resting, InvalidURI},
		{"the same bytes", map[string][]visit{"a": {some, lost}, "b": {whole}}, "[a 0 a 6 a 6 a 6 b 6]", Ready, Initial},
		{"it goes on by itself", map[string][]visit{"a": {some, lost, lost, some, lost, whole}, "b": {whole}}, "[a 0 a 6 a 6 a 6 a 12 a 12]", Ready, Initial},
		{"other bytes", map[string][]visit{"a": {some, lost}, "b": {{brings: all, validator: `"2"`}}}, "[a 0 a 6 a 6 a 6 b 6]", Ready, Initial},
		{"a weak validator", map[string][]visit{"a": {{brings: 6, validator: "Sun, 29 Nov"}, lost}, "b": {{brings: all, validator: "Sun, 29 Nov"}}}, "[a 0 a 6 a 6 a 6 b 0]", Ready, Initial},
		{"an entity tag that is a count", map[string][]visit{"a": {{brings: 6, validator: "01"}, lost}, "b": {{brings: all, validator: "01"}}}, "[a 0 a 6 a 6 a 6 b 0]", Ready, Initial},
		{"an entity tag of CoAP", map[string][]visit{"a": {{brings: 6, validator: "0123abcd"}, lost}, "b": {{brings: all, validator: "0123abcd"}}}, "[a 0 a 6 a 6 a 6 b 6]", Ready, Initial},
		{"another size", map[string][]visit{"a": {some, lost}, "b": {{brings: all, validator: `"1"`, size: 99}, lost}, "c": {whole}}, "[a 0 a 6 a 6 a 6 b 6 b 0 b 0 c 6]", Ready, Initial},
		{"nobody any more", map[string][]visit{"a": {lost}, "b": {gone}, "c": {gone}}, "", Resting, ConnectionLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &depots{script: c.script}
			simulate(t, d.with, func(b *bench) {
				b.must(b.u.Fetch(b.Context(), "coap://a/y"))
				time.Sleep(2 * time.Hour)
				b.is(c.phase, c.result)
				if c.asked != "" && fmt.Sprint(d.asked) != c.asked {
					t.Errorf("asked %v, want %s", d.asked, c.asked)
				}
				if c.phase == Ready && string(b.machine.disk) != good {
					t.Errorf("%q on disk", b.machine.disk)
				}
			})
		})
	}
}

// TestMirrorOutlivesTheAgent: after a restart the mirror that has brought something is asked first, and the server sees the URI that it wrote.
func TestMirrorOutlivesTheAgent(t *testing.T) {
	lost := visit{err: errLost}
	d := &depots{script: map[string][]visit{"a": {lost}, "b": {{brings: 6, validator: "Sun, 29 Nov"}, lost}}}
	simulate(t, d.with, func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://a/y"))
		time.Sleep(1500 * time.Millisecond)
		b.end()
		if s := b.u.Status(); s.Source != "coap://b" || s.URI != "coap://a/y" || s.OnDisk != 6 {
			t.Fatalf("%+v", s)
		}
		d.does("b", visit{brings: all, validator: "Sun, 29 Nov"})
		b.start(d.with)
		synctest.Wait()
		b.is(Ready, Initial)
		if want := "[a 0 b 0 b 6]"; fmt.Sprint(d.asked) != want || string(b.machine.disk) != good {
			t.Errorf("asked %v, want %s; %q on disk", d.asked, want, b.machine.disk)
		}
	})
}
