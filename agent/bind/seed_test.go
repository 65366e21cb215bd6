package bind

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// accountsIn lists the accounts of a tree: instances of objects 0 and 1 with their Short
// Server IDs, "b" for a bootstrap account, and lifetimes.
func accountsIn(tree *model.Tree) string {
	var b strings.Builder
	for _, iid := range tree.Instances(0) {
		if tree.Value(lwm2m.NewPath(0, iid, 1)).Bool() {
			fmt.Fprintf(&b, "/0/%d=b ", iid)
		} else {
			fmt.Fprintf(&b, "/0/%d=%d ", iid, tree.Value(lwm2m.NewPath(0, iid, 10)).Int())
		}
	}
	for _, iid := range tree.Instances(1) {
		fmt.Fprintf(&b, "/1/%d=%d,%d ", iid, tree.Value(lwm2m.NewPath(1, iid, 0)).Int(), tree.Value(lwm2m.NewPath(1, iid, 1)).Int())
	}
	return b.String()
}

func bootstrapSection(fingerprint string) *config.Bootstrap {
	return &config.Bootstrap{Account: config.Account{
		URI: &url.URL{Scheme: "coap", Host: "bs:5683"}, Security: config.SecurityNone, Instance: config.NoInstance, Fingerprint: fingerprint,
	}}
}

