package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/agent/apps"
	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/clock"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/agent/trace"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/host"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem/at"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

// Options are what an Agent is made of. Config is required; the zero value of
// another field is what a real gateway has.
type Options struct {
	Config  *config.Config
	Version string // of this program
	Built   time.Time
	Log     *slog.Logger

	Root     fs.FS        // of the operating system's files
	Control  host.Control // reboots and sets the clock
	Hardware hw.Options
	Now      func() time.Time

	// DialUDP, when not nil, makes sockets in place of the network; see client.DefaultDialer.
	DialUDP func(ctx context.Context, address string) (net.Conn, error)
	// OpenPort, when not nil, opens the ports of modems with AT commands in place of the machine's.
	OpenPort func(ctx context.Context, name string) (at.Port, error)
	// Simulated says that Root is no real machine's: there are no events of the kernel
	// to watch.
	Simulated bool
	// SoftReboot says that a reboot into new firmware is simulated by starting anew
	// what serves updates, and nothing else.
	SoftReboot bool
	// Params, when not nil, changes what is peculiar to an account's client.
	Params func(*client.Params)

	// Files, when not nil, are where Config was read from, with the overlay that Transactions has; Layout
	// is what was read.
	Files        *config.Files
	Layout       *config.Layout
	Transactions *transaction.Machine
	// Applied, when not nil, is told of each configuration that is put in force.
	Applied func(*config.Config)

	// FactoryReset says that servers may ask for one (/3/0/5). Run ends with ErrReset then, and a new Agent
	// must be made and run.
	FactoryReset bool

	lines *keptLines // nil: nobody keeps lines of outputs

	RefuseVolatile bool // the state directory must survive a reboot
	Deregister     bool // when the agent ends

	// BeforeWrite, when not nil, is asked before each write to the state directory; see
	// store.Options.
	BeforeWrite func() error

	// Trace sees each CoAP message as sent and received; see client.Config.
	Trace func(d coap.Direction, datagram []byte)
}

// Agent is a gateway that serves its objects to LwM2M servers and its control
// interface to local users.
type Agent struct {
	opts      Options
	log       *slog.Logger
	started   time.Time
	endpoint  string
	machineID string // see host.MachineID
	facts     objects.DeviceFacts

	references *keys.References // to keys that are held outside of object 0

	registry *registry.Registry
	store    *store.Store
	clock    *clock.Clock
	health   *health.Tracker
	troubled *health.Subscription // of showErrors
	tree     *model.Tree
	client   *client.Client
	beside   sync.WaitGroup // what New has begun, and need not be waited for
	board    *bind.Board
	apps     *apps.Apps
	accounts *bind.Accounts
	access   *bind.AccessControl
	objects  coreObjects
	counters *bind.Counters
	tap      trace.Tap
	status   statusFeed
	deferred chan func(context.Context) // work that must follow an answer
	config   atomic.Pointer[config.Config]
	judging  sync.Mutex // held by one judgeConfiguration at a time

	end       context.CancelCauseFunc // of Run
	resetting atomic.Bool             // Run ends for a factory reset

	firmware *firmware    // nil: no updates
	lock     *lockAndWipe // nil: no object 8

	configuration *configuration // nil: it is not in files
	rehoming      *rehoming
	wlan          *bind.WLAN
	modems        *bind.Modems
	radio         atomic.Pointer[radio]                    // that accounts go by
	module        atomic.Pointer[objects.ModuleIdentities] // that object 16 has

	modemTasks []Task
	modemPower *bind.ModemPower
	releasers  []*bind.Releaser
	receiver   *bind.Receiver // nil: nobody is asked where the device is

	network  sync.Mutex // a picture is published before the next one is taken
	ownLog   *objects.Collection
	eventLog *objects.EventLog
	followed []Task // of what the logs of other programs say
}

