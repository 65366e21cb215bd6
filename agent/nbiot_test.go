package agent

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/modem/at"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/objects/registry"
)

// air is what lies between a simulated modem and the server: it notes what goes up, and may lose it.
type air struct {
	mu    sync.Mutex
	lossy bool
	sent  []time.Time
	most  int // bytes of the longest datagram
}

// upward is a socket through it.
type upward struct {
	net.Conn
	air *air
}

func (u upward) Write(b []byte) (int, error) {
	r := u.air
	r.mu.Lock()
	r.sent, r.most = append(r.sent, time.Now()), max(r.most, len(b))
	lossy := r.lossy
	r.mu.Unlock()
	if lossy {
		return len(b), nil
	}
	return u.Conn.Write(b)
}

// longest returns how many bytes the longest datagram has had.
func (r *air) longest() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

// take returns when datagrams went up since it was last asked.
func (r *air) take() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.sent
	r.sent = nil
	return out
}

func (r *air) lose(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lossy = on
}

// narrow is a whole agent in simulated time, which reaches its server through the sockets of a simulated BC660 alone: NB-IoT, in queue mode.
type narrow struct {
	*lab
	t   *testing.T
	sim *attest.Modem
	air *air
	a   *Agent
	end func()
}

func newNarrow(t *testing.T, change func(*config.Server)) *narrow {
	t.Helper()
	network := newHub()
	n := &narrow{t: t, air: &air{}}
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions())})
	events, unsubscribe := s.Events(1000)
	ctx, cancel := context.WithCancel(t.Context())
	served, ran := make(chan error, 1), make(chan error, 1)
	go func() { served <- s.Serve(ctx, network) }()

	var err error
	if n.sim, err = attest.Open("../modem/at/testdata/module/bc660.at"); err != nil {
		t.Fatal(err)
	}
	stack := n.sim.Connect("bc660", func(string) (net.Conn, error) {
		conn, err := network.dial(ctx, "")
		return upward{conn, n.air}, err
	})
	var ports sync.WaitGroup
	n.lab = &lab{Server: s, events: events, uri: &url.URL{Scheme: "coap", Host: "192.0.2.1:5683"}, dir: t.TempDir()}
	cfg := n.config(sensor("cold room"))
	cfg.Modems = []config.Modem{{Name: "wwan", Driver: config.ModemAT, Port: "/dev/ttyUSB0", Speed: 115200}}
	cfg.Servers[0].Modem, cfg.Servers[0].QueueMode = "wwan", true
	change(&cfg.Servers[0])
	machine := &demo.Machine{Say: func(string) {}}
	n.a, err = New(Options{
		Config: cfg, Version: "test", Control: machine, Now: machine.Now, Simulated: true, Log: slog.New(slog.DiscardHandler),
		OpenPort: func(context.Context, string) (at.Port, error) {
			near, far := net.Pipe()
			ports.Go(func() { n.sim.Serve(far) })
			return near, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { ran <- n.a.Run(ctx) }()
	n.end = func() {
		cancel()
		for _, done := range []chan error{ran, served} {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		stack.Close()
		ports.Wait()
		unsubscribe()
		s.Wait()
	}
	return n
}

// awake returns how long the account stays awake after the last datagram of what is done, which wakes it if it sleeps.
func (n *narrow) awake(do func()) time.Duration {
	n.t.Helper()
	do()
	var last time.Time
	for _, asleep := range []bool{false, true} {
		for end := time.Now().Add(15 * time.Minute); (n.a.client.Status()[0].State == client.Asleep) != asleep; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				n.t.Fatalf("asleep: not %v: %+v", asleep, n.a.client.Status()[0])
			}
			if sent := n.air.take(); len(sent) > 0 {
				last = sent[len(sent)-1]
			}
		}
	}
	return time.Since(last)
}

// says has the modem say that it is registered with these timers, T3324 and T3412.
func (n *narrow) says(active, periodic string) {
	n.t.Helper()
	says := `1,"6D31","0A3F5D11",9,0,0,"` + active + `","` + periodic + `"`
	n.sim.Set("AT+CEREG?", "+CEREG: 5,"+says, "OK")
	if err := n.sim.Say("+CEREG: " + says); err != nil {
		n.t.Fatal(err)
	}
	time.Sleep(time.Second)
}

func (n *narrow) update() {
	n.t.Helper()
	if err := n.a.client.Update(101); err != nil {
		n.t.Fatal(err)
	}
}

// near reports whether a time is one to within what a modem takes for a few commands.
func near(got, want time.Duration) bool { return got >= want-time.Second && got <= want+time.Second }

// TestNBIoT: over NB-IoT the whole agent repeats messages after 10 s and more, in blocks that the module's datagrams take, sends its Updates
// as long before the lifetime ends as that takes, and is awake for 93 s, or for as long as the network lets the modem hear.
func TestNBIoT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t, func(s *config.Server) { s.Lifetime = time.Hour })
		defer n.end()
		n.next(t, server.Registered)
		registered := time.Now()
		if nodes, err := n.client(t).Read(t.Context(), lwm2m.MustPath("/3")); err != nil || len(nodes) < 10 {
			t.Errorf("object 3: %d nodes, %v", len(nodes), err)
		}
		if most := n.air.longest(); most > 512 || most < 256 {
			t.Errorf("the longest datagram has %d bytes", most)
		}
		if d := n.awake(func() {}); !near(d, 93*time.Second) { // T3324 is 4 minutes
			t.Errorf("awake for %v", d)
		}
		time.Sleep(time.Hour - 93*time.Second)
		e := n.next(t, server.Updated)
		for e.Time.Sub(registered) < 5*time.Minute { // what came to be known of the modem
			registered, e = e.Time, n.next(t, server.Updated)
		}
		const margin = 465 * time.Second // MAX_TRANSMIT_WAIT of an ACK_TIMEOUT of 10 s
		if d := e.Time.Sub(registered); d > time.Hour-margin || d < (time.Hour-margin)*9/10-time.Minute {
			t.Errorf("an Update after %v of a lifetime of an hour", d)
		}

		for _, tt := range []struct {
			what, active string
			want         time.Duration
		}{{"T3324 of 20 s", "00001010", 20 * time.Second}, {"T3324 of 0", "00000000", 15 * time.Second}, {"no power saving", "11100000", 93 * time.Second}} {
			n.says(tt.active, "00111000")
			if d := n.awake(n.update); !near(d, tt.want) {
				t.Errorf("%s: awake for %v, want %v", tt.what, d, tt.want)
			}
		}
		n.sim.Set("AT+CEDRXRDP", `+CEDRXRDP: 5,"1010","1010","0011"`, "OK") // 163.84 s: longer than a server waits
		if err := n.sim.Say(`+CEDRXP: 5,"1010","1010","0011"`); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if d := n.awake(n.update); !near(d, 15*time.Second) {
			t.Errorf("a long cycle of eDRX: awake for %v", d)
		}

		n.air.lose(true)
		n.air.take()
		if err := n.a.client.Update(101); err != nil {
			t.Fatal(err)
		}
		time.Sleep(margin)
		sent := n.air.take()
		if len(sent) < 5 {
			t.Fatalf("sent %d times", len(sent))
		}
		first := sent[1].Sub(sent[0])
		if first < 10*time.Second || first > 15*time.Second+time.Second {
			t.Errorf("repeated after %v", first)
		}
		for i := 2; i < 5; i++ {
			if d := sent[i].Sub(sent[i-1]); !near(d, first<<(i-1)) {
				t.Errorf("repetition %d after %v, the first after %v", i, d, first)
			}
		}
	})
}

