package agent

import (
	"errors"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
)

// TestNoAccount: what goes to all servers is refused where there is none.
func TestNoAccount(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	cfg.Servers = nil
	a, _ := l.run(t, cfg)
	b := &backend{a}
	_, send := b.Send(t.Context(), nil, []lwm2m.Path{lwm2m.MustPath("/3/0/0")})
	for what, err := range map[string]error{"update": b.Update(nil), "send": send} {
		if lwm2m.CodeOf(err) != lwm2m.NotFound || !strings.Contains(err.Error(), "no server account") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestPathOfNoObject: a name that is wrong is told as such, with what is near, and is no device
// behind the gateway whose object 0 is meant.
func TestPathOfNoObject(t *testing.T) {
	l := newLab(t)
	a, _ := l.run(t, l.config())
	for _, text := range []string{"/temperatur/0/5700", "/temperatur/0", "/temperatur/3303"} {
		p, err := (&backend{a}).ParsePath(text)
		if !errors.Is(err, lwm2m.ErrPath) || !strings.Contains(err.Error(), `no object is called "temperatur"; near: temperature (3303)`) {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	if p, err := (&backend{a}).ParsePath("/temperature/0/5700"); err != nil || p != lwm2m.MustPath("/3303/0/5700") {
		t.Errorf("got %v, %v", p, err)
	}
}
