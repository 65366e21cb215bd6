package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// serve runs a SocketServer until the test ends and returns its client.
func serve(t *testing.T, d *device) (c *Client, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "run", "agent.sock")
	end := start(t, d, SocketOptions{Path: path})
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	})
	return NewClient(path), path
}

// start runs a SocketServer and returns what ends it.
func start(t *testing.T, d *device, opts SocketOptions) (end func() error) {
	t.Helper()
	s := NewSocketServer(d, opts)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- s.Run(ctx) })
	select {
	case <-s.Ready():
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	return func() error {
		cancel()
		running.Wait()
		return <-ended
	}
}

func TestClient(t *testing.T) {
	d := newDevice(t)
	c, _ := serve(t, d)
	ctx := t.Context()
	if s, err := c.Status(ctx); err != nil || s.Endpoint != "urn:dev:os:32473-gw-17" || len(s.Servers) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if places, err := c.Tree(ctx, "/3/0"); err != nil || len(places) != 9 {
		t.Errorf("%+v, %v", places, err)
	}
	if places, err := c.Tree(ctx, ""); err != nil || len(places) < 20 {
		t.Errorf("%d places, %v", len(places), err)
	}
	if err := c.Write(ctx, map[string]any{"/3/0/14": "+02:00", "/99/0/3": 5}); err != nil {
		t.Error(err)
	}
	values, err := c.Values(ctx, "/3/0/14", "/99/0/3")
	if err != nil || len(values) != 2 || values[0].Value != "+02:00" {
		t.Errorf("%+v, %v", values, err)
	}
	if err := errors.Join(c.Execute(ctx, "/3/0/4", "0='a'"), c.Update(ctx), c.Update(ctx, 101)); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]string{"/3/0/4 a"}, d.executed); d != "" {
		t.Error(d)
	}
	err = c.Execute(ctx, "/3/0/0", "")
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Code != "4.05" || err.Error() != "4.05 /3/0/0 (Manufacturer) cannot be executed" {
		t.Errorf("the error is %v", err)
	}
}

func TestClientWithoutAgent(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, path := range []string{filepath.Join(dir, "none"), dead} {
		_, err := NewClient(path).Status(t.Context())
		if want := "no agent answers at " + path + ": is it running? \"lwm2m-agent check\" says whether its configuration is right, \"systemctl status lwm2m-agent\" how it ended; -socket PATH names another socket"; err == nil || err.Error() != want {
			t.Errorf("error: %v\nwant: %s", err, want)
		}
	}
}

// follow collects events until it has seen want of them, and then does next.
func follow(t *testing.T, c *Client, paths []string, steps ...func()) []Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []Event
	enough := errors.New("enough")
	err := c.Events(ctx, paths, func(e Event) error {
		got = append(got, e)
		if e.Event == "value" && e.Path != "/3303/0/5601" && e.Path != "/3303/0/5700" {
			return nil // one of many of the same moment
		}
		if len(steps) == 0 {
			return enough
		}
		steps[0]()
		steps = steps[1:]
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("after %d events: %v", len(got), err)
	}
	return got
}

