package objects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func TestSecretDoesNotShow(t *testing.T) {
	var out bytes.Buffer
	key := Secret("hunter2")
	a := Account{URI: "coaps://h", Key: key}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", slog.Any("key", key), slog.Any("account", a), slog.Any("pointer", &a))
	fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d %v %+v %#v %+v", key, key, key, key, key, key, key, a, a, a, &a)
	if err := json.NewEncoder(&out).Encode(a); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), "104 117", "0x68, 0x75", "aHVudGVyMg"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q is in %s", leak, text)
		}
	}
	if !strings.Contains(text, "***") {
		t.Errorf("no *** in %s", text)
	}
}

var (
	first = Account{
		URI: "coaps://127.0.0.1:5684", Mode: ModePSK, Identity: []byte("gw-17"), Key: Secret("k"), ShortServerID: 101,
		Lifetime: time.Hour, Server: map[uint16]lwm2m.Value{2: lwm2m.Integer(1), 17: lwm2m.Unsigned(5)},
	}
	second    = Account{SecurityInstance: 1, ServerInstance: 1, URI: "coap://h", Mode: ModeNoSec, ShortServerID: 102, DropOffline: true, Binding: "UQ"}
	bootstrap = Account{SecurityInstance: 2, URI: "coaps://bs", Bootstrap: true, Mode: ModePSK, HoldOff: 1500 * time.Millisecond, Key: Secret("b")}
)

func TestSeed(t *testing.T) {
	f := newFixture(t)
	security, err := NewSecurity(f.tree, nil)
	f.check(err)
	server, err := NewServer(f.tree, "U", ServerHooks{})
	f.check(err)
	f.check(security.Seed(first))
	f.check(security.Seed(first, second, bootstrap))
	f.check(server.Seed(first, second, bootstrap))
	want := map[string]string{
		"/0/0/0": "coaps://127.0.0.1:5684", "/0/0/1": "0", "/0/0/2": "0", "/0/0/3": "Z3ctMTc=", "/0/0/4": "", "/0/0/5": "aw==", "/0/0/10": "101",
		"/0/1/0": "coap://h", "/0/1/1": "0", "/0/1/2": "3", "/0/1/3": "", "/0/1/4": "", "/0/1/5": "", "/0/1/10": "102",
		"/0/2/0": "coaps://bs", "/0/2/1": "1", "/0/2/2": "0", "/0/2/3": "", "/0/2/4": "", "/0/2/5": "Yg==", "/0/2/11": "2", "/0/2/12": "0",
	}
	if d := cmp.Diff(want, f.values("/0")); d != "" {
		t.Errorf("object 0 (-want +got):\n%s", d)
	}
	want = map[string]string{
		"/1/0/0": "101", "/1/0/1": "3600", "/1/0/2": "1", "/1/0/6": "1", "/1/0/7": "U", "/1/0/17": "5",
		"/1/1/0": "102", "/1/1/1": "0", "/1/1/6": "0", "/1/1/7": "UQ",
	}
	if d := cmp.Diff(want, f.values("/1")); d != "" {
		t.Errorf("object 1 (-want +got):\n%s", d)
	}
	for path, code := range map[string]lwm2m.Code{"/0/0/5": lwm2m.Unauthorized, "/0": lwm2m.Unauthorized} {
		_, err := f.tree.Read(model.FromServer(101), lwm2m.MustPath(path), nil)
		f.refused(err, code, "bootstrap server only")
	}
	nodes, err := f.tree.Read(model.FromLocal(), lwm2m.MustPath("/0/0"), nil)
	f.check(err)
	for _, n := range nodes {
		if n.Path.Resource() == ridSecretKey {
			t.Error("a local user reads the key")
		}
	}
}

