package ets

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/link"
)

// answer is what the client answered to a request, or a notification of it.
type answer struct {
	s    *tester
	what string // "GET /3/0/0"
	at   time.Time
	coap *coap.Message
}

func (a *answer) failf(format string, args ...any) { a.s.t.failf(a.what+": "+format, args...) }

// is checks the code.
func (a *answer) is(want coap.Code) *answer {
	if a.coap.Code == want {
		return a
	}
	detail := ""
	if !a.coap.Code.IsSuccess() && len(a.coap.Payload) > 0 {
		detail = ": " + string(a.coap.Payload)
	}
	a.failf("expected %s, got %s%s", lwm2m.Code(want), lwm2m.Code(a.coap.Code), detail)
	return a
}

// in checks the format of the payload.
func (a *answer) in(want lwm2m.Format) *answer {
	if got, ok := a.coap.ContentFormat(); !ok || lwm2m.Format(got) != want {
		a.failf("expected the format %s, got %s", want, lwm2m.Format(got))
	}
	return a
}

// content checks that the answer is a 2.05 and returns what lies in it, below base.
func (a *answer) content(base string) *content {
	a.is(coap.Content)
	format, ok := a.coap.ContentFormat()
	if !ok {
		a.failf("expected a Content-Format, got none")
	}
	nodes, err := wire.Decode(lwm2m.Format(format), a.coap.Payload, lwm2m.MustPath(base), a.s.t.lab.Shapes)
	if err != nil {
		a.failf("the payload in %s cannot be read: %v", lwm2m.Format(format), err)
	}
	return &content{a, nodes}
}

// content is the nodes of an answer.
type content struct {
	*answer
	nodes []lwm2m.Node
}

// in checks the format of the payload.
func (c *content) in(want lwm2m.Format) *content {
	c.answer.in(want)
	return c
}

// find returns the nodes at a path and below.
func (c *content) find(path string) []lwm2m.Node {
	p := lwm2m.MustPath(path)
	return slices.DeleteFunc(slices.Clone(c.nodes), func(n lwm2m.Node) bool { return !p.Contains(n.Path) })
}

// value returns the value at a path, as text/plain writes it.
func (c *content) value(path string) string {
	nodes := c.find(path)
	if len(nodes) != 1 || nodes[0].Value.IsZero() {
		c.failf("expected a value for %s, got %v", path, nodes)
	}
	return nodes[0].Value.String()
}

// number returns the number at a path.
func (c *content) number(path string) float64 {
	f, err := strconv.ParseFloat(c.value(path), 64)
	if err != nil {
		c.failf("expected a number for %s, got %q", path, c.value(path))
	}
	return f
}

// says checks values.
func (c *content) says(want values) *content {
	for _, p := range want.pairs() {
		if got := c.value(p.path); got != p.value {
			c.failf("expected %q for %s, got %q", p.value, p.path, got)
		}
	}
	return c
}

// has checks that there are values at each path or below it.
func (c *content) has(paths ...string) *content {
	for _, p := range paths {
		if !slices.ContainsFunc(c.find(p), func(n lwm2m.Node) bool { return !n.Value.IsZero() }) {
			c.failf("expected a value for %s, got none", p)
		}
	}
	return c
}

// only checks that nothing lies outside the paths.
func (c *content) only(paths ...string) *content {
	for _, n := range c.nodes {
		if !slices.ContainsFunc(paths, func(p string) bool { return lwm2m.MustPath(p).Contains(n.Path) }) {
			c.failf("expected nothing but %v, got %s too", paths, n.Path)
		}
	}
	return c
}

// links is the answer to a Discover.
type links struct {
	*answer
	list []link.Link
}

// find returns the link to a path.
func (l *links) find(path string) *link.Link {
	i := slices.IndexFunc(l.list, func(k link.Link) bool { return k.Target == path })
	if i < 0 {
		l.failf("expected <%s>, got %s", path, l.coap.Payload)
	}
	return &l.list[i]
}

// has checks that there is a link to each path.
func (l *links) has(paths ...string) *links {
	for _, p := range paths {
		l.find(p)
	}
	return l
}

// only checks that there are these links and no others.
func (l *links) only(paths ...string) *links {
	if l.has(paths...); len(l.list) != len(paths) {
		l.failf("expected nothing but %v, got %s", paths, l.coap.Payload)
	}
	return l
}

// tells checks attributes of a link, which have numbers: "pmin=10".
func (l *links) tells(path string, attributes ...string) *links {
	k := l.find(path)
	for _, a := range attributes {
		name, want, _ := strings.Cut(a, "=")
		if got, _ := k.Attr(name); !sameNumber(got, want) {
			l.failf("expected %s at <%s>, got %s", a, path, l.coap.Payload)
		}
	}
	return l
}

// sameNumber reports whether two texts are the same number, as 1 and 1.0 are.
func sameNumber(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, other := strconv.ParseFloat(b, 64)
	return err == nil && other == nil && x == y
}
