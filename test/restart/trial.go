package restart

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/workspace"
)

const (
	endpoint = "gw-1"
	patience = 2 * time.Minute
	idle     = 10 * time.Millisecond
)

var key = []byte("0123456789abcdef")

// trial is an agent that is killed, and what keeps it at work.
type trial struct {
	workspace.T

	agent   *gateway.Agent
	server  *server.Server
	relay   *relay
	program *program
	random  *rand.Rand
	working sync.WaitGroup

	mu       sync.Mutex
	kinds    map[server.EventKind]int
	told     int             // the newest number that the server was notified of
	answered map[string]bool // executions that the server knows to be done
	failed   int             // others
}

// Kill kills the agent that many times, a random time after it was started, and checks what came of it.
func Kill(t workspace.T, kills int, seed uint64) {
	t.Helper()
	r := &trial{T: t, random: rand.New(rand.NewPCG(seed, 0)), kinds: make(map[server.EventKind]int), answered: make(map[string]bool)}
	ctx, cancel := context.WithCancel(t.Context())
	r.begin(ctx, seed)
	client, ok := r.server.Client(endpoint)
	if !ok {
		t.Fatalf("the agent is not registered")
	}
	before := r.relay.found()
	r.working.Go(func() { r.execute(ctx, client) })
	r.relay.lose()
	for i := range kills {
		r.pause(time.Duration(r.random.IntN(400)) * time.Millisecond)
		r.agent.Kill(t)
		r.agent.Restart(t)
		if i%4 > 0 { // else it is killed while it starts
			r.await(fmt.Sprintf("seed %d, after %d kills: notifications to go on", seed, i+1), r.program.published())
			r.relay.replay()
		}
	}
	r.await("the last number", r.program.published())
	cancel()
	r.working.Wait()
	r.check(before, seed)
}

// begin registers the agent, and begins to observe and to publish.
func (r *trial) begin(ctx context.Context, seed uint64) {
	r.Helper()
	address := r.serve(ctx)
	r.relay = startRelay(r, address, seed)
	me, err := user.Current()
	if err != nil {
		r.Fatalf("%v", err)
	}
	r.agent = gateway.Start(r, fmt.Sprintf(`
endpoint = %q
[[server]]
uri             = "coaps://%s"
short_server_id = 101
lifetime        = "1h"
identity        = "gw"
key             = %q
[[app]]
name    = "work"
user    = %q
objects = [26300]
`, endpoint, r.relay.front.LocalAddr(), hex.EncodeToString(key), me.Username))
	r.agent.AwaitStatus(r, "registered", func(s gateway.Status) bool { return len(s.Servers) == 1 && s.Servers[0].State == "registered" })
	r.program = newProgram(r.agent.Socket())
	if status := r.program.ask(ctx, http.MethodPut, "", object); status != http.StatusNoContent {
		r.Fatalf("the program's objects were answered with %d", status)
	}
	client, ok := r.server.Client(endpoint)
	if !ok {
		r.Fatalf("the server does not know the agent")
	}
	if err := client.WriteAttributes(ctx, lwm2m.MustPath(numberPath), "con=1"); err != nil {
		r.Fatalf("write attributes: %v", err)
	}
	if _, err := client.Observe(ctx, lwm2m.MustPath(numberPath)); err != nil {
		r.Fatalf("observe: %v", err)
	}
	r.working.Go(func() { r.program.publish(ctx) })
	r.working.Go(func() { r.program.serve(ctx) })
}

// serve runs a server that repeats soon what is not answered.
func (r *trial) serve(ctx context.Context) *net.UDPAddr {
	r.Helper()
	keys := &server.Keys{}
	keys.Add("gw", key, endpoint)
	var at *net.UDPAddr
	r.server, at = listen(ctx, r, server.Config{Keys: keys, Params: coap.Params{AckTimeout: 200 * time.Millisecond, MaxRetransmit: 7}})
	events, end := r.server.Events(1 << 12)
	r.working.Go(func() { r.follow(ctx, events) })
	r.Cleanup(end)
	return at
}

// listen runs a server behind DTLS until the test ends.
func listen(ctx context.Context, t workspace.T, cfg server.Config) (*server.Server, *net.UDPAddr) {
	t.Helper()
	s := server.New(cfg)
	l, err := s.ListenSecure(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("%v", err)
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- s.ServeSecure(serving, l) }()
	t.Cleanup(func() {
		stop()
		<-done
		s.Wait()
	})
	return s, l.Addr().(*net.UDPAddr)
}

// follow notes what the server learns.
func (r *trial) follow(ctx context.Context, events <-chan server.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			r.mu.Lock()
			r.kinds[e.Kind]++
			if e.Kind == server.Notified && len(e.Nodes) == 1 {
				if number, err := strconv.Atoi(e.Nodes[0].Value.Text()); err == nil {
					r.told = number
				}
			}
			r.mu.Unlock()
		}
	}
}

// execute executes one thing after the other.
func (r *trial) execute(ctx context.Context, client *server.Client) {
	for i := 0; ctx.Err() == nil; i++ {
		argument := fmt.Sprintf("0='%d'", i)
		within, cancel := context.WithTimeout(ctx, patience)
		err := client.Execute(within, lwm2m.MustPath(executePath), argument)
		cancel()
		r.mu.Lock()
		if err == nil {
			r.answered[argument] = true
		} else {
			r.failed++
		}
		r.mu.Unlock()
		r.pause(idle)
	}
}

func (r *trial) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// await waits until the server was told a number, or one after it.
func (r *trial) await(what string, number int) {
	r.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); r.pause(idle) {
		r.mu.Lock()
		told := r.told
		r.mu.Unlock()
		if told >= number {
			return
		}
	}
	r.Fatalf("waited %v for %s: number %d; the server has %d, the program is at %d; %v", patience, what, number, r.told, r.program.published(), r.kinds)
}

// check holds what happened against what must not.
func (r *trial) check(before found, seed uint64) {
	r.Helper()
	seen := r.relay.found()
	if len(seen.twice) > 0 {
		r.Errorf("seed %d: records with numbers that were used before: %v", seed, seen.twice)
	}
	if n := seen.hellos - before.hellos; n > 0 {
		r.Errorf("seed %d: %d messages that begin a handshake", seed, n)
	}
	if n := r.kinds[server.Registered]; n != 1 {
		r.Errorf("seed %d: %d Registers, want that of the beginning", seed, n)
	}
	for argument, n := range r.program.runs {
		if n > 1 {
			r.Errorf("seed %d: execution %s ran %d times", seed, argument, n)
		}
	}
	for argument := range r.answered {
		if r.program.runs[argument] != 1 {
			r.Errorf("seed %d: execution %s was answered and ran %d times", seed, argument, r.program.runs[argument])
		}
	}
	r.Logf("%d records, %d executions answered with success, %d with an error, %d notifications, %d Updates",
		seen.sealed, len(r.answered), r.failed, r.kinds[server.Notified], r.kinds[server.Updated])
}