func TestSeedRefusals(t *testing.T) {
	f := newFixture(t)
	security, err := NewSecurity(f.tree, nil)
	f.check(err)
	server, err := NewServer(f.tree, "U", ServerHooks{})
	f.check(err)
	change := func(c func(*Account)) Account {
		a := first
		c(&a)
		return a
	}
	for want, accounts := range map[string][]Account{
		"not the URI of a server":    {change(func(a *Account) { a.URI = "localhost" })},
		"needs a key":                {change(func(a *Account) { a.Mode = ModeNoSec })},
		"must be NoSec":              {change(func(a *Account) { a.URI = "coap://h" })},
		"no security mode 9":         {change(func(a *Account) { a.Mode = 9 })},
		"is not one of 1 to 65534":   {change(func(a *Account) { a.ShortServerID = 0 })},
		"has no Short Server ID":     {change(func(a *Account) { a.Bootstrap = true })},
		"a time is negative":         {change(func(a *Account) { a.Lifetime = -1 })},
		"belongs to coaps://127":     {first, change(func(a *Account) { a.ShortServerID = 7 })},
		"has the same Short Server":  {first, change(func(a *Account) { a.SecurityInstance = 7 })},
		"is a bootstrap server too":  {bootstrap, change(func(a *Account) { *a = bootstrap; a.SecurityInstance = 7 })},
		"restore object 0 (LWM2M Se": {change(func(a *Account) { a.Security = map[uint16]lwm2m.Value{14: lwm2m.Integer(1)} })},
	} {
		if err := security.Seed(accounts...); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v; want %s", err, want)
		}
	}
	for want, accounts := range map[string][]Account{
		"none of the transports U": {change(func(a *Account) { a.Binding = "S" })},
		"is no binding":            {change(func(a *Account) { a.Binding = "UU" })},
		"server instance 0":        {first, second, change(func(a *Account) { a.ShortServerID = 7 })},
		"is no version":            {change(func(a *Account) { a.Server = map[uint16]lwm2m.Value{25: lwm2m.String("x")} })},
	} {
		if err := server.Seed(accounts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	if len(f.tree.Instances(0))+len(f.tree.Instances(1)) != 0 {
		t.Error("something was made")
	}
}

// servers is a tree with object 1 and two accounts.
func (f *fixture) servers(hooks ServerHooks) *Server {
	f.Helper()
	s, err := NewServer(f.tree, "UT", hooks)
	f.check(err)
	f.check(s.Seed(first, second))
	return s
}

func TestServerWrites(t *testing.T) {
	f := newFixture(t)
	var r recorder
	f.servers(ServerHooks{Save: r.save})
	for _, c := range []struct {
		path  string
		value lwm2m.Value
		words string // of the refusal; "" for taken
	}{
		{"/1/0/1", lwm2m.Integer(86400), ""},
		{"/1/0/1", lwm2m.Integer(0), ""}, // for ever
		{"/1/0/1", lwm2m.Integer(-1), "negative"},
		{"/1/0/1", lwm2m.String("soon"), "String"},
		{"/1/0/2", lwm2m.Integer(10), ""},
		{"/1/0/2", lwm2m.Integer(-10), "negative"},
		{"/1/0/3", lwm2m.Integer(60), ""},
		{"/1/0/3", lwm2m.Integer(-60), "negative"},
		{"/1/0/5", lwm2m.Integer(86400), ""},
		{"/1/0/5", lwm2m.Integer(-1), "negative"},
		{"/1/0/6", lwm2m.Boolean(false), ""},
		{"/1/0/7", lwm2m.String("U"), ""},
		{"/1/0/7", lwm2m.String("UQ"), ""},
		{"/1/0/7", lwm2m.String("TU"), ""},
		{"/1/0/7", lwm2m.String(""), "none of the transports"},
		{"/1/0/7", lwm2m.String("Q"), "none of the transports"},
		{"/1/0/7", lwm2m.String("S"), "none of the transports"},
		{"/1/0/7", lwm2m.String("UXU"), "is no binding"},
		{"/1/0/10", lwm2m.Objlnk(11, 0), "is not there"},
		{"/1/0/10", lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID), ""},
		{"/1/0/10", lwm2m.Objlnk(3, 0), "is not there"},
		{"/1/0/14", lwm2m.Unsigned(30), ""},
		{"/1/0/17", lwm2m.Unsigned(3), ""},
		{"/1/0/18", lwm2m.Unsigned(30), ""},
		{"/1/0/19", lwm2m.Unsigned(1 << 63), ""}, // MAX_VALUE: no further sequence
		{"/1/0/20", lwm2m.Unsigned(2), ""},
		{"/1/0/21", lwm2m.Boolean(true), ""},
		{"/1/0/22", lwm2m.String("T"), ""},
		{"/1/0/22", lwm2m.String("UT"), "is not one of the transports"},
		{"/1/0/22", lwm2m.String("M"), "is not one of the transports"},
		{"/1/0/23", lwm2m.Boolean(true), ""},
		{"/1/0/26", lwm2m.Integer(1), ""},
		{"/1/0/26", lwm2m.Integer(2), "outside of 0..1"},
	} {
		before := len(r.saved)
		err := f.writeFrom(model.FromServer(101), c.path, c.value)
		if c.words != "" {
			f.refused(err, lwm2m.BadRequest, c.words)
			if len(r.saved) != before {
				t.Errorf("%s: a refused write was saved", c.path)
			}
			continue
		}
		f.check(err)
		if got := r.last()[c.path]; got != c.value.String() {
			t.Errorf("%s: saved %q, want %q", c.path, got, c.value)
		}
		f.has(map[string]string{c.path: c.value.String()})
	}
	for _, path := range []string{"/1/0/0", "/1/0/11", "/1/0/13", "/1/0/15", "/1/0/16"} { // to read only
		f.refused(f.writeFrom(model.FromServer(101), path, lwm2m.Integer(1)), lwm2m.MethodNotAllowed, "cannot be written")
	}
	versions := lwm2m.MustPath("/1/0/25")
	f.check(f.tree.Write(t.Context(), model.FromServer(101), model.Replace, versions, []lwm2m.Node{{Path: versions.Child(0), Value: lwm2m.String("1.2.2")}}))
	if got := r.last()["/1/0/25/0"]; got != "1.2.2" {
		t.Errorf("saved version %q", got)
	}
}

