package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

// Client registers one device with its servers. All methods may be called from any
// goroutine.
type Client struct {
	config     Config
	running    sync.WaitGroup // accounts and the bootstrap
	bootstrap  *bootstrapper
	renderings renderings

	begun     chan struct{} // see Begun
	reserving sync.Once     // see Reserve

	mu        sync.Mutex
	accounts  map[uint16]*account
	beginning map[*account]bool // of the first ones, those that begun waits for
	turns     turns
	nats      nats
	reserved  map[uint16]*reservation // that no account has taken yet
	wakes     map[uint16]time.Time    // by SMS, see mayWake
	started   bool                    // there were accounts
	life      context.Context         //nolint:containedctx // of Run; nil: it has not begun
	leaving   bool                    // Deregister was called: no account is started any more
}

// ErrNoAccount says that there is no account with a Short Server ID.
var ErrNoAccount = errors.New("no such server account")

// New returns a client that does nothing before Run.
func New(c Config) *Client {
	client := &Client{config: c.withDefaults(), begun: make(chan struct{}), accounts: make(map[uint16]*account)}
	client.bootstrap = newBootstrapper(client)
	return client
}

// Run serves all accounts that objects 0 and 1 name, follows changes of them, and
// returns when ctx has ended and every goroutine of the Client with it. It does not
// deregister: see Deregister. It is called once. The error is nil: it is there so that
// Run is a task.
func (c *Client) Run(ctx context.Context) error {
	c.Reserve()
	sub := c.config.Tree.Subscribe()
	defer sub.Close()
	sub.Watch(lwm2m.NewPath(objectSecurity), lwm2m.NewPath(objectServer))
	defer c.running.Wait()
	c.bootstrap.ctx = ctx
	c.mu.Lock()
	c.life = ctx
	c.mu.Unlock()
	c.running.Go(c.bootstrap.run)
	var pending model.Pending
	for {
		c.follow(ctx)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-sub.Wake():
			}
			if pending = sub.Take(pending.Changes); len(pending.Changes) > 0 || pending.Lost {
				break
			}
		}
	}
}

// follow starts, changes and ends accounts as objects 0 and 1 say.
func (c *Client) follow(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return
	}
	named := make(map[uint16]bool)
	list := readAccounts(c.config.Tree)
	c.bootstrap.inbox.put(surveyed(c.config.Tree, list))
	written := c.lineUp(list)
	for _, s := range list {
		ssid := s.server.ShortServerID
		named[ssid] = true
		if a := c.accounts[ssid]; a != nil {
			a.named = s
			a.inbox.put(resettled{s, c.turns.place(ssid, written[ssid])})
			continue
		}
		c.start(ctx, s)
	}
	c.beginWith()
	for ssid, a := range c.accounts {
		if !named[ssid] {
			delete(c.accounts, ssid)
			a.removed.Store(true)
			a.inbox.put(command{event: leave})
		}
	}
	c.forget()
}

// Begun is closed when every account that there is at the start has told its server what it has to, if a session of an
// earlier run goes on, or has none to go on with. While a server cannot be reached it is not closed.
func (c *Client) Begun() <-chan struct{} { return c.begun }

// beginWith says whom begun waits for, once; mu is held.
func (c *Client) beginWith() {
	if c.beginning != nil {
		return
	}
	c.beginning = make(map[*account]bool)
	for _, a := range c.accounts {
		c.beginning[a] = true
	}
	if len(c.beginning) == 0 {
		close(c.begun)
	}
}

// began is told by an account that begun waits for no longer.
func (c *Client) began(a *account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.beginning[a] {
		return
	}
	delete(c.beginning, a)
	if len(c.beginning) == 0 {
		close(c.begun)
	}
}

// ErrNotRunning says that Run has not begun.
var ErrNotRunning = errors.New("the client does not run yet")

// Settle returns when all accounts have taken up what objects 0 and 1 say now. What Status says of
// an exchange after that is of an exchange with these settings.
func (c *Client) Settle(ctx context.Context) error {
	c.mu.Lock()
	life := c.life
	c.mu.Unlock()
	if life == nil {
		return ErrNotRunning
	}
	c.follow(life) //nolint:contextcheck // accounts live as long as Run
	return c.Alive(ctx)
}