// bootstrapTo replaces all accounts by one, as a bootstrap server does.
func bootstrapTo(t *testing.T, ssid uint16) func(*model.Tree) {
	t.Helper()
	return func(tree *model.Tree) {
		path := lwm2m.MustPath
		stage := tree.Stage(path("/0/1"))
		err := errors.Join(
			stage.Delete(path("/0")), stage.Delete(path("/1")),
			stage.Write(path("/0/0"), []lwm2m.Node{
				{Path: path("/0/0/0"), Value: lwm2m.String("coap://new")},
				{Path: path("/0/0/2"), Value: lwm2m.Integer(3)},
				{Path: path("/0/0/10"), Value: lwm2m.Unsigned(uint64(ssid))},
			}),
			stage.Write(path("/1/0"), []lwm2m.Node{
				{Path: path("/1/0/0"), Value: lwm2m.Integer(int64(ssid))}, {Path: path("/1/0/1"), Value: lwm2m.Integer(77)},
			}),
		)
		if err == nil {
			_, err = stage.Commit(t.Context(), func(context.Context) error { return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestBootstrapStays: what a bootstrap server made outlives restarts, and edits of the
// configuration that do not concern the same server.
func TestBootstrapStays(t *testing.T) {
	server := func(fingerprint string, id uint16) []config.Server {
		return []config.Server{account(fingerprint, id, time.Hour)}
	}
	for name, c := range map[string]struct {
		cfg  *config.Config
		want string
	}{
		"nothing edited":    {&config.Config{Servers: server("a", 101), Bootstrap: bootstrapSection("b")}, "/0/0=201 /0/1=b /1/0=201,77 "},
		"section removed":   {&config.Config{Bootstrap: bootstrapSection("b")}, "/0/0=201 /0/1=b /1/0=201,77 "},
		"section edited":    {&config.Config{Servers: server("c", 101), Bootstrap: bootstrapSection("b")}, "/0/0=201 /0/1=b /0/2=101 /1/0=201,77 /1/1=101,3600 "},
		"server edited":     {&config.Config{Servers: server("c", 201), Bootstrap: bootstrapSection("b")}, "/0/1=b /0/2=201 /1/1=201,3600 "},
		"bootstrap edited":  {&config.Config{Servers: server("a", 101), Bootstrap: bootstrapSection("d")}, "/0/0=201 /0/1=b /1/0=201,77 "},
		"bootstrap removed": {&config.Config{Servers: server("a", 101)}, "/0/0=201 /1/0=201,77 "},
	} {
		dir := t.TempDir()
		first := &config.Config{Servers: server("a", 101), Bootstrap: bootstrapSection("b")}
		seeded(t, dir, first, bootstrapTo(t, 201))
		for range 2 { // the second time nothing is new
			seeded(t, dir, c.cfg, func(tree *model.Tree) {
				if got := accountsIn(tree); got != c.want {
					t.Errorf("%s: %s, want %s", name, got, c.want)
				}
			})
		}
	}
}

// TestDamagedAccounts: a state directory that has lost one of the records of accounts gives a gateway that
// reaches its servers, or at least its bootstrap server.
func TestDamagedAccounts(t *testing.T) {
	cfg := &config.Config{Servers: []config.Server{account("a", 101, time.Hour)}, Bootstrap: bootstrapSection("b")}
	seed := "/0/0=101 /0/1=b /1/0=101,3600 "
	for name, c := range map[string]struct {
		lost      string
		bootstrap bool // there was a bootstrap before
		want      string
	}{
		"object 0":                           {keySecurity, false, seed},
		"object 1":                           {keyServer, false, seed},
		"where they came from":               {keySections, false, "/0/2=101 /0/3=b /1/1=101,3600 "},
		"object 0, bootstrapped":             {keySecurity, true, seed},
		"object 1, bootstrapped":             {keyServer, true, seed},
		"where they came from, bootstrapped": {keySections, true, "/0/0=201 /0/2=101 /0/3=b /1/0=201,77 /1/1=101,3600 "},
	} {
		dir := t.TempDir()
		var before func(*model.Tree)
		if c.bootstrap {
			before = bootstrapTo(t, 201)
		}
		seeded(t, dir, cfg, before)
		s, err := store.Open(dir, store.Options{})
		if err == nil {
			err = errors.Join(s.Bucket(store.Accounts).Save(c.lost, nil), s.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			seeded(t, dir, cfg, func(tree *model.Tree) {
				if got := accountsIn(tree); got != c.want {
					t.Errorf("%s: %s, want %s", name, got, c.want)
				}
			})
		}
	}
}

// TestBootstrapInstance: servers leave the bootstrap server the instance that it is given.
func TestBootstrapInstance(t *testing.T) {
	cfg := &config.Config{Servers: []config.Server{account("a", 101, time.Hour), account("b", 102, time.Hour)}, Bootstrap: bootstrapSection("c")}
	cfg.Bootstrap.Instance = 1
	dir := t.TempDir()
	for range 2 {
		seeded(t, dir, cfg, func(tree *model.Tree) {
			if got := accountsIn(tree); got != "/0/0=101 /0/1=b /0/2=102 /1/0=101,3600 /1/1=102,3600 " {
				t.Error(got)
			}
		})
	}
}

// TestReplacedBootstrapAccountStays: the configuration's does not come back before it is
// edited, and then takes its place.
func TestReplacedBootstrapAccountStays(t *testing.T) {
	dir, path := t.TempDir(), lwm2m.MustPath
	cfg := &config.Config{Servers: []config.Server{account("a", 101, time.Hour)}, Bootstrap: bootstrapSection("b")}
	seeded(t, dir, cfg, func(tree *model.Tree) {
		stage := tree.Stage()
		err := errors.Join(stage.Delete(path("/0/1")), stage.Write(path("/0/7"), []lwm2m.Node{
			{Path: path("/0/7/0"), Value: lwm2m.String("coap://bs2")}, {Path: path("/0/7/1"), Value: lwm2m.Boolean(true)}, {Path: path("/0/7/2"), Value: lwm2m.Integer(3)},
		}))
		if err == nil {
			_, err = stage.Commit(t.Context(), func(context.Context) error { return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, c := range []struct{ fingerprint, want string }{
		{"b", "/0/0=101 /0/7=b /1/0=101,3600 "},
		{"c", "/0/0=101 /0/1=b /1/0=101,3600 "},
	} {
		cfg.Bootstrap = bootstrapSection(c.fingerprint)
		seeded(t, dir, cfg, func(tree *model.Tree) {
			if got := accountsIn(tree); got != c.want {
				t.Errorf("fingerprint %s: %s, want %s", c.fingerprint, got, c.want)
			}
		})
	}
}

// TestTogether: records are kept at once, and each by itself afterwards.
func TestTogether(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	within, keep := Together(t.Context(), s)
	save := func(ctx context.Context, bucket store.Name, key, record string) {
		t.Helper()
		if err := saveAll(ctx, s, bucket, map[string][]byte{key: []byte(record)}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(bucket store.Name, key, want string) {
		t.Helper()
		if got, _ := s.Bucket(bucket).Load(key); string(got) != want {
			t.Errorf("%s/%s is %q, want %q", bucket, key, got, want)
		}
	}
	save(within, store.Accounts, "security", "1")
	save(within, store.Values, "coap", "2")
	save(t.Context(), store.Accounts, "server", "3")
	want(store.Accounts, "security", "")
	want(store.Accounts, "server", "3")
	if err := keep(); err != nil {
		t.Fatal(err)
	}
	want(store.Accounts, "security", "1")
	want(store.Values, "coap", "2")
	save(within, store.Accounts, "security", "4")
	want(store.Accounts, "security", "4")

	within, keep = Together(t.Context(), s)
	save(within, store.Accounts, "security", "5")
	save(within, store.Values, "coap", strings.Repeat("x", 1<<20))
	if err := keep(); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("too large a record: %v", err)
	}
	want(store.Accounts, "security", "4")
}