// TestNBIoTAligns: values that are gathered go out when the modem wakes up by itself to tell the network where it is (T3412), together with
// the Update: one wake-up serves both.
func TestNBIoTAligns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(t, func(s *config.Server) { s.Lifetime, s.Gather = 24*time.Hour, 90*time.Minute })
		defer n.end()
		n.next(t, server.Registered)
		value := lwm2m.MustPath("/3303/0/5700")
		until(t, n.a, "/10/0/5", lwm2m.Integer(240)) // the modem is known
		for n.a.Tree().Value(value) == (lwm2m.Value{}) {
			time.Sleep(time.Second)
		}
		if err := n.client(t).WriteAttributes(t.Context(), value, "pmin=600", "pmax=600"); err != nil {
			t.Fatal(err)
		}
		if _, err := n.client(t).Observe(t.Context(), value, lwm2m.FormatSenMLCBOR); err != nil {
			t.Fatal(err)
		}
		n.says("00000101", "00100001") // T3324 10 s, T3412 1 h
		n.awake(func() {})
		for range 3 { // the modem sleeps, and wakes each hour
			if err := n.sim.Say(`+QNBIOTEVENT: "ENTER PSM"`); err != nil {
				t.Fatal(err)
			}
			n.air.take()
			time.Sleep(time.Hour)
			if sent := n.air.take(); len(sent) > 0 {
				t.Errorf("it has woken the modem after %v", time.Hour-time.Since(sent[0]))
			}
			if err := n.sim.Say(`+QNBIOTEVENT: "EXIT PSM"`); err != nil {
				t.Fatal(err)
			}
			woken := time.Now()
			if e := n.next(t, server.Notified); e.Path != value || len(e.Nodes) < 5 {
				t.Errorf("told %d values", len(e.Nodes))
			}
			if d := time.Since(woken); d > 5*time.Second {
				t.Errorf("told %v after the modem woke up", d)
			}
			n.awake(func() {})
		}
	})
}