// bootstrapped has registrations follow what a bootstrap server wrote, also where it has
// changed nothing. written has the accounts that it wrote, by Short Server ID.
func (c *Client) bootstrapped(ctx context.Context, before []*account, written map[uint16]bool) {
	c.follow(ctx)
	for _, a := range before {
		a.inbox.put(bootstrapped{written[a.ssid]})
	}
}

// deleted tells all accounts what a server has deleted.
func (c *Client) deleted(p lwm2m.Path) {
	for _, a := range c.present() {
		a.inbox.put(deleted{p})
	}
}

// present returns the accounts that there are, in order of Short Server ID.
func (c *Client) present() []*account {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sorted()
}

// start begins an account. The lock must be held.
func (c *Client) start(ctx context.Context, s *settings) {
	ssid := s.server.ShortServerID
	a := &account{
		client: c, ssid: ssid, settings: s, named: s, access: c.config.Tree.Access(),
		tree: c.config.Tree, shapes: model.Shapes(c.config.Tree), sub: c.config.Tree.Subscribe(),
		log:          c.config.Log.With(slog.Int("short_server_id", int(ssid))),
		warned:       make(map[string]bool),
		inbox:        newInbox(),
		observations: newObservations(false),
	}
	a.behind = !c.turns.has(ssid)
	a.ordered = slices.Contains(c.turns.waiting, ssid)
	a.ctx, a.cancel = context.WithCancel(ctx)
	c.accounts[ssid] = a
	c.running.Go(a.run)
}

// Update sends a registration Update to a server as soon as it can (/1/x/8,
// Registration Update Trigger). A disabled account is enabled by it, a waiting one
// tries at once. Called while an Execute on object 1 by that server is being
// answered, it waits for the answer to go out. It does not wait for the server.
func (c *Client) Update(shortServerID uint16) error {
	return c.command(shortServerID, command{event: triggered})
}

// UpdateRegistered sends a registration Update to a server that has the client registered, in
// whatever else goes on then. Unlike Update it leaves an account alone that is not registered: it
// tries by itself when its back-off, delay, turn or Disable is over.
func (c *Client) UpdateRegistered(shortServerID uint16) error {
	return c.command(shortServerID, command{event: updateDue})
}

// UpdateOver is Update over a transport, "U" or "T", that a server asks for with the argument
// of the trigger. The client connects anew where it uses another one (Core 1.2.2, section
// 6.2.1.2), and goes on to prefer the transport until it is asked for another. The error is an
// *[lwm2m.Error] if the account has no such transport.
func (c *Client) UpdateOver(shortServerID uint16, transport string) error {
	for _, s := range readAccounts(c.config.Tree) {
		if s.server.ShortServerID == shortServerID {
			if err := s.offers(transport); err != nil {
				return err
			}
		}
	}
	return c.command(shortServerID, command{event: triggered, transport: transport})
}

// Disable deregisters from a server and registers again after the time-out (/1/x/4);
// zero means /1/x/5 (Disable Timeout), 86400 s if that is absent. Like Update it
// lets an answer go out first.
func (c *Client) Disable(shortServerID uint16, timeout time.Duration) error {
	return c.command(shortServerID, command{event: disable, timeout: timeout})
}

func (c *Client) command(ssid uint16, what command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.accounts[ssid]
	if a == nil {
		return fmt.Errorf("%w: %d", ErrNoAccount, ssid)
	}
	a.inbox.put(what)
	return nil
}

// NetworkChanged tells that addresses or routes have changed: waiting accounts try
// at once, others look whether their local address still holds.
func (c *Client) NetworkChanged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bootstrap.inbox.put(networkChanged{})
	for _, a := range c.accounts {
		a.inbox.put(networkChanged{})
	}
}

// ParamsChanged has all accounts ask for their parameters again, for the connections that
// they have too.
func (c *Client) ParamsChanged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.accounts {
		a.inbox.put(paramsChanged{})
	}
}

