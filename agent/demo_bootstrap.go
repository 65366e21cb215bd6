//go:build !small

package agent

import (
	"context"
	"crypto/rand"
	"net/url"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// demoAccount is the instance of objects 0 and 1 that the demo's bootstrap server writes.
const demoAccount = 1

// accounts puts the account into the configuration: of the server, or of the bootstrap
// server that gives out the server's.
func (d *demonstration) accounts(a config.Account, cfg *config.Config) {
	if d.opts.Bootstrap {
		cfg.Bootstrap = &config.Bootstrap{Account: a}
		return
	}
	cfg.Servers = []config.Server{{Account: a, ShortServerID: demoServerID, Lifetime: demoLifetime}}
}

// provisions returns what makes the embedded server a bootstrap server, too: it gives each
// board that asks an account of its own, with a new key. at is the server's address.
func provisions(keys *server.Keys, at *url.URL) *server.Bootstrap {
	return &server.Bootstrap{Script: func(ctx context.Context, b *server.Bootstrapping) error {
		key := make([]byte, 16)
		rand.Read(key) // never fails
		identity := b.Endpoint + "-" + rand.Text()[:6]
		keys.Add(identity, key, b.Endpoint)
		format := lwm2m.FormatTLV
		if b.Prefers {
			format = b.Format
		}
		security, account := lwm2m.NewPath(0, demoAccount), lwm2m.NewPath(1, demoAccount)
		for _, step := range []func() error{
			func() error { return b.Delete(ctx, lwm2m.NewPath(0)) },
			func() error { return b.Delete(ctx, lwm2m.NewPath(1)) },
			func() error {
				return b.Write(ctx, security, format, []lwm2m.Node{
					{Path: security.Child(0), Value: lwm2m.String(at.String())},
					{Path: security.Child(1), Value: lwm2m.Boolean(false)},
					{Path: security.Child(2), Value: lwm2m.Integer(0)}, // a pre-shared key
					{Path: security.Child(3), Value: lwm2m.Opaque([]byte(identity))},
					{Path: security.Child(5), Value: lwm2m.Opaque(key)},
					{Path: security.Child(10), Value: lwm2m.Integer(demoServerID)},
				})
			},
			func() error {
				return b.Write(ctx, account, format, []lwm2m.Node{
					{Path: account.Child(0), Value: lwm2m.Integer(demoServerID)},
					{Path: account.Child(1), Value: lwm2m.Integer(int64(demoLifetime / time.Second))},
					{Path: account.Child(6), Value: lwm2m.Boolean(true)},
					{Path: account.Child(7), Value: lwm2m.String("U")},
				})
			},
			func() error { return b.Finish(ctx) },
		} {
			if err := step(); err != nil {
				keys.Remove(identity)
				return err
			}
		}
		return nil
	}}
}
