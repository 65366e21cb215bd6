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
	r.store(seed)
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
	if _, err := client.Observe(ctx, lwm2m.MustPath(numberPath), lwm2m.FormatText); err != nil {
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
		if number, err := strconv.Atoi(n.Value.Text()); err == nil && number > 0 { // 0 is what the object begins with in each process
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
func (r *trial) await(what string, number int) {
	r.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); r.pause(idle) {
		if told := r.numbers(); len(told) > 0 && told[len(told)-1] >= number {
			return
		}
	}
	r.Fatalf("waited %v for %s: number %d; the server has %v, the program is at %d", patience, what, number, r.numbers(), r.program.published())
}

// numbers returns those that the server was notified of.
func (r *trial) numbers() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
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
	if told := r.numbers(); !slices.IsSorted(told) {
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

// publish publishes a number, also while the agent is starting.
func (r *trial) publish() {
	for !r.program.next(r.Context()) && r.Context().Err() == nil {
		r.pause(idle)
	}
}

// publishStored publishes a number and waits until the agent has stored more than before. It returns how many it has.
func (r *trial) publishStored(before int) (queued int) {
	r.Helper()
	r.publish()
	last := -1
	r.agent.AwaitStatus(r, fmt.Sprintf("more than %d stored notifications", before), func(s gateway.Status) bool {
		last, queued = queued, s.Servers[0].Queued
		return queued > before && queued == last // and no other one is about to be
	})
	return queued
}

// store has the agent store notifications while nothing comes through, kills it then and while they are delivered, and checks that
// each arrives: what is on disk is told at least once, in order.
func (r *trial) store(seed uint64) {
	r.Helper()
	const stored = 7
	r.relay.sever(true)
	before := len(r.numbers())
	// The first one is on its way until a later one is stored behind it; what comes in the first seconds of silence may be one notification.
	r.publish()
	queued := r.publishStored(0)
	queued = r.publishStored(queued)
	first := r.program.published() + 1
	for range stored {
		queued = r.publishStored(queued)
	}
	r.agent.Stop(r) // in order, so that they are on disk before they are a minute old
	r.agent.Restart(r)
	for i := range 8 {
		r.pause(time.Duration(r.random.IntN(200)) * time.Millisecond)
		r.relay.sever(i < 3)
		r.agent.Kill(r)
		r.agent.Restart(r)
	}
	last := r.program.published()
	r.await(fmt.Sprintf("seed %d: what was stored", seed), last)
	told := r.numbers()[before:]
	next := first
	for _, number := range told { // after a kill again from the first one that the disk does not know to be delivered
		if number == next {
			next++
		} else if number > next {
			break
		}
	}
	if next <= last {
		r.Errorf("seed %d: the numbers %d to %d were stored, %d is missing in what the server was told then: %v", seed, first, last, next, told)
	}
	r.Logf("%d notifications stored, told as %v", queued, told)
}
