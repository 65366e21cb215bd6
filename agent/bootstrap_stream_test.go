package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

// TestBootstrapOverStreams: a bootstrap server is reached over TCP and over TLS with certificates, once
// for the accounts and once more when a person asks for it.
func TestBootstrapOverStreams(t *testing.T) {
	for scheme, more := range map[string]string{
		"coap+tcp": "security = 'none'",
		"coaps+tcp": "certificate_file = 'own.crt'\nprivate_key_file = 'own.key'\nserver_certificate_file = 'ca.crt'\n" +
			"sni = 'server.example.com'",
	} {
		t.Run(scheme, func(t *testing.T) {
			c, given := newCertified(t), newLab(t)
			own, err := c.ca.Issue("server.example.com", nil)
			if err != nil {
				t.Fatal(err)
			}
			s := server.New(server.Config{
				Shapes: model.Shapes(registry.Definitions()),
				Bootstrap: &server.Bootstrap{Script: func(ctx context.Context, b *server.Bootstrapping) error {
					return errors.Join(given.writeAccount(ctx, b, 4, 101), b.Finish(ctx))
				}},
				Certificates: &server.Certificates{Chain: [][]byte{own.Certificate.Raw}, Key: own.Key, Clients: c.clients()},
			})
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			serve := s.ServeStream
			if scheme == "coaps+tcp" {
				serve = s.ServeTLS
			}
			bootstrap := serving(t, s, scheme, l.Addr(), func(ctx context.Context) error { return serve(ctx, l) })
			path := filepath.Join(c.dir, "agent.toml")
			text := fmt.Sprintf("endpoint = 'gw'\n[bootstrap]\nuri = '%s'\n%s\n", bootstrap.uri, more)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(path, config.Options{StateDir: filepath.Join(c.dir, "state")})
			if err != nil {
				t.Fatal(err)
			}
			a, _ := c.run(t, cfg)
			if e := bootstrap.next(t, server.Bootstrapped); e.Err != nil {
				t.Fatal(e.Err)
			}
			given.next(t, server.Registered)
			if err := (&backend{a}).Bootstrap(); err != nil {
				t.Fatal(err)
			}
			if e := bootstrap.next(t, server.Bootstrapped); e.Err != nil {
				t.Fatal(e.Err)
			}
			if s := (&backend{a}).Status().Bootstrap; len(s.Traffic) == 0 || s.LastError != "" {
				t.Errorf("status %+v", s)
			}
		})
	}
}