func TestServerWriteIsNotSaved(t *testing.T) {
	f := newFixture(t)
	r := recorder{err: errors.New("disk full")}
	f.servers(ServerHooks{Save: r.save})
	f.refused(f.writeFrom(model.FromServer(101), "/1/0/1", lwm2m.Integer(60)), lwm2m.InternalServerError, "disk full")
	f.has(map[string]string{"/1/0/1": "3600"})
}

// TestServerWriteIsTakenBack: another object of the same request fails, so what
// was saved is saved as it was.
func TestServerWriteIsTakenBack(t *testing.T) {
	f := newFixture(t)
	var r recorder
	f.servers(ServerHooks{Save: r.save})
	var tx sequence
	s := record{tree: f.tree, save: r.save}
	pub, err := f.tree.AddRegistered(3303, refuser{})
	f.check(err)
	s.pub = pub
	e := &model.Edit{Set: []lwm2m.Node{{Path: lwm2m.MustPath("/3303/0/5750"), Value: lwm2m.String("x")}}}
	s.keep(&tx, e)
	f.check(tx.Commit(t.Context()))
	if got := r.last(); got["/3303/0/5750"] != "x" {
		t.Errorf("saved %v", got)
	}
	tx.Abort()
	if got := r.last(); len(got) != 0 {
		t.Errorf("after the abort there is %v", got)
	}
}

