package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/trace"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem"
)

// backend is the agent as the control interface sees it.
type backend struct{ *Agent }

var _ control.Backend = (*backend)(nil)

// Status implements control.Backend.
func (b *backend) Status() control.Status {
	s := control.Status{
		Endpoint: b.endpoint, Version: b.opts.Version, Started: b.started, StateDir: b.store.Dir(), Servers: []control.Server{},
	}
	if boot, err := host.ReadBoot(b.opts.Root); err == nil {
		s.Booted, s.BootWhy = b.opts.Now().Add(-boot.Uptime).UTC(), string(boot.Reason)
	}
	if b.firmware != nil {
		f := shownFirmware(b.firmware.now.Load().Status())
		s.Firmware = &f
	}
	for _, account := range b.client.Status() {
		s.Servers = append(s.Servers, serverStatus(account))
	}
	if n := b.modems.Messages(); len(b.modemTasks) > 0 {
		s.SMS = &control.SMS{Received: n.Received, Woken: n.Woken, Ignored: n.Ignored}
	}
	b.modems.Each(func(name string, m *modem.State) {
		s.Modems = append(s.Modems, modemStatus(name, m, b.modems.Released(name)))
	})
	s.Location = b.locationStatus()
	s.Bootstrap = bootstrapStatus(b.client.BootstrapStatus())
	return s
}

// Bootstrap implements control.Backend.
func (b *backend) Bootstrap() error { return b.bootstrap(0) }

// Health implements control.Backend.
func (b *backend) Health() []health.Trouble { return b.health.Troubles() }

// ParsePath implements control.Backend.
func (b *backend) ParsePath(s string) (lwm2m.Path, error) {
	p, err := b.registry.ParsePath(s, b.apps.Definitions()...)
	if err == nil && p.Prefix() != "" { // there are no devices behind this gateway: it is a name that is wrong
		if _, err = b.registry.ByName(p.Prefix()); err != nil {
			return lwm2m.Path{}, fmt.Errorf("%w: %q: %w", lwm2m.ErrPath, s, err)
		}
	}
	return p, err
}

// Definition implements control.Backend.
func (b *backend) Definition(oid uint16) *model.Definition { return b.tree.Definition(oid) }

// Entries implements control.Backend.
func (b *backend) Entries(p lwm2m.Path) []model.Entry {
	return b.tree.Entries(p, lwm2m.LevelResource)
}

// Readings implements control.Backend.
func (b *backend) Readings(p lwm2m.Path) ([]model.Reading, error) {
	return b.tree.Readings(model.FromLocal(), p)
}

// Write implements control.Backend.
func (b *backend) Write(ctx context.Context, nodes []lwm2m.Node) error {
	return b.tree.WriteAll(ctx, model.FromLocal(), nodes)
}

// Execute implements control.Backend.
func (b *backend) Execute(ctx context.Context, p lwm2m.Path, args model.Arguments) error {
	return b.tree.Execute(ctx, model.FromLocal(), p, args)
}

// Send implements control.Backend.
func (b *backend) Send(ctx context.Context, servers []uint16, paths []lwm2m.Path) ([]control.SendOutcome, error) {
	servers = b.orAll(servers)
	if len(servers) == 0 {
		return nil, errNoAccounts
	}
	outcomes := make([]control.SendOutcome, len(servers))
	unknown := make([]error, len(servers))
	var sending sync.WaitGroup
	for i, id := range servers {
		sending.Go(func() {
			err := b.client.Send(ctx, id, paths...)
			outcomes[i] = control.SendOutcome{ShortServerID: id, Sent: err == nil}
			if err != nil {
				outcomes[i].Error = err.Error()
			}
			if errors.Is(err, client.ErrNoAccount) {
				unknown[i] = err
			}
		})
	}
	sending.Wait()
	if err := errors.Join(unknown...); err != nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "%w", err)
	}
	return outcomes, nil
}

// observedTime bounds how long an account may take to say what its server observes.
const observedTime = 2 * time.Second

