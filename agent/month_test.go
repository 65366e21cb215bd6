package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/objects/registry"
)

// hub is a network in memory with one server, which works in a synctest bubble.
type hub struct {
	in     chan hubDatagram // to the server
	closed chan struct{}
	once   sync.Once
	down   atomic.Bool // what is sent is lost

	mu     sync.Mutex
	ports  map[netip.AddrPort]*station
	dialed uint16
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
	h.dialed++
	from := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), 1024+h.dialed)
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
	if c.hub.down.Load() {
		return len(b), nil
	}
	select {
	case c.hub.in <- hubDatagram{c.from, bytes.Clone(b)}:
	case <-c.hub.closed:
	}
	return len(b), nil
}

func (c hubConn) Close() error {
	c.hub.mu.Lock()
	delete(c.hub.ports, c.from)
	c.hub.mu.Unlock()
	return c.station.Close()
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
	if s == nil || h.down.Load() {
		return len(b), nil
	}
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

// modemLife is a simulated BG95 at a port in memory, to which in a day happens what a month may bring.
type modemLife struct {
	t        *testing.T
	sim      *attest.Modem
	settings *attest.Settings
	network  *hub
	serving  sync.WaitGroup

	mu   sync.Mutex
	port net.Conn // its end of the one that is open
	away bool     // it is unplugged
}

func newModemLife(t *testing.T, network *hub) *modemLife {
	t.Helper()
	sim, err := attest.Open("../modem/at/testdata/module/bg95.at")
	if err != nil {
		t.Fatal(err)
	}
	for _, mends := range []string{"AT+COPS=0", "AT+COPS=2", "AT+CFUN=4", "AT+CFUN=1"} {
		sim.Set(mends, "OK")
	}
	return &modemLife{t: t, sim: sim, settings: sim.Remember(nil), network: network}
}

// open is Options.OpenPort.
func (m *modemLife) open(context.Context, string) (at.Port, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, fs.ErrNotExist
	}
	near, far := net.Pipe()
	m.port = far
	m.serving.Go(func() { m.sim.Serve(far) })
	return near, nil
}

func (m *modemLife) plug(in bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = !in
	if !in {
		_ = m.port.Close()
	}
	m.network.down.Store(!in)
}

// reach has the network lost or found again, which the modem tells.
func (m *modemLife) reach(network bool) {
	m.t.Helper()
	m.network.down.Store(!network)
	says, told := "2", m.settings.Lose
	if network {
		says, told = `1,"1A2B","01A2D003",8,,,"00000011","00100110"`, m.settings.Regain
	}
	m.sim.Set("AT+CEREG?", "+CEREG: 4,"+says, "OK")
	if err := errors.Join(m.sim.Say("+CEREG: "+says), told("1")); err != nil {
		m.t.Error(err)
	}
}

// hour is one of the day: in each the signal is another one, and in some the network, the modem's memory or the modem itself goes for a while.
func (m *modemLife) hour(a *Agent, hour int) {
	m.t.Helper()
	signal := -90 - hour
	m.sim.Set("AT+QCSQ", fmt.Sprintf(`+QCSQ: "eMTC",-65,%d,110,-11`, signal), "OK")
	if err := m.sim.Say(`+QIND: "csq",20,99`); err != nil {
		m.t.Error(err)
	}
	switch hour {
	case 5:
		m.reach(false)
		m.finds(a, "without a network", 30*time.Minute, func(s *modem.State) bool { return !s.Network.Registration.Registered() })
		m.reach(true)
	case 11:
		m.reach(false)
		if err := m.settings.Restart(); err != nil {
			m.t.Error(err)
		}
		m.finds(a, "as it restarts", time.Minute, func(s *modem.State) bool { return !s.Network.Registration.Registered() })
		m.reach(true)
	case 17:
		m.plug(false)
		m.finds(a, "unplugged", 5*time.Minute, func(s *modem.State) bool { return s.Presence == modem.Missing })
		m.plug(true)
	}
	m.finds(a, "at work", 3*time.Minute, func(s *modem.State) bool {
		rsrp := s.Signal.RSRP
		return s.Presence == modem.Ready && s.Network.Registration.Registered() && rsrp != nil && *rsrp == float64(signal)
	})
}

// finds has the agent know after a while what has become of the modem.
func (m *modemLife) finds(a *Agent, what string, after time.Duration, is func(*modem.State) bool) {
	m.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	if s, _ := a.modems.State("wwan"); !is(&s) {
		m.t.Errorf("%s: %v, %+v, %+v, trouble %v", what, s.Presence, s.Network, s.Signal, s.Trouble)
	}
}

// month is an agent left to itself, with a notification each hour and the Updates of a lifetime of one.
type month struct {
	*lab
	t    *testing.T
	log  countedLog
	life *modemLife
	a    *Agent
	end  func()

	registered, notified atomic.Int32
}