// New opens the state directory and makes the tree of objects. Nothing runs
// before Run; Close releases what New took if Run is not called.
func New(opts Options) (*Agent, error) {
	own := fillIn(&opts)
	a := &Agent{
		opts: opts, log: opts.Log, started: opts.Now(),
		health: health.NewTracker(opts.Now), deferred: make(chan func(context.Context), 8), ownLog: own,
	}
	a.troubled = a.health.Subscribe() // what is wrong from the first on is logged, too
	a.rehoming = newRehoming(a)
	a.config.Store(opts.Config)
	var err error
	if a.registry, err = definitions(opts.Config); err != nil {
		return nil, err
	}
	a.store, err = store.Open(opts.Config.StateDir, store.Options{
		Log: opts.Log, RefuseVolatile: opts.RefuseVolatile, OnFailure: a.storeFailure, BeforeWrite: opts.BeforeWrite,
	})
	if err != nil {
		return nil, err // which names it
	}
	if err := a.compose(); err != nil {
		return nil, errors.Join(a.store.Explain(err), a.Close())
	}
	return a, nil
}

// fillIn gives options their defaults, and has the log collected for object 20.
func fillIn(opts *Options) *objects.Collection {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	var own *objects.Collection
	opts.Log, own = collected(opts.Log)
	if opts.Root == nil {
		opts.Root = host.Root()
	}
	if opts.Control == nil {
		opts.Control = host.NewControl(host.Detect(opts.Root), opts.Root)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Hardware.Log == nil {
		opts.Hardware.Log = opts.Log
	}
	return own
}

// compose makes the parts and joins them.
func (a *Agent) compose() error {
	for _, d := range a.store.Damages() {
		a.health.Set(health.StateDamaged, d.File, d.Err.Error())
	}
	if a.store.Volatile() {
		a.health.Set(health.StateVolatile, "", "it lies at "+a.store.Dir())
	}
	a.clock = a.openClock()
	a.judgeConfiguration(a.clock.Now())
	n := lookAround(a.opts.Root)
	var err error
	if a.endpoint, err = a.chooseEndpoint(n); err != nil {
		return err
	}
	a.tree = model.NewTree(a.registry, a.opts.Now)
	if a.references, err = keys.NewReferences(a.store.Bucket(store.Meta)); err != nil {
		return err
	}
	a.accounts = bind.NewAccounts(a.store, a.references)
	a.counters = &bind.Counters{Root: a.opts.Root, Messages: a.messages, Texts: func() uint64 { return a.modems.Messages().Received }}
	if a.access, err = bind.NewAccessControl(a.tree, a.store, a.log); err != nil {
		return err
	}
	if err := a.addObjects(n); err != nil {
		return err
	}
	if err := a.accounts.Seed(a.tree, a.objects.security, a.objects.server, a.opts.Config); err != nil {
		return fmt.Errorf("seed the server accounts: %w", err)
	}
	if err := a.addEventLog(); err != nil {
		return fmt.Errorf("add the event logs: %w", err)
	}
	if err := a.addFirmware(); err != nil {
		return err
	}
	if err := a.addLockAndWipe(); err != nil {
		return err
	}
	a.addClient()
	a.continueStatistics()
	a.board = bind.NewBoard(bind.BoardConfig{
		Tree: a.tree, Definitions: a.registry, Store: a.store, Health: a.health, Location: a.objects.location,
		Hardware: a.opts.Hardware, Locked: a.lock.Locked, Log: a.log, Now: a.opts.Now,
	})
	for _, add := range []func() error{a.addLocation, a.addApps, a.addConfiguration} {
		if err := add(); err != nil {
			return err
		}
	}
	return nil
}

// judgeConfiguration shows what is wrong with the configuration that is in force, and no longer what was with the former one, or
// before the clock was set.
func (a *Agent) judgeConfiguration(now time.Time) {
	a.judging.Lock()
	defer a.judging.Unlock()
	cfg := a.config.Load()
	if len(cfg.Servers) == 0 && cfg.Bootstrap == nil {
		a.health.Set(health.ServerMissing, "", "the configuration has no [[server]] and no [bootstrap]")
	} else {
		a.health.Clear(health.ServerMissing, "")
	}
	unsafe := make(map[string]string)
	for _, w := range slices.Concat(cfg.Warnings, cfg.Outdated(now)) {
		unsafe[w.Key] = w.Error()
	}
	for _, t := range a.health.Troubles() {
		if t.Code == health.ConfigurationUnsafe && unsafe[t.On] == "" {
			a.health.Clear(t.Code, t.On)
		}
	}
	for key, text := range unsafe {
		a.health.Set(health.ConfigurationUnsafe, key, text)
	}
}

// addClient makes the client. Accounts and objects are there.
func (a *Agent) addClient() {
	a.client = client.New(client.Config{
		Endpoint: a.endpoint, Tree: a.tree, Dialer: a.dialer(), Store: a.store.Bucket(store.Client),
		Journal: a.store.SmallBucket("client/"), Mark: a.mark(), Boot: a.bootID(), Params: a.params,
		Log: a.log, Now: a.opts.Now, OnStatus: a.accountChanged, OnBootstrap: a.bootstrapChanged, Together: a.rehoming.together,
		OnAlert: a.alert, Trace: a.trace, OnForgotten: a.rehoming.scrub,
		OnObserved: func(id uint16, wishes []client.Wish) { a.board.Observed(id, wishes) },
	})
	a.beside.Go(a.client.Reserve) // the disk is at work meanwhile
	runtime.Gosched()             // where one thread runs Go code, it gets there only so
}

// Close releases the state directory; Run does it by itself.
func (a *Agent) Close() error {
	a.beside.Wait()
	return a.store.Close()
}

// Tree returns the object tree.
func (a *Agent) Tree() *model.Tree { return a.tree }

// Endpoint returns the endpoint client name.
func (a *Agent) Endpoint() string { return a.endpoint }

// Run serves until ctx ends. It returns nil after an orderly end, and an error that wraps ErrReset if
// a factory reset was asked for.
func (a *Agent) Run(ctx context.Context, more ...Task) error {
	defer a.objects.statistics.Close()
	ctx, a.end = context.WithCancelCause(ctx)
	defer a.end(nil)
	if err := a.begin(ctx); err != nil {
		if errors.Is(err, ctx.Err()) {
			err = nil // ended while it was starting
		}
		return errors.Join(err, a.Close())
	}
	tasks := append([]Task{
		named{"client", a.runClient},
		a.board.Hardware(),
		named{"store", a.store.Run},
		named{"clock", a.clock.Run},
		named{"access control", a.access.Run},
		named{"applications", a.apps.Run},
		named{"health", a.showErrors},
		named{"deferred work", a.runDeferred},
		named{"event log", a.eventLog.Run},
		named{"new accounts", a.rehoming.run},
		named{"power of modems", a.keepPower},
	}, slices.Concat(a.followed, a.modemTasks)...)
	if a.receiver != nil {
		tasks = append(tasks, named{"receiver", a.receiver.Run})
	}
	if a.firmware != nil {
		tasks = append(tasks, named{"firmware", a.firmware.run})
	}
	if a.lock != nil {
		tasks = append(tasks, named{"lock and wipe", a.lock.run})
	}
	if a.configuration != nil {
		tasks = append(tasks, named{"configuration", a.configuration.run})
	}
	var canWait []Task
	if a.opts.Config.Metrics.Listen != (config.Local{}) {
		canWait = append(canWait, a.asked("metrics", a.serveMetrics))
	}
	if a.opts.Config.Page.Listen != (config.Local{}) {
		canWait = append(canWait, a.asked("page", a.servePage))
	}
	if !a.opts.Simulated {
		canWait = append(canWait,
			revived(a.log, named{"clock watch", a.watchClock}, a.clock.Stepped),
			revived(a.log, named{"network watch", a.watchNetwork}, a.networkChanged),
			revived(a.log, named{"power watch", a.watchPower}, a.publishPower),
			revived(a.log, named{"wireless watch", a.watchWLAN}, a.publishWLAN))
	}
	err := runAll(ctx, tasks, append(canWait, more...), a.serversFirst, a.part)
	if a.resetting.Load() {
		err = errors.Join(ErrReset, err)
	} else {
		a.keepStatistics()
	}
	return errors.Join(err, a.Close())
}

// part does what others must hear of before the agent has ended.
func (a *Agent) part(ctx context.Context) error {
	a.modemPower.GiveBack(ctx)
	if a.opts.Deregister || a.resetting.Load() {
		return a.client.Deregister(ctx)
	}
	return nil
}

// longestBegin is how long local users wait at most until servers were told that the agent is back.
const longestBegin = 100 * time.Millisecond

// serversFirst waits until sessions of an earlier run go on, with first values of the sensors. What local users and the
// kernel have to say comes a few milliseconds later.
func (a *Agent) serversFirst(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, longestBegin)
	defer cancel()
	for _, begun := range []<-chan struct{}{a.client.Begun(), a.board.Hardware().Ready()} {
		select {
		case <-begun:
		case <-ctx.Done():
		}
	}
}