// Trace implements control.Backend.
func (b *backend) Trace(ctx context.Context) *trace.Listener {
	d := &trace.Decoder{
		Definition: func(oid uint16) *model.Definition {
			if def := b.tree.Definition(oid); def != nil {
				return def
			}
			def, _ := b.registry.Object(oid)
			return def
		},
		Name: func(p lwm2m.Path) string { return b.registry.PathName(p, b.apps.Definitions()...) },
	}
	l := b.tap.Listen(d)
	ctx, cancel := context.WithTimeout(ctx, observedTime)
	defer cancel()
	for _, id := range b.orAll(nil) {
		if requests, err := b.client.Observed(ctx, id); err == nil { // else its notifications have no path
			d.Observed(id, requests)
		}
	}
	return l
}

var errNoAccounts = lwm2m.Errorf(lwm2m.NotFound, "there is no server account: the configuration has no [[server]], and no bootstrap has made one")

// orAll returns the servers, or all if there is none.
func (b *backend) orAll(servers []uint16) []uint16 {
	if len(servers) > 0 {
		return servers
	}
	for _, s := range b.client.Status() {
		servers = append(servers, s.ShortServerID)
	}
	return servers
}

// Update implements control.Backend.
func (b *backend) Update(servers []uint16) error {
	servers = b.orAll(servers)
	if len(servers) == 0 {
		return errNoAccounts
	}
	problems := make([]error, 0, len(servers))
	for _, id := range servers {
		problems = append(problems, b.client.Update(id))
	}
	for _, s := range b.client.Status() {
		if s.State == client.Stopped && slices.Contains(servers, s.ShortServerID) {
			problems = append(problems, lwm2m.Errorf(lwm2m.MethodNotAllowed, "server %d was deregistered here; a restart of the agent registers it again", s.ShortServerID))
		}
	}
	return errors.Join(problems...)
}

// Deregister implements control.Backend.
func (b *backend) Deregister(ctx context.Context) error { return b.client.Deregister(ctx) }

// Subscribe implements control.Backend.
func (b *backend) Subscribe(paths []lwm2m.Path) control.Subscription {
	s := &backendSubscription{
		agent: b.Agent, tree: b.tree.Subscribe(), health: b.health.Subscribe(),
		wake: make(chan struct{}, 1), end: make(chan struct{}),
	}
	s.tree.Watch(paths...)
	b.status.add(s)
	s.merging.Go(s.merge)
	return s
}

// backendSubscription makes one subscription of the tree's, the health's and
// the accounts'.
type backendSubscription struct {
	agent  *Agent
	tree   *model.Subscription
	health interface {
		Wake() <-chan struct{}
		Take() []health.Change
		Close()
	}
	wake    chan struct{}
	end     chan struct{}
	merging sync.WaitGroup

	mu        sync.Mutex
	servers   []control.Server
	bootstrap *control.Bootstrap // nil: it has not changed
	firmware  *control.Firmware  // likewise
}

// merge passes on what wakes either source.
func (s *backendSubscription) merge() {
	for {
		select {
		case <-s.tree.Wake():
		case <-s.health.Wake():
		case <-s.end:
			return
		}
		s.signal()
	}
}

func (s *backendSubscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// server takes an account's new state; of one account only the newest is kept.
func (s *backendSubscription) server(server control.Server) {
	s.mu.Lock()
	s.servers = slices.DeleteFunc(s.servers, func(old control.Server) bool { return old.ShortServerID == server.ShortServerID })
	s.servers = append(s.servers, server)
	s.mu.Unlock()
	s.signal()
}

// bootstrapped takes the new state of the bootstrap; only the newest is kept.
func (s *backendSubscription) bootstrapped(b *control.Bootstrap) {
	s.mu.Lock()
	s.bootstrap = b
	s.mu.Unlock()
	s.signal()
}

// Wake implements control.Subscription.
func (s *backendSubscription) Wake() <-chan struct{} { return s.wake }

// Take implements control.Subscription.
func (s *backendSubscription) Take() control.Happened {
	p := s.tree.Take(nil)
	h := control.Happened{Changes: p.Changes, Lost: p.Lost, Health: s.health.Take()}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Servers, s.servers = s.servers, nil
	h.Bootstrap, s.bootstrap = s.bootstrap, nil
	h.Firmware, s.firmware = s.firmware, nil
	return h
}

// Close implements control.Subscription.
func (s *backendSubscription) Close() {
	close(s.end)
	s.merging.Wait()
	s.agent.status.remove(s)
	s.tree.Close()
	s.health.Close()
}
