package fota

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
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
	bad       bool   // other bytes than the package's
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
	content := good
	if v.bad {
		content = strings.Repeat("?", len(good))
	}
	if _, err := to.Write([]byte(content[from.Offset:end])); err != nil {
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
	some, bad := visit{brings: 6, validator: `"1"`}, visit{brings: all, validator: `"1"`, bad: true}
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
		{"bad bytes", map[string][]visit{"a": {bad}, "b": {whole}}, "[a 0 b 0]", Ready, Initial},
		{"bad bytes of a name with a space", map[string][]visit{"a": {bad}, "b": {bad}, "c": {whole}}, "[a 0 b 0 c 0]", Ready, Initial},
		{"bad bytes of a mirror", map[string][]visit{"a": {lost, whole}, "b": {bad}}, "[a 0 b 0 a 0]", Ready, Initial},
		{"bad bytes everywhere", map[string][]visit{"a": {bad}, "b": {bad}, "c": {bad}}, "[a 0 b 0 c 0]", Resting, IntegrityFailure},
		{"bad bytes, and nobody else has it", map[string][]visit{"a": {bad}, "b": {gone}, "c": {gone}}, "[a 0 b 0 c 0]", Resting, IntegrityFailure},
		{"bad bytes, and nobody else is there at first", map[string][]visit{"a": {bad}, "b": {lost, lost, whole}, "c": {lost}}, "[a 0 b 0 c 0 b 0 c 0 b 0]", Ready, Initial},
		{"bad bytes behind good ones", map[string][]visit{"a": {some, lost, lost, lost, whole}, "b": {bad}, "c": {lost}}, "[a 0 a 6 a 6 a 6 b 6 a 0]", Ready, Initial},
		{"nobody any more", map[string][]visit{"a": {lost}, "b": {gone}, "c": {gone}}, "", Resting, ConnectionLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &depots{script: c.script}
			simulate(t, d.with, func(b *bench) {
				b.must(b.u.Fetch(b.Context(), "coap://a/y y"))
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

// TestBadPackageOutlivesTheAgent: who has sent a bad package is not asked for it after a restart either, but for the next one.
func TestBadPackageOutlivesTheAgent(t *testing.T) {
	d := &depots{script: map[string][]visit{"a": {{brings: all, bad: true}}, "b": {{err: errLost}}, "c": {{err: errLost}}}}
	simulate(t, d.with, func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://a/y"))
		synctest.Wait()
		b.end()
		d.does("b", visit{brings: all, bad: true})
		d.does("c", visit{brings: all, bad: true})
		b.start(d.with)
		synctest.Wait()
		b.is(Resting, IntegrityFailure)
		if want := "[a 0 b 0 b 0 c 0]"; fmt.Sprint(d.asked) != want {
			t.Errorf("asked %v, want %s", d.asked, want)
		}
		d.does("a", visit{brings: all})
		b.must(b.u.Fetch(b.Context(), "coap://a/y"))
		synctest.Wait()
		b.is(Ready, Initial)
	})
}

// TestElsewhere: a package that is for another machine is not looked for elsewhere, but what is none may be, if a mirror has sent it.
func TestElsewhere(t *testing.T) {
	simulate(t, (&depots{}).with, func(b *bench) {
		for _, c := range []struct {
			phase  Phase
			uri    string
			source string
			result Result
			want   bool
		}{
			{Fetching, "coap://a/y", "", IntegrityFailure, true},
			{Verifying, "coap://a/y", "", IntegrityFailure, true},
			{Deferred, "coap://a/y", "", IntegrityFailure, false},
			{Verifying, "", "", IntegrityFailure, false},
			{Verifying, "coap://alone/y", "", IntegrityFailure, false},
			{Verifying, "coap://a/y", "", UnsupportedPackage, false},
			{Verifying, "coap://a/y", "coap://b", UnsupportedPackage, true},
			{Fetching, "coap://a/y", "", NoStorage, false},
			{Fetching, "coap://a/y", "", ConnectionLost, false},
		} {
			if got := b.u.elsewhere(&record{Phase: c.phase, URI: c.uri, Source: c.source}, Failf(c.result, "")); got != c.want {
				t.Errorf("%+v: %v", c, got)
			}
		}
	})
}

// unable is a back end that cannot look at packages.
type unable struct{ Backend }

func (unable) Inspect(context.Context, string) (Package, error) {
	return Package{}, errors.New("too many open files")
}

// TestNotInspected: a package that nobody has looked at is not fetched anew.
func TestNotInspected(t *testing.T) {
	whole := visit{brings: all}
	d := &depots{script: map[string][]visit{"a": {whole}, "b": {whole}, "c": {whole}}}
	change := func(c *Config) {
		d.with(c)
		c.Backend = unable{c.Backend}
	}
	simulate(t, change, func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://a/y"))
		b.is(Resting, UpdateFailed)
		if fmt.Sprint(d.asked) != "[a 0]" {
			t.Errorf("asked %v", d.asked)
		}
	})
}
