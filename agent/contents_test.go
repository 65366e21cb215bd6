package agent

import (
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// replace has the server write one value.
func (l *lab) replace(t *testing.T, path string, v lwm2m.Value) error {
	t.Helper()
	p := lwm2m.MustPath(path)
	return l.client(t).Replace(t.Context(), p.At(lwm2m.LevelResource), lwm2m.FormatTLV, []lwm2m.Node{{Path: p, Value: v}})
}

// TestPortfolio: host identities, and an instance of the server's that outlives the
// process until it is deleted (ETS int-1630 and int-1635).
func TestPortfolio(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cfg := l.config()
	cfg.Device = config.Device{Manufacturer: "Example", Model: "GW-2", Serial: "0017"}
	_, stop := l.run(t, cfg)
	l.next(t, server.Registered)
	for path, want := range map[string]string{"/16/0/0/0": "0017", "/16/0/0/1": "Example", "/16/0/0/2": "GW-2", "/16/0/0/3": "test"} {
		if v := l.read(t, path); v != lwm2m.String(want) {
			t.Errorf("%s is %v, want %s", path, v, want)
		}
	}
	at, err := l.client(t).Create(t.Context(), lwm2m.NewPath(16), lwm2m.FormatTLV, []lwm2m.Node{{Path: lwm2m.MustPath("/16/1/0/0"), Value: lwm2m.String("second host")}})
	if err != nil || at != lwm2m.NewPath(16, 1) {
		t.Fatalf("created %v, %v", at, err)
	}
	stop()
	l.run(t, cfg)
	l.back(t)
	if v := l.read(t, "/16/1/0/0"); v != lwm2m.String("second host") {
		t.Errorf("after a restart it is %v", v)
	}
	if err := l.client(t).Delete(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if _, err := l.client(t).Read(t.Context(), at); lwm2m.CodeOf(err) != lwm2m.NotFound {
		t.Errorf("deleted, it answers %v", err)
	}
}

// TestAppData: what a program publishes is told to a server (ETS int-1900), what a
// server writes reaches the program (int-1901), also after a restart.
func TestAppData(t *testing.T) {
	l := newLab(t)
	a, stop := l.run(t, l.config())
	l.next(t, server.Registered)
	if _, err := l.client(t).Observe(t.Context(), lwm2m.MustPath("/19/0/0")); err != nil {
		t.Fatal(err)
	}
	up, down := lwm2m.MustPath("/19/0/0/0"), lwm2m.MustPath("/19/1/0/0")
	if err := (&backend{a}).Write(t.Context(), []lwm2m.Node{{Path: up, Value: lwm2m.Opaque([]byte("up"))}}); err != nil {
		t.Fatal(err)
	}
	if e := l.next(t, server.Notified); len(e.Nodes) != 1 || e.Nodes[0] != (lwm2m.Node{Path: up, Value: lwm2m.Opaque([]byte("up"))}) {
		t.Errorf("notified of %v, %v", e.Nodes, e.Err)
	}
	if v := l.read(t, "/19/0/2"); v.Time().IsZero() {
		t.Errorf("the data was created at %v", v)
	}
	if err := l.replace(t, down.String(), lwm2m.Opaque([]byte("down"))); err != nil {
		t.Fatal(err)
	}
	if err := l.replace(t, down.String(), lwm2m.Opaque(make([]byte, 20000))); lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge {
		t.Errorf("20 kB are answered with %v", err)
	}
	stop()
	a, _ = l.run(t, l.config())
	if r, err := (&backend{a}).Readings(down); err != nil || len(r) != 1 || r[0].Value != lwm2m.Opaque([]byte("down")) {
		t.Errorf("after a restart the program reads %v, %v", r, err)
	}
}

// TestContentThatCannotBeRestored: records of a later version do not keep the agent
// from starting.
func TestContentThatCannotBeRestored(t *testing.T) {
	l := newLab(t)
	s, err := store.Open(l.config().StateDir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{keyPortfolio, keyAppData, keyCoAPConfig, "event log/" + ownLogName} {
		if err := s.Bucket(store.Values).Save(key, []byte(`{"version": 99, "intervals": "many"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	l.run(t, l.config())
	l.next(t, server.Registered)
	for path, want := range map[string]lwm2m.Value{"/16/0/0/3": lwm2m.String("test"), "/20/0/4013": lwm2m.Integer(2), "/500/3/1": lwm2m.Integer(2)} {
		if v := l.read(t, path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
}
