package agent

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/demo"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

// hub is a network in memory with one server, which works in a synctest bubble.
type hub struct {
	in     chan hubDatagram // to the server
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	ports map[netip.AddrPort]*station
}

type hubDatagram struct {
	from netip.AddrPort
	data []byte
}

func newHub() *hub {
	return &hub{in: make(chan hubDatagram, 64), closed: make(chan struct{}), ports: make(map[netip.AddrPort]*station)}
}

// dial is Options.DialUDP.
func (h *hub) dial(context.Context, string) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), uint16(1024+len(h.ports)))
	s := &station{in: make(chan []byte, 64), closed: make(chan struct{})}
	h.ports[from] = s
	return hubConn{s, h, from}, nil
}

// hubConn is the client's end.
type hubConn struct {
	*station
	hub  *hub
	from netip.AddrPort
}

func (c hubConn) Write(b []byte) (int, error) {
	select {
	case c.hub.in <- hubDatagram{c.from, bytes.Clone(b)}:
	case <-c.hub.closed:
	}
	return len(b), nil
}

func (h *hub) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-h.in:
		return copy(b, d.data), d.from, nil
	case <-h.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (h *hub) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	h.mu.Lock()
	s := h.ports[to]
	h.mu.Unlock()
	select {
	case s.in <- bytes.Clone(b):
	default:
	}
	return len(b), nil
}

func (h *hub) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5683} }

// SetReadDeadline interrupts reads, which is what it is used for.
func (h *hub) SetReadDeadline(time.Time) error { return h.Close() }

func (h *hub) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// countedLog is a log of which only the length counts.
type countedLog struct {
	mu    sync.Mutex
	bytes int64
}

func (c *countedLog) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += int64(len(p))
	return len(p), nil
}

// usage is what an agent takes.
type usage struct {
	heap       uint64
	goroutines int
	open       int   // descriptors
	state      int64 // bytes of files
	files      int
	written    int64 // bytes passed to write, the log among them, since the process has begun
	log        int64
}

func measure(t *testing.T, dir string, log *countedLog) (u usage) {
	t.Helper()
	synctest.Wait()
	runtime.GC()
	runtime.GC() // what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.heap, u.goroutines = m.HeapAlloc, runtime.NumGoroutine()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	u.open = len(open)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(files)
	for _, f := range files {
		if info, err := os.Stat(filepath.Join(dir, f.Name())); err == nil {
			u.state += info.Size()
		}
	}
	io, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(io), "wchar: ")
	if u.written, err = strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err != nil {
		t.Fatal(err)
	}
	log.mu.Lock()
	u.log = log.bytes
	log.mu.Unlock()
	u.written += u.log
	return u
}

// TestThirtyDays: an agent that is left to itself for thirty days, with a notification each hour and the Updates of a lifetime
// of one, grows in nothing, and is easy on flash and log; in queue mode, too.
func TestThirtyDays(t *testing.T) {
	for name, queue := range map[string]bool{"always there": false, "queue mode": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { thirtyDays(t, queue) }) })
	}
}

func thirtyDays(t *testing.T, queue bool) {
	t.Helper()
	network, log := newHub(), new(countedLog)
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions())})
	events, end := s.Events(100)
	defer end()
	ctx, cancel := context.WithCancel(t.Context())
	served, ran := make(chan error, 1), make(chan error, 1)
	go func() { served <- s.Serve(ctx, network) }()

	room := sensor("cold room")
	room.Settings.Interval = time.Minute
	l := &lab{Server: s, events: events, uri: &url.URL{Scheme: "coap", Host: "192.0.2.1:5683"}, dir: t.TempDir()}
	cfg := l.config(room)
	cfg.Servers[0].QueueMode = queue
	machine := &demo.Machine{Say: func(string) {}}
	a, err := New(Options{
		Config: cfg, Version: "test", Control: machine, Now: machine.Now, Simulated: true, DialUDP: network.dial,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { ran <- a.Run(ctx) }()
	if e := l.next(t, server.Registered); e.Registration.Queue != queue {
		t.Errorf("registered as %+v", e.Registration)
	}
	value := lwm2m.MustPath("/3303/0/5700")
	if err := l.client(t).WriteAttributes(t.Context(), value, "pmin=3600", "pmax=3600"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.client(t).Observe(t.Context(), value); err != nil {
		t.Fatal(err)
	}
	notified := 0
	const days, settled = 30, 2
	var first, before, now usage
	for day := range days {
		for range 24 {
			time.Sleep(time.Hour)
			for len(events) > 0 {
				if e := <-events; e.Kind == server.Notified {
					notified++
				} else if e.Kind == server.Registered || e.Kind == server.Expired {
					t.Errorf("day %d: %v", day, e.Kind)
				}
			}
		}
		before, now = now, measure(t, cfg.StateDir, log)
		if day == settled {
			first = now
		}
		if wrote := now.written - before.written; day > settled && wrote > 500_000 {
			t.Errorf("day %d: %d bytes were passed to write", day, wrote)
		}
	}
	cancel()
	for _, done := range []chan error{ran, served} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	s.Wait()
	t.Logf("from day %d to %d: %+v, %+v; the last day wrote %d bytes, %d of them log; %d notifications", settled, days, first, now,
		now.written-before.written, now.log-before.log, notified)
	if notified < days*24-24 {
		t.Errorf("%d notifications", notified)
	}
	if now.goroutines > first.goroutines || now.open > first.open || now.files > first.files {
		t.Errorf("goroutines %d to %d, descriptors %d to %d, files %d to %d", first.goroutines, now.goroutines, first.open, now.open, first.files, now.files)
	}
	if grown := int64(now.heap) - int64(first.heap); grown > 256<<10 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if now.state > max(first.state, 1<<20) {
		t.Errorf("the state directory has %d bytes, at first %d", now.state, first.state)
	}
	if logged := (now.log - first.log) / (days - 1 - settled); logged > 4<<10 {
		t.Errorf("%d bytes of log a day", logged)
	}
}