func TestEvents(t *testing.T) {
	d := newDevice(t)
	d.tracker.Set(health.ServerMissing, "", "")
	kind := d.tracker.Troubles()[0].Kind
	c, _ := serve(t, d)
	nothing := func() {}
	got := follow(t, c, []string{"/3303/0/5700", "/0"}, // 0/0/0 is the one value of /0 that can be read
		nothing, // registration, as it stands
		nothing, // health, as it stands
		func() { // the temperature, as it stands
			d.publish(d.sensors, func(b *model.Batch) { b.SetAt(0, 5700, lwm2m.Float(22), clock().Add(time.Second), model.Good) })
		},
		func() { d.tell([]Server{{ShortServerID: 101, State: "waiting", Words: "no answer"}}, false) },
		func() { d.tracker.Clear(health.ServerMissing, "") },
		func() {
			d.publish(d.sensors, func(b *model.Batch) { b.Set(0, 5601, lwm2m.Float(1)); b.Remove(0, 5700) })
		}, // 5601 is not asked for
		func() { d.tell(nil, true) },
	)
	at := clock().UTC().Truncate(time.Millisecond)
	missing := &Trouble{Code: "server-missing", Severity: "warning", Text: kind.Text, Remedy: kind.Remedy, Since: at}
	registered := d.servers[0]
	registered.Since = at
	want := []Event{
		{Event: EventRegistration, Server: &registered},
		{Event: EventHealth, Change: "set", Trouble: missing},
		{Event: EventValue, Path: "/3303/0/5700", Name: "Sensor Value", Type: "Float", Value: json.Number("21.5"), Unit: "Cel", Time: at, Quality: "stale"},
		{Event: EventValue, Path: "/0/0/0", Name: "LWM2M Server URI", Type: "String", Value: "coaps://lwm2m.example.com:5684", Time: at, Quality: "good"},
		{Event: EventValue, Path: "/3303/0/5700", Name: "Sensor Value", Type: "Float", Value: json.Number("22"), Unit: "Cel", Time: at.Add(time.Second), Quality: "good"},
		{Event: EventRegistration, Server: &Server{ShortServerID: 101, State: "waiting", Words: "no answer"}},
		{Event: EventHealth, Change: "cleared", Trouble: missing},
		{Event: EventTree, Change: "deleted", Path: "/3303/0/5700"},
		{Event: EventLost},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestEventsOfWhatIsMissing: a path where nothing is yet is told of, and is waited for; what
// can never be read is refused.
func TestEventsOfWhatIsMissing(t *testing.T) {
	d := newDevice(t)
	c, _ := serve(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	missing := errors.New("missing")
	err := c.Events(ctx, []string{"/3303/77", "/3303/0/5700"}, func(e Event) error {
		if e.Event != EventTree {
			return nil
		}
		if d := cmp.Diff(Event{Event: EventTree, Change: "missing", Path: "/3303/77"}, e); d != "" {
			t.Error(d)
		}
		return missing
	})
	if !errors.Is(err, missing) {
		t.Errorf("the stream ends with %v", err)
	}
	err = c.Events(ctx, []string{"/0/0/5"}, func(Event) error { return nil })
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Code != "4.05" {
		t.Errorf("the secret key: %v", err)
	}
}

// TestEventStreamsEnd: with the client, and with the agent; nothing is left of
// them.
func TestEventStreamsEnd(t *testing.T) {
	d := newDevice(t)
	path := filepath.Join(t.TempDir(), "agent.sock")
	end := start(t, d, SocketOptions{Path: path})
	c := NewClient(path)
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Events(ctx, nil, func(Event) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a client that goes: %v", err)
	}
	gone := make(chan error, 1)
	var following sync.WaitGroup
	began := make(chan struct{}, 1)
	following.Go(func() {
		gone <- c.Events(t.Context(), nil, func(Event) error { began <- struct{}{}; return nil })
	})
	<-began
	if err := end(); err != nil {
		t.Error(err)
	}
	if err := <-gone; err == nil || err.Error() != "the agent has ended the stream" {
		t.Errorf("an agent that ends: %v", err)
	}
	following.Wait()
	if n := d.subscribed(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	d := newDevice(t)
	c, _ := serve(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	var streams sync.WaitGroup
	defer streams.Wait()
	defer cancel()
	for range maxStreams {
		began := make(chan struct{}, 1)
		streams.Go(func() {
			c.Events(ctx, nil, func(Event) error { began <- struct{}{}; return nil })
		})
		<-began
	}
	err := c.Events(ctx, nil, func(Event) error { return nil })
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Code != "5.03" {
		t.Errorf("one more: %v", err)
	}
}

// TestConnectionsAreBounded: who holds connections open keeps others out, but not
// for good, and does not cost the agent more than so many.
func TestConnectionsAreBounded(t *testing.T) {
	c, path := serve(t, newDevice(t))
	var held [maxConnections]net.Conn
	for i := range held {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		held[i] = conn
	}
	extra, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	extra.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := extra.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one connection more: %v", err)
	}
	for _, conn := range held {
		conn.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := c.Status(ctx); err == nil {
			return
		}
	}
	t.Error("no answer after the others have gone")
}

func TestSocketFile(t *testing.T) {
	d := newDevice(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.sock")
	// A dead agent's socket, at both names, is replaced.
	for _, name := range []string{path, path + nextSocket} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
	}
	end := start(t, d, SocketOptions{Path: path})
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// A living one's is not.
	err = NewSocketServer(d, SocketOptions{Path: path}).Run(t.Context())
	if want := "control socket: another agent serves " + path + "; stop it, or give another path with -socket PATH"; err == nil || err.Error() != want {
		t.Errorf("error: %v\nwant: %s", err, want)
	}
	// A socket that another agent has put there is not removed.
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	err = NewSocketServer(d, SocketOptions{Path: path}).Run(t.Context())
	if want := "control socket: " + path + " is there and no socket; remove it, or give another path with -socket PATH"; err == nil || err.Error() != want {
		t.Errorf("error: %v\nwant: %s", err, want)
	}
	long := filepath.Join(dir, strings.Repeat("x", 108))
	if err := NewSocketServer(d, SocketOptions{Path: long}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "at most 103; give a shorter one with -socket PATH") {
		t.Errorf("a long path: %v", err)
	}
}

// TestHandedListener: a socket that the service supervisor made is served, and not
// removed.
func TestHandedListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	end := start(t, newDevice(t), SocketOptions{Path: "/nowhere", Listener: l})
	if _, err := NewClient(path).Status(t.Context()); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestRights(t *testing.T) {
	groups := func(in ...string) func(string) bool {
		return func(g string) bool { return slices.Contains(in, g) }
	}
	tests := []struct {
		name          string
		uid           uint32
		in            func(string) bool
		read, changes bool
	}{
		{"root", 0, groups(), true, true},
		{"the agent's own user", 990, groups(), true, true},
		{"member of the reading group", 1000, groups(GroupReading), true, false},
		{"member of the changing group", 1000, groups(GroupChanging), true, true},
		{"of both", 1000, groups(GroupReading, GroupChanging), true, true},
		{"of none", 1000, groups("users"), false, false},
	}
	for _, tt := range tests {
		p := rights(tt.uid, 990, tt.in)
		if p.read != tt.read || p.changes != tt.changes {
			t.Errorf("%s: %+v", tt.name, p)
		}
		for need, want := range map[Access]bool{Reading: tt.read, Changing: tt.changes} {
			r, err := http.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, p), http.MethodGet, "/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := byPeer(r, need); (err == nil) != want {
				t.Errorf("%s, %v: %v", tt.name, need, err)
			}
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if byPeer(r, Reading) == nil {
		t.Error("a request from nowhere was served")
	}
	if member(0, 0)("no-such-group-here") {
		t.Error("root is a member of a group that is not there")
	}
	if !member(0, 0)("root") {
		t.Error("root is no member of its own group")
	}
	if p := identify(nil); p.err == nil || p.read {
		t.Errorf("no connection at all: %+v", p)
	}
}
