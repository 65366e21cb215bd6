package agent

import (
	"errors"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
)

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
