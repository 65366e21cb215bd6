package restart

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/workspace"
)

// seat is a server that a bootstrap gives an account for.
type seat struct {
	*server.Server
	uri      string
	ssid     uint16
	instance uint16 // of objects 0 and 1
	key      []byte
}

// sets are which seats a bootstrap gives accounts for: never one of both.
var sets = [2][2]int{{0, 1}, {2, 3}}

// bootstrapTrial is an agent that is killed while it is given other accounts.
type bootstrapTrial struct {
	workspace.T

	agent  *gateway.Agent
	random *rand.Rand
	seats  [4]seat
	given  chan *giving
}

// giving is one bootstrap.
type giving struct {
	set       int
	dead      chan struct{} // closed when the agent has been dead for a while
	finishing chan struct{} // closed before Finish is sent
	done      chan struct{} // closed at the end
	answered  bool          // Finish was, with success; may be read when done
}

// KillBootstraps kills the agent that many times while a bootstrap server replaces all of its
// accounts, or shortly after. Then it has the old ones or the new ones, with their keys, and each of their
// servers reaches it; once the bootstrap server knows that it is over, it has the new ones.
func KillBootstraps(t workspace.T, kills int, seed uint64) {
	t.Helper()
	r := &bootstrapTrial{T: t, random: rand.New(rand.NewPCG(seed, 1)), given: make(chan *giving, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := r.begin(ctx)
	<-first.done
	now, kept, replaced := r.inForce(ctx, "the first bootstrap"), 0, 0
	for i := range kills {
		g := r.offer(1 - now)
		r.agent.Must(t, "bootstrap")
		r.kill(g)
		what := fmt.Sprintf("seed %d, kill %d", seed, i+1)
		found := r.inForce(ctx, what)
		if g.answered && found != g.set {
			t.Errorf("%s: the bootstrap server was told that its accounts are in force; the others are", what)
		}
		if found == now {
			kept++
		} else {
			replaced++
		}
		now = found
	}
	t.Logf("the old accounts %d times, the new ones %d times", kept, replaced)
}

// begin starts the servers and the agent, whose first accounts are of set 0.
func (r *bootstrapTrial) begin(ctx context.Context) *giving {
	r.Helper()
	for i := range r.seats {
		s := &r.seats[i]
		s.ssid, s.instance = uint16(101+i), uint16(10+3*i)
		s.key = fmt.Appendf(nil, "key of server %3d", s.ssid)
		keys := &server.Keys{}
		keys.Add(fmt.Sprint("gw-", s.ssid), s.key, endpoint)
		var address net.Addr
		s.Server, address = listen(ctx, r, server.Config{Keys: keys, Params: quick})
		s.uri = fmt.Sprintf("coaps://%s", address)
	}
	keys := &server.Keys{}
	keys.Add("gw", key, endpoint)
	_, address := listen(ctx, r, server.Config{Keys: keys, Params: quick, Bootstrap: &server.Bootstrap{Script: r.give}})
	first := r.offer(0)
	r.agent = gateway.Start(r, fmt.Sprintf(`
endpoint = %q
[bootstrap]
uri      = "coaps://%s"
identity = "gw"
key      = %q
`, endpoint, address, hex.EncodeToString(key)))
	return first
}

// offer has the next bootstrap give the accounts of a set.
func (r *bootstrapTrial) offer(set int) *giving {
	g := &giving{set: set, dead: make(chan struct{}), finishing: make(chan struct{}), done: make(chan struct{})}
	r.given <- g
	return g
}

// give is the bootstrap server's script.
func (r *bootstrapTrial) give(ctx context.Context, b *server.Bootstrapping) error {
	var g *giving
	select {
	case g = <-r.given:
	default:
		return errors.New("an agent asks that was killed meanwhile")
	}
	defer close(g.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-g.dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := b.Delete(ctx, lwm2m.Path{})
	for _, i := range sets[g.set] {
		s := &r.seats[i]
		security, account := lwm2m.NewPath(0, s.instance), lwm2m.NewPath(1, s.instance)
		err = errors.Join(err,
			b.Write(ctx, security, lwm2m.FormatTLV, []lwm2m.Node{
				{Path: security.Child(0), Value: lwm2m.String(s.uri)},
				{Path: security.Child(1), Value: lwm2m.Boolean(false)},
				{Path: security.Child(2), Value: lwm2m.Integer(0)},
				{Path: security.Child(3), Value: lwm2m.Opaque(fmt.Appendf(nil, "gw-%d", s.ssid))},
				{Path: security.Child(5), Value: lwm2m.Opaque(s.key)},
				{Path: security.Child(10), Value: lwm2m.Integer(int64(s.ssid))},
			}),
			b.Write(ctx, account, lwm2m.FormatTLV, []lwm2m.Node{
				{Path: account.Child(0), Value: lwm2m.Integer(int64(s.ssid))},
				{Path: account.Child(1), Value: lwm2m.Integer(3600)},
				{Path: account.Child(6), Value: lwm2m.Boolean(true)},
				{Path: account.Child(7), Value: lwm2m.String("U")},
			}))
	}
	close(g.finishing)
	if err == nil {
		err = b.Finish(ctx)
		g.answered = err == nil
	}
	return err
}

// kill kills the agent some time after a bootstrap began, or after its Finish was sent, and starts it again.
func (r *bootstrapTrial) kill(g *giving) {
	r.Helper()
	began := g.finishing
	if r.random.IntN(3) == 0 {
		began = nil // at any instant from the request on
	}
	select {
	case <-began:
	case <-time.After(time.Duration(r.random.IntN(20)) * time.Millisecond):
	case <-r.Context().Done():
	}
	if began != nil {
		select {
		case <-time.After(time.Duration(r.random.IntN(15_000)) * time.Microsecond):
		case <-r.Context().Done():
		}
	}
	r.agent.Kill(r)
	time.AfterFunc(100*time.Millisecond, func() { close(g.dead) }) // what it said last may still be on its way
	r.agent.Restart(r)
	select {
	case <-g.done:
	case <-r.given: // the bootstrap server has not been asked
	}
}

// inForce waits until the agent is registered with all servers of a set and each has read its Short
// Server ID, and returns the set.
func (r *bootstrapTrial) inForce(ctx context.Context, what string) (set int) {
	r.Helper()
	var found []string
	r.agent.AwaitStatus(r, what+": to be registered", func(s gateway.Status) bool {
		found = nil
		for _, account := range s.Servers {
			if account.State != "registered" {
				return false
			}
			found = append(found, fmt.Sprint(account.ShortServerID, " at ", account.URI))
		}
		return len(found) > 1
	})
	set = slices.IndexFunc(sets[:], func(members [2]int) bool {
		want := make([]string, 0, len(members))
		for _, i := range members {
			want = append(want, fmt.Sprint(r.seats[i].ssid, " at ", r.seats[i].uri))
		}
		return slices.Equal(found, want)
	})
	if set < 0 {
		r.Fatalf("%s: the accounts are %s", what, strings.Join(found, ", "))
	}
	r.agent.Must(r, "update")
	for _, i := range sets[set] {
		r.reach(ctx, &r.seats[i], what)
	}
	return set
}

// reach has a server read from the agent. The agent may have to register first: it goes on with the session of an earlier
// account there, if it was killed before it forgot it, and the Update tells it that the server has.
func (r *bootstrapTrial) reach(ctx context.Context, s *seat, what string) {
	r.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, ok := s.Client(endpoint)
	for ; !ok; client, ok = s.Client(endpoint) {
		select {
		case <-time.After(idle):
		case <-ctx.Done():
			r.Fatalf("%s: server %d does not know the agent", what, s.ssid)
		}
	}
	nodes, err := client.Read(ctx, lwm2m.NewPath(1, s.instance, 0))
	if err != nil || len(nodes) != 1 || nodes[0].Value.Text() != fmt.Sprint(s.ssid) {
		r.Fatalf("%s: server %d reads %v, %v", what, s.ssid, nodes, err)
	}
}

// quick are times for a peer that is killed: what is not answered is repeated soon, and given up soon.
var quick = coap.Params{AckTimeout: 100 * time.Millisecond, MaxRetransmit: 3}
