package client

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func TestCredentialsForAHost(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.security, func(b *model.Batch) {
			b.Set(0, 0, lwm2m.String("coaps://server.invalid:5684"))
			b.Set(0, 2, lwm2m.Integer(0))
			b.Set(0, 3, lwm2m.Opaque([]byte("gw")))
		})
		if c, ok := l.client.CredentialsFor("coaps", "server.invalid"); !ok || c.Mode != SecurityPSK || string(c.Identity) != "gw" {
			t.Errorf("got %v, %v", c, ok)
		}
		for scheme, host := range map[string]string{"coaps": "other.invalid", "coaps+tcp": "server.invalid"} {
			if _, ok := l.client.CredentialsFor(scheme, host); ok {
				t.Errorf("%s://%s gets credentials", scheme, host)
			}
		}
	})
}