func TestServerAccountsAreNotForServers(t *testing.T) {
	f := newFixture(t)
	var r recorder
	f.servers(ServerHooks{Save: r.save})
	account := []lwm2m.Node{
		{Path: lwm2m.MustPath("/1/5/0"), Value: lwm2m.Integer(105)},
		{Path: lwm2m.MustPath("/1/5/1"), Value: lwm2m.Integer(60)},
		{Path: lwm2m.MustPath("/1/5/6"), Value: lwm2m.Boolean(true)},
		{Path: lwm2m.MustPath("/1/5/7"), Value: lwm2m.String("U")},
	}
	_, err := f.tree.Create(t.Context(), model.FromLocal(), lwm2m.MustPath("/1"), account[1:])
	f.refused(err, lwm2m.MethodNotAllowed, "made by the configuration")
	f.refused(f.tree.Delete(t.Context(), model.FromServer(101), lwm2m.MustPath("/1/1")), lwm2m.MethodNotAllowed, "deleted by the configuration")

	byBootstrap := model.Origin{Kind: model.OriginBootstrap}
	iid, err := f.tree.Create(t.Context(), byBootstrap, lwm2m.MustPath("/1/5"), account)
	f.check(err)
	if got := r.last(); iid != 5 || got["/1/5/0"] != "105" || got["/1/0/0"] != "101" {
		t.Errorf("instance %d, saved %v", iid, got)
	}
	f.check(f.tree.Delete(t.Context(), byBootstrap, lwm2m.MustPath("/1/0")))
	if got := r.last(); got["/1/0/0"] != "" || got["/1/5/0"] != "105" {
		t.Errorf("saved %v", got)
	}
}

func TestServerDeleteResource(t *testing.T) {
	f := newFixture(t)
	var r recorder
	f.servers(ServerHooks{Save: r.save})
	f.check(f.tree.Delete(t.Context(), model.FromServer(101), lwm2m.MustPath("/1/0/2")))
	if got := r.last(); got["/1/0/2"] != "" || got["/1/0/1"] != "3600" {
		t.Errorf("saved %v", got)
	}
}

func TestServerExecute(t *testing.T) {
	f := newFixture(t)
	var log []string
	note := func(what string) func(context.Context, uint16) error {
		return func(_ context.Context, id uint16) error {
			log = append(log, fmt.Sprintf("%s %d", what, id))
			return nil
		}
	}
	s := f.servers(ServerHooks{
		Update: func(_ context.Context, id uint16, transport string) error {
			log = append(log, fmt.Sprintf("update %d %s", id, transport))
			return nil
		},
		Bootstrap: note("bootstrap"),
		Disable: func(_ context.Context, id uint16, d time.Duration) error {
			log = append(log, fmt.Sprintf("disable %d %v", id, d))
			return nil
		},
	})
	f.check(f.execute("/1/0/8", ""))
	f.check(f.execute("/1/1/8", "0='T'"))
	f.refused(f.execute("/1/1/8", "0='S'"), lwm2m.BadRequest, "is not one of the transports")
	f.check(f.execute("/1/0/9", ""))
	f.check(f.execute("/1/0/4", ""))
	f.check(f.write("/1/0/5", lwm2m.Integer(60)))
	f.check(f.execute("/1/0/4", ""))
	f.check(f.write("/1/0/5", lwm2m.Integer(1<<62)))
	f.check(f.execute("/1/0/4", ""))
	f.refused(f.execute("/1/0/1", ""), lwm2m.MethodNotAllowed, "cannot be executed")
	want := []string{"update 101 ", "update 102 T", "bootstrap 101", "disable 101 24h0m0s", "disable 101 1m0s", "disable 101 876000h0m0s"}
	if d := cmp.Diff(want, log); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}

	f.check(s.SetAlert(102, 48))
	f.has(map[string]string{"/1/1/11": "48"})
	if err := s.SetAlert(7, 1); err == nil {
		t.Error("an alert of an unknown server was taken")
	}

	f = newFixture(t) // without hooks
	f.servers(ServerHooks{})
	f.refused(f.execute("/1/0/8", ""), lwm2m.MethodNotAllowed, "cannot be executed here")
	f.refused(f.execute("/1/0/4", ""), lwm2m.NotFound, "no resource")
}