// Deregister ends all registrations, for good: Run goes on, but starts none any more.
// It returns when the servers have answered or have been silent, or when ctx has
// ended, with its error.
func (c *Client) Deregister(ctx context.Context) error {
	c.mu.Lock()
	c.leaving = true
	c.bootstrap.inbox.put(command{event: leave})
	accounts := c.sorted()
	for _, a := range accounts {
		a.inbox.put(command{event: leave})
	}
	c.mu.Unlock()
	for _, a := range accounts {
		select {
		case <-a.ctx.Done():
		case <-ctx.Done():
			return fmt.Errorf("deregister from server %d: %w", a.ssid, context.Cause(ctx))
		}
	}
	return nil
}

// sorted returns the accounts in order of Short Server ID. The lock must be held.
func (c *Client) sorted() []*account {
	accounts := make([]*account, 0, len(c.accounts))
	for _, a := range c.accounts {
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b *account) int { return cmp.Compare(a.ssid, b.ssid) })
	return accounts
}

// Alive returns when the goroutines of all accounts and of the bootstrap have looked at their
// events, or when ctx has ended, with an error that names the one which has not. Run must run.
func (c *Client) Alive(ctx context.Context) error {
	c.mu.Lock()
	accounts := c.sorted()
	c.mu.Unlock()
	for _, a := range accounts {
		if err := a.inbox.alive(ctx, a.ctx.Done()); err != nil {
			return fmt.Errorf("account of server %d: %w", a.ssid, err)
		}
	}
	if err := c.bootstrap.inbox.alive(ctx, c.bootstrap.ended); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return nil
}

// Observed returns the requests of what a server observes, in no order: what notifications
// with their tokens tell of. Run must run. Errors: [ErrNoAccount], [ErrUnregistered] if the
// account ends meanwhile, and what ends ctx.
func (c *Client) Observed(ctx context.Context, shortServerID uint16) ([]*coap.Message, error) {
	c.mu.Lock()
	a := c.accounts[shortServerID]
	c.mu.Unlock()
	if a == nil {
		return nil, fmt.Errorf("%w: %d", ErrNoAccount, shortServerID)
	}
	answer := make(chan []*coap.Message, 1)
	a.inbox.put(observedAsked{answer})
	select {
	case requests := <-answer:
		return requests, nil
	case <-a.ctx.Done():
		return nil, ErrUnregistered
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// observed returns copies of the requests of what the server observes.
func (a *account) observed() []*coap.Message {
	requests := make([]*coap.Message, 0, len(a.observations.byToken))
	for o := range a.observations.all() {
		requests = append(requests, o.request.Clone())
	}
	return requests
}

// Status returns the accounts in order of Short Server ID.
func (c *Client) Status() []AccountStatus {
	accounts := c.present()
	now := c.config.Now()
	out := make([]AccountStatus, len(accounts))
	for i, a := range accounts {
		out[i] = a.view.read(now)
	}
	return out
}

// Traffic returns what all servers together have sent and received, those of bootstraps
// too: in all, and of it what is not older than a day.
func (c *Client) Traffic() (total, day Flows) {
	now := c.config.Now()
	total, day = c.bootstrap.view.traffic.read(now)
	for _, a := range c.present() {
		t, d := a.view.traffic.read(now)
		total.add(&t)
		day.add(&d)
	}
	return total, day
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dialer == nil {
		c.Dialer = DefaultDialer{DTLS: dtls.Config{Now: c.Now}}
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	return c
}

// params returns the parameters of an account, with defaults.
func (c *Client) params(ssid uint16) Params {
	var p Params
	if c.config.Params != nil {
		p = c.config.Params(ssid)
	}
	if p.Version.IsZero() {
		p.Version = lwm2m.Version12
	}
	if p.ConfirmEvery <= 0 {
		p.ConfirmEvery = 24 * time.Hour
	}
	if p.RequestTime <= 0 {
		p.RequestTime = time.Minute
	}
	return p
}
