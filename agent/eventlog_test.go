package agent

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// TestEventLogIsSent: the server starts the log (ETS int-2000), reads it (int-2001)
// and is sent what is new.
func TestEventLogIsSent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, stop := l.run(t, l.config())
	l.next(t, server.Registered)
	if err := l.client(t).Execute(t.Context(), lwm2m.MustPath("/20/0/4011"), ""); err != nil {
		t.Fatal(err)
	}
	a.log.Info("something happened")
	if v := l.read(t, "/20/0/4014"); !strings.Contains(string(v.Bytes()), `level=INFO msg="something happened"`) {
		t.Errorf("LogData is %q", v.Bytes())
	}
	if err := l.replace(t, "/1/0/23", lwm2m.Boolean(false)); err != nil { // Mute Send
		t.Fatal(err)
	}
	if err := l.replace(t, "/20/0/4017", lwm2m.Unsigned(1)); err != nil {
		t.Fatal(err)
	}
	a.log.Info("something else")
	e := l.next(t, server.Sent)
	if n := e.Nodes[0]; n.Path != lwm2m.MustPath("/20/0/4016") || !strings.Contains(string(n.Value.Bytes()), "something else") {
		t.Errorf("sent %v", e.Nodes)
	}
	if err := l.client(t).Execute(t.Context(), lwm2m.MustPath("/20/0/4012"), ""); err != nil {
		t.Fatal(err)
	}
	stop()
	l.run(t, l.config())
	l.back(t)
	for path, want := range map[string]lwm2m.Value{"/20/0/4017": lwm2m.Unsigned(1), "/20/0/4010": lwm2m.Integer(1)} {
		if v := l.read(t, path); v != want {
			t.Errorf("after a restart %s is %v, want %v", path, v, want)
		}
	}
	if v := l.read(t, "/20/0/4013").Int(); v&1 == 0 || v&8 == 0 {
		t.Errorf("after a restart the status is %d, want stopped and incremental", v)
	}
}

// TestEventLogHasNoKeys: an agent whose DTLS fails and whose configuration is wrong
// tells about it, and no key with it.
func TestEventLogHasNoKeys(t *testing.T) {
	l := newLab(t)
	key := []byte("a very secret key")
	cfg := l.config()
	cfg.Servers = append(cfg.Servers, config.Server{
		Account: config.Account{
			URI: &url.URL{Scheme: "coaps", Host: l.uri.Host}, Security: config.SecurityPSK, Identity: "gw",
			Key: config.NewSecret(key), Instance: config.NoInstance, Fingerprint: "2",
		},
		ShortServerID: 102, Lifetime: time.Hour,
	})
	cfg.Sensors = []config.Sensor{{Name: "broken", Driver: "lm75", Instance: config.NoInstance, Settings: config.Settings{Bus: "/dev/nothing", Address: 0x48, Interval: time.Hour}}}
	a, _ := l.run(t, cfg)
	l.next(t, server.Registered)
	if err := l.replace(t, "/0/1/5", lwm2m.Opaque(key)); lwm2m.CodeOf(err) != lwm2m.Unauthorized {
		t.Errorf("a key that a server writes is answered with %v", err)
	}
	a.log.Info("keys", slog.Any("account", cfg.Servers[1].Key))
	text := string(l.read(t, "/20/0/4014").Bytes())
	if !strings.Contains(text, "msg=keys") {
		t.Errorf("the log is %q", text)
	}
	for _, form := range []string{string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key)} {
		if strings.Contains(text, form) {
			t.Errorf("the log has the key: %q", text)
		}
	}
}

// TestEventLogOfAFile: lines that another program writes, and the error bit while
// the file cannot be read. The number of an instance is bound to the name.
func TestEventLogOfAFile(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(l.dir, "messages")
	if err := os.WriteFile(file, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := l.config()
	cfg.EventLogs = []config.EventLog{
		{Name: "nothing", Source: config.SourceFile, File: filepath.Join(l.dir, "no", "folder"), Class: "trace"},
		{Name: "messages", Source: config.SourceFile, File: file, Class: "generic"},
	}
	a, stop := l.run(t, cfg)
	until(t, a, "/20/2/4013", lwm2m.Integer(2))
	until(t, a, "/20/1/4013", lwm2m.Integer(4))
	if v := a.Tree().Value(lwm2m.MustPath("/20/2/4014")); string(v.Bytes()) != "one\n" {
		t.Errorf("LogData is %q", v.Bytes())
	}
	if v := a.Tree().Value(lwm2m.MustPath("/20/1/4010")); v != lwm2m.Integer(4) {
		t.Errorf("LogClass is %v", v)
	}
	if tr := a.await(t, health.PartFailing, true); tr.On != `event log "nothing"` || !strings.Contains(tr.Detail, "no such file") {
		t.Errorf("health has %+v", tr)
	}
	stop()
	cfg.EventLogs = cfg.EventLogs[1:]
	a, _ = l.run(t, cfg)
	until(t, a, "/20/2/4013", lwm2m.Integer(2))
}

// until waits for a value of the tree.
func until(t *testing.T, a *Agent, path string, want lwm2m.Value) {
	t.Helper()
	p := lwm2m.MustPath(path)
	watch := a.Tree().Subscribe()
	defer watch.Close()
	watch.Watch(p)
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	for a.Tree().Value(p) != want {
		select {
		case <-watch.Wake():
			watch.Take(nil)
		case <-ctx.Done():
			t.Fatalf("%s is %v, want %v", path, a.Tree().Value(p), want)
		}
	}
}