// TestBootstrapServerWritesAccounts: what it makes is checked and saved like what servers
// write, and can be executed.
func TestBootstrapServerWritesAccounts(t *testing.T) {
	f := newFixture(t)
	var servers, keys recorder
	updated := uint16(0)
	f.servers(ServerHooks{Save: servers.save, Update: func(_ context.Context, id uint16, _ string) error { updated = id; return nil }})
	security, err := NewSecurity(f.tree, keys.save)
	f.check(err)
	f.check(security.Seed(first, second))
	path := lwm2m.MustPath
	commit := func(lifetime int64) error {
		stage := f.tree.Stage()
		f.check(stage.Delete(path("/1")))
		f.check(stage.Write(path("/1/7"), []lwm2m.Node{
			{Path: path("/1/7/0"), Value: lwm2m.Integer(107)}, {Path: path("/1/7/1"), Value: lwm2m.Integer(lifetime)},
		}))
		f.check(stage.Write(path("/0/1/0"), []lwm2m.Node{{Path: path("/0/1/0"), Value: lwm2m.String("coap://other")}}))
		_, err := stage.Commit(t.Context(), func(context.Context) error { return nil })
		return err
	}
	f.refused(commit(-1), lwm2m.BadRequest, "negative")
	if n := len(servers.saved); n > 0 {
		t.Errorf("%d records were saved of what was refused", n)
	}
	f.check(commit(60))
	f.check(f.execute("/1/7/8", ""))
	if updated != 107 {
		t.Errorf("server %d was updated", updated)
	}
	if got := fmt.Sprint(servers.saved[len(servers.saved)-1]); !strings.Contains(got, "/1/7/1") || strings.Contains(got, "/1/0/") {
		t.Errorf("saved %s", got)
	}
	f.has(map[string]string{"/0/1/0": "coap://other", "/1/7/0": "107"})
}

// TestRestore: what was saved is what there is after a restart.
func TestRestore(t *testing.T) {
	f := newFixture(t)
	var servers, keys recorder
	f.servers(ServerHooks{Save: servers.save})
	security, err := NewSecurity(f.tree, keys.save)
	f.check(err)
	f.check(security.Seed(first, second))
	f.check(f.writeFrom(model.FromServer(101), "/1/0/1", lwm2m.Integer(60)))
	byBootstrap := model.Origin{Kind: model.OriginBootstrap}
	f.refused(f.writeFrom(byBootstrap, "/0/0/0", lwm2m.String("no uri")), lwm2m.BadRequest, "not the URI")
	f.refused(f.tree.Delete(t.Context(), model.FromLocal(), lwm2m.MustPath("/0/0")), lwm2m.MethodNotAllowed, "bootstrap server only")
	f.check(f.writeFrom(byBootstrap, "/0/0/0", lwm2m.String("coaps://other")))

	g := newFixture(t)
	again := g.servers(ServerHooks{Bootstrap: func(context.Context, uint16) error { return nil }})
	newer := slices.Concat(servers.saved[0], []lwm2m.Node{{Path: lwm2m.MustPath("/1/0/999"), Value: lwm2m.String("of a newer agent")}})
	g.check(again.Restore(newer))
	security, err = NewSecurity(g.tree, nil)
	g.check(err)
	g.check(security.Restore(keys.saved[0]))
	for _, oid := range []string{"/0", "/1"} {
		if d := cmp.Diff(f.values(oid), g.values(oid)); d != "" {
			t.Errorf("%s (-before +after):\n%s", oid, d)
		}
	}
	g.check(g.execute("/1/1/9", ""))
	for _, bad := range []lwm2m.Node{
		{Path: lwm2m.MustPath("/2/0/0"), Value: lwm2m.Integer(1)},
		{Path: lwm2m.MustPath("/1/0/1"), Value: lwm2m.String("x")},
		{Path: lwm2m.MustPath("/1/0/1/0"), Value: lwm2m.Integer(1)},
		{Path: lwm2m.MustPath("/1")},
	} {
		if err := again.Restore([]lwm2m.Node{bad}); err == nil {
			t.Errorf("%s was restored", bad.Path)
		}
	}
	g.has(map[string]string{"/1/0/1": "60"}) // nothing is lost by a restore that fails
}