func newMonth(t *testing.T, queue bool) *month {
	t.Helper()
	network := newHub()
	m := &month{t: t, life: newModemLife(t, network)}
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions())})
	events, unsubscribe := s.Events(100)
	ctx, cancel := context.WithCancel(t.Context())
	served, ran := make(chan error, 1), make(chan error, 1)
	go func() { served <- s.Serve(ctx, network) }()
	stack := m.life.sim.Connect("quectel", func(string) (net.Conn, error) { return network.dial(ctx, "") })

	room := sensor("cold room")
	room.Settings.Interval = time.Minute
	m.lab = &lab{Server: s, events: events, uri: &url.URL{Scheme: "coap", Host: "192.0.2.1:5683"}, dir: t.TempDir()}
	cfg := m.config(room)
	cfg.Modems = []config.Modem{{Name: "wwan", Driver: config.ModemAT, Port: "/dev/ttyUSB2", Speed: 115200, Heal: true}}
	if queue { // by the modem's own sockets
		cfg.Servers[0].QueueMode, cfg.Servers[0].Modem = true, "wwan"
	}
	machine := &demo.Machine{Say: func(string) {}}
	var err error
	m.a, err = New(Options{
		Config: cfg, Version: "test", Control: machine, Now: machine.Now, Simulated: true, DialUDP: network.dial, OpenPort: m.life.open,
		Log: slog.New(slog.NewTextHandler(&m.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { ran <- m.a.Run(ctx) }()
	m.end = func() {
		cancel()
		for _, done := range []chan error{ran, served} {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		stack.Close()
		m.life.serving.Wait()
		unsubscribe()
		s.Wait()
	}
	go m.watch(ctx, queue)
	return m
}

// watch is a server that wants to be notified once an hour: of each registration, and wherever the agent has come to, since without security
// an observation is one of an address (RFC 7641, section 1.2).
func (m *month) watch(ctx context.Context, queue bool) {
	address := ""
	for {
		var e server.Event
		select {
		case e = <-m.events:
		case <-ctx.Done():
			return
		}
		if e.Kind == server.Notified {
			m.notified.Add(1)
		}
		if e.Kind == server.Registered {
			m.registered.Add(1)
			address = ""
		}
		if (e.Kind == server.Registered || e.Kind == server.Updated) && e.Registration.Address != address {
			address = e.Registration.Address
			if e.Registration.Queue != queue {
				m.t.Errorf("registered as %+v", e.Registration)
			}
			if err := m.observe(ctx); err != nil {
				m.t.Errorf("%v: %v", e.Kind, err)
			}
		}
	}
}

func (m *month) observe(ctx context.Context) error {
	c, ok := m.Client("gw")
	if !ok {
		return errors.New("the registration is gone")
	}
	value := lwm2m.MustPath("/3303/0/5700")
	c.Forget(value)
	if err := c.WriteAttributes(ctx, value, "pmin=3600", "pmax=3600"); err != nil {
		return err
	}
	_, err := c.Observe(ctx, value)
	return err
}

// TestThirtyDays: an agent that is left to itself for thirty days, with a notification each hour and the Updates of a lifetime
// of one, and a modem that loses its network, restarts and is unplugged each day, grows in nothing, and is easy on flash and log; in queue mode, too,
// through the modem's own sockets.
func TestThirtyDays(t *testing.T) {
	for name, queue := range map[string]bool{"always there": false, "queue mode": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { thirtyDays(t, queue) }) })
	}
}

func thirtyDays(t *testing.T, queue bool) {
	t.Helper()
	m := newMonth(t, queue)
	const days, settled = 30, 2
	var first, before, now usage
	for day := range days {
		for hour := range 24 {
			over := time.Now().Add(time.Hour)
			m.life.hour(m.a, hour)
			time.Sleep(time.Until(over))
		}
		m.life.sim.Forget()
		before, now = now, measure(t, m.a.opts.Config.StateDir, &m.log)
		if day == settled {
			first = now
		}
		if wrote := now.written - before.written; day > settled && wrote > 500_000 {
			t.Errorf("day %d: %d bytes were passed to write", day, wrote)
		}
	}
	m.end()
	t.Logf("from day %d to %d: %+v, %+v; the last day wrote %d bytes, %d of them log; %d notifications, %d registrations", settled, days, first, now,
		now.written-before.written, now.log-before.log, m.notified.Load(), m.registered.Load())
	if n := m.notified.Load(); n < days*21 { // an hour begins anew with each registration and each address
		t.Errorf("%d notifications", n)
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
	if logged := (now.log - first.log) / (days - 1 - settled); logged > 8<<10 { // three troubles, and how they end
		t.Errorf("%d bytes of log a day", logged)
	}
}
