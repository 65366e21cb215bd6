package agent

import (
	"bytes"
	"context"
	"encoding/hex"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

// newSecureLab is newLab with a server that wants a key.
func newSecureLab(t *testing.T, identity string, psk []byte) *lab {
	t.Helper()
	known := new(server.Keys)
	known.Add(identity, psk, "")
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions()), Keys: known})
	l, err := s.ListenSecure(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return serving(t, s, "coaps", l.Addr(), func(ctx context.Context) error { return s.ServeSecure(ctx, l) })
}

// await waits until a trouble is there, or gone, and returns it.
func (a *Agent) await(t *testing.T, code health.Code, there bool) health.Trouble {
	t.Helper()
	sub := a.health.Subscribe()
	defer sub.Close()
	limit := time.After(generous)
	for {
		var found health.Trouble
		for _, tr := range a.health.Troubles() {
			if tr.Code == code {
				found = tr
			}
		}
		if (found.Code == code) == there {
			return found
		}
		select {
		case <-sub.Wake():
			sub.Take()
		case <-limit:
			t.Fatalf("trouble %s: want %v, have %v", code, there, a.health.Troubles())
		}
	}
}

// TestKeyFromCredential: a key that is not handed over is a trouble with a remedy and no
// more; once it is there the agent registers. The state directory has no key.
func TestKeyFromCredential(t *testing.T) {
	psk := []byte("a key of thirty-two bytes it is!")
	l := newSecureLab(t, "gw-17", psk)
	cfg := l.config()
	a := &cfg.Servers[0].Account
	a.Security, a.Identity, a.Held = config.SecurityPSK, "gw-17", keys.Place{Kind: keys.Credential, Name: "gw.psk"}
	folder := t.TempDir()
	t.Setenv(keys.CredentialsVariable, folder)

	agent, stop := l.run(t, cfg)
	tr := agent.await(t, health.KeyUnavailable, true)
	if tr.On != "credential:gw.psk" || !strings.Contains(tr.Detail, "add LoadCredential=gw.psk:FILE") || tr.Remedy == "" {
		t.Errorf("%+v", tr)
	}
	agent.await(t, health.ServerIdentity, true)
	if s := agent.client.Status()[0]; !strings.Contains(s.LastError, client.ErrKey.Error()) || s.Remedy == "" {
		t.Errorf("status says %q, %q", s.LastError, s.Remedy)
	}
	if err := os.WriteFile(filepath.Join(folder, "gw.psk"), []byte(hex.EncodeToString(psk)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := agent.client.Update(101); err != nil {
		t.Fatal(err)
	}
	l.next(t, server.Registered)
	agent.await(t, health.KeyUnavailable, false)
	stop()
	err := fs.WalkDir(os.DirFS(cfg.StateDir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(cfg.StateDir, name))
		for _, form := range forms(psk) {
			if bytes.Contains(bytes.ToLower(content), form) {
				t.Errorf("%s has the key", name)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestKeyNotNamedAnyMore: what is said about a key goes with it.
func TestKeyNotNamedAnyMore(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	plain := cfg.Servers[0]
	s := &cfg.Servers[0].Account
	s.URI = &url.URL{Scheme: "coaps", Host: l.uri.Host}
	s.Security, s.Identity, s.Held = config.SecurityPSK, "gw-17", keys.Place{Kind: keys.Sealed, Name: "/nowhere/gw.sealed"}
	agent, _ := l.run(t, cfg)
	if tr := agent.await(t, health.KeyUnavailable, true); tr.On != "tpm-sealed:/nowhere/gw.sealed" {
		t.Errorf("%+v", tr)
	}
	again := *cfg
	plain.Fingerprint = "2"
	again.Servers = []config.Server{plain}
	if err := agent.Apply(t.Context(), &again); err != nil {
		t.Fatal(err)
	}
	l.next(t, server.Registered)
	agent.await(t, health.KeyUnavailable, false)
}
