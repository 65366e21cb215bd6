package restart

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os/user"
	"slices"
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

	following sync.WaitGroup // the server's events, until the test ends

	mu       sync.Mutex
	kinds    map[server.EventKind]int
	told     []int           // the numbers that the server was notified of, as they came
	retold   []int           // likewise those that the agent had stored
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
	first := r.store(ctx)
	r.working.Go(func() { r.program.publish(ctx) })
	r.working.Go(func() { r.execute(ctx, client) })
	r.relay.lose()
	halfway := 0
	for i := range kills {
		told := len(r.numbers(&r.retold))
		r.pause(time.Duration(r.random.IntN(400)) * time.Millisecond)
		r.agent.Kill(t)
		if n := len(r.numbers(&r.retold)) - told; n > 0 && n < stored {
			halfway++
		}
		r.relay.sever(i%8 == 0)
		r.agent.Restart(t)
		if i%4 > 0 { // else it is killed while it starts
			r.await(fmt.Sprintf("seed %d, after %d kills: notifications to go on", seed, i+1), &r.told, r.program.published())
			r.relay.replay()
		}
	}
	r.relay.sever(false)
	r.await(fmt.Sprintf("seed %d: the last number", seed), &r.told, r.program.published())
	r.await(fmt.Sprintf("seed %d: the last stored number", seed), &r.retold, first+stored-1)
	cancel()
	r.working.Wait()
	r.check(before, seed)
	r.checkStored(first, seed)
	r.Logf("%d kills came while stored notifications were told", halfway)
}

// begin registers the agent, and begins to observe and to serve.
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
	if err := client.WriteAttributes(ctx, lwm2m.MustPath(instancePath), "con=1"); err != nil {
		r.Fatalf("write attributes: %v", err)
	}
	for _, path := range []string{numberPath, storedPath} {
		if _, err := client.Observe(ctx, lwm2m.MustPath(path), lwm2m.FormatText); err != nil {
			r.Fatalf("observe %s: %v", path, err)
		}
	}
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
	r.following.Go(func() { r.follow(events) })
	r.Cleanup(func() {
		end()
		r.following.Wait()
	})
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
func (r *trial) follow(events <-chan server.Event) {
	for {
		select {
		case <-r.Context().Done():
			return
		case e := <-events:
			r.note(e)
		}
	}
}

func (r *trial) note(e server.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds[e.Kind]++
	if e.Kind != server.Notified {
		return
	}
	for _, n := range e.Nodes {
		number, err := strconv.Atoi(n.Value.Text())
		switch {
		case err != nil || number == 0: // 0 is what the object begins with in each process
		case n.Path == lwm2m.MustPath(storedPath):
			r.retold = append(r.retold, number)
		default:
			r.told = append(r.told, number)
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
func (r *trial) await(what string, list *[]int, number int) {
	r.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); r.pause(idle) {
		if told := r.numbers(list); len(told) > 0 && told[len(told)-1] >= number {
			return
		}
	}
	r.Fatalf("waited %v for %s: number %d; the server has %v, the program is at %d", patience, what, number, r.numbers(list), r.program.published())
}

// numbers returns those of a list that the server was notified of.
func (r *trial) numbers(list *[]int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(*list)
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
	r.mu.Lock()
	kinds := maps.Clone(r.kinds)
	r.mu.Unlock()
	if n := kinds[server.Registered]; n != 1 {
		r.Errorf("seed %d: %d Registers, want that of the beginning", seed, n)
	}
	if told := r.numbers(&r.told); !slices.IsSorted(told) {
		r.Errorf("seed %d: the server was notified of a number after a later one: %v", seed, told)
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
		seen.sealed, len(r.answered), r.failed, kinds[server.Notified], kinds[server.Updated])
}