// runClient talks to servers as soon as the board runs: what a server writes at once must reach an actuator.
func (a *Agent) runClient(ctx context.Context) error {
	select {
	case <-a.board.Hardware().Running():
	case <-ctx.Done():
	}
	return a.client.Run(ctx)
}

// begin does what must be done before servers are talked to.
func (a *Agent) begin(ctx context.Context) error {
	if err := a.access.Provision(ctx, a.opts.Config, true); err != nil && !errors.Is(err, bind.ErrLater) { // of which access.Run tells
		return err
	}
	return a.board.Apply(ctx, a.opts.Config)
}

// Apply takes over a configuration that was read anew: sensors, actuators and
// the sections of accounts that were edited. What has not changed is not
// disturbed.
func (a *Agent) Apply(ctx context.Context, cfg *config.Config) error {
	if err := a.checkApps(cfg); err != nil {
		return err
	}
	if err := a.setAPNs(ctx, cfg); err != nil {
		return err
	}
	if err := a.apps.Apply(cfg.Apps); err != nil { // first: a sensor may take over an object of theirs
		return err
	}
	a.opts.lines.change(a.config.Load(), cfg)
	if err := a.board.Apply(ctx, cfg); err != nil {
		return err
	}
	a.config.Store(cfg)
	a.judgeConfiguration(a.clock.Now())
	a.forgetKeys(cfg)
	a.client.ParamsChanged()
	if err := a.access.Provision(ctx, cfg, false); err != nil { // before another server comes, and after
		return err
	}
	if err := a.accounts.Seed(a.tree, a.objects.security, a.objects.server, cfg); err != nil {
		return err
	}
	if a.opts.Applied != nil {
		a.opts.Applied(cfg)
	}
	return a.access.Provision(ctx, cfg, true)
}

// reloaded shows how reading the configuration anew went.
func (a *Agent) reloaded(err error) {
	if err == nil {
		a.log.Info("configuration read anew")
		return
	}
	a.health.Set(health.ConfigurationInvalid, "", err.Error())
}

// ControlTask returns the task that serves the control socket.
func (a *Agent) ControlTask(opts control.SocketOptions) *control.SocketServer {
	opts.Apps, opts.Firmware, opts.Configuration = a.apps, a.updates(), a.configurable()
	return control.NewSocketServer(&backend{a}, opts)
}

// storeFailure shows that the state directory cannot be written, and that it
// can again.
func (a *Agent) storeFailure(err error) {
	if err == nil {
		a.health.Clear(health.StateUnwritable, "")
		return
	}
	a.health.Set(health.StateUnwritable, "", err.Error())
}
