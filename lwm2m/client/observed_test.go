package client

import (
	"errors"
	"slices"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// TestObserved: whoever looks at messages learns what notifications with a token tell of.
func TestObserved(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.observe(temperature, -1)
		l.observe("/3303/0", int(lwm2m.FormatSenMLCBOR))
		requests, err := l.client.Observed(l.t.Context(), 101)
		if err != nil {
			l.t.Fatal(err)
		}
		paths := make([]string, 0, len(requests))
		for _, m := range requests {
			if token := m.Token.String(); token == "" || m.Code != coap.GET {
				l.t.Errorf("%s with token %q", m.Code, token)
			}
			paths = append(paths, m.Path())
		}
		if slices.Sort(paths); !slices.Equal(paths, []string{"/3303/0", temperature}) {
			l.t.Errorf("observed are %q", paths)
		}
		if _, err := l.client.Observed(l.t.Context(), 7); !errors.Is(err, ErrNoAccount) {
			l.t.Errorf("of a server that there is none of: %v", err)
		}
	})
}
