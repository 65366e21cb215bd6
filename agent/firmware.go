package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/fota"
	httpfetch "lwm2m-agent/fota/fetch"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/objects"
)

// keyFirmware is the journal's record of the machine's own firmware; other
// components have others.
const keyFirmware = "firmware"

// firmware is the update of this machine's system.
type firmware struct {
	agent  *Agent
	cfg    *config.Firmware
	object *objects.Firmware
	shown  *objects.UpdateProgress
	boots  int // simulated ones

	fetchers map[string]fota.Fetcher
	slots    fota.Backend
	reboot   chan struct{} // receives when a simulated reboot is due
	// unproven receives when servers are to be asked for an exchange.
	unproven chan struct{}
	now      atomic.Pointer[fota.Updater]

	look     chan struct{} // receives when it is to be looked whether updates are possible
	unusable atomic.Bool   // they are not

	mu       sync.Mutex
	accounts map[uint16]client.AccountStatus
	received map[uint16]uint64 // messages of each account when the machine booted
}

// addFirmware adds object 5, if the configuration has a back end.
func (a *Agent) addFirmware() error {
	cfg := a.opts.Config.Firmware
	if cfg == nil {
		return nil
	}
	f := &firmware{
		agent: a, cfg: cfg, reboot: make(chan struct{}, 1), unproven: make(chan struct{}, 1), look: make(chan struct{}, 1),
		accounts: make(map[uint16]client.AccountStatus), received: make(map[uint16]uint64),
	}
	var err error
	if f.fetchers, err = a.fetchers(cfg); err != nil {
		return fmt.Errorf("firmware updates: %w", err)
	}
	f.boot()
	status := f.now.Load().Status()
	progress := bind.FirmwareProgress(&status)
	if f.shown, err = objects.NewUpdateProgress(a.tree, a.opts.Now, &progress); err != nil {
		return err
	}
	f.object, err = objects.NewFirmware(a.tree, bind.Firmware{Updater: f.now.Load}, firmwareProtocols, bind.FirmwareStatus(status))
	a.firmware = f
	return err
}

// firmwareProtocols are what fetchers are there for.
var firmwareProtocols = []objects.FirmwareProtocol{
	objects.FirmwareCoAP, objects.FirmwareCoAPS, objects.FirmwareHTTP, objects.FirmwareHTTPS, objects.FirmwareCoAPTCP, objects.FirmwareCoAPTLS,
}

func (a *Agent) fetchers(cfg *config.Firmware) (map[string]fota.Fetcher, error) {
	hosts, err := a.httpsHosts(cfg)
	if err != nil {
		return nil, err
	}
	web, err := httpfetch.NewHTTP(httpfetch.Options{CAFile: cfg.CAFile, Hosts: hosts, Now: a.clock.Now})
	if err != nil {
		return nil, err
	}
	constrained := coapFetcher{a}
	return map[string]fota.Fetcher{
		"http": web, "https": web, "coap": constrained, "coaps": constrained, "coap+tcp": constrained, "coaps+tcp": constrained,
	}, nil
}

// boot makes the updater, as it stands after a boot of the machine.
func (f *firmware) boot() {
	a := f.agent
	id := ""
	if b, err := host.ReadBoot(a.opts.Root); err == nil {
		id = b.ID
	}
	if a.opts.SoftReboot {
		id = strconv.Itoa(f.boots)
	}
	slots, err := a.openSlots(f.cfg, id)
	if err != nil { // the agent has more to do than that
		slots = noSlots{err}
	}
	f.slots = slots
	var checks []func(context.Context) error
	if own, ok := slots.(interface {
		Check(ctx context.Context) error
	}); ok {
		checks = append(checks, own.Check)
	}
	if len(f.cfg.Check) > 0 {
		checks = append(checks, fota.Program(f.cfg.Check[0], f.cfg.Check[1:]...))
	}
	f.now.Store(fota.New(fota.Config{
		Key: keyFirmware, Backend: slots, Journal: a.store.Bucket(store.Firmware), Dir: cmp.Or(f.cfg.Download, a.store.Path("firmware/download")), Fetchers: f.fetchers, Mirrors: a.mirrorsOf,
		BootID: id, Reboot: f.restart, FallBack: f.fallBack, Check: all(checks), Lenient: len(f.cfg.Check) > 0,
		MaxSize: f.cfg.MaxSize, Patience: f.cfg.Patience, Confirm: f.cfg.Confirm, Limit: f.cfg.Limit, Consent: f.cfg.Consent,
		Rate: f.cfg.MaxRate, DownloadHours: fota.Hours(f.cfg.DownloadHours), RebootHours: fota.Hours(f.cfg.RebootHours),
		Budget: fota.Budget(f.cfg.Budget), Metered: f.metered, Clock: func() time.Time { return a.clock.Now().Local() }, Elapsed: host.SinceBoot,
		Inhibit: f.inhibit, OnChange: f.changed, Now: a.opts.Now, Log: a.log,
	}))
}

// metered reports whether what is fetched from a URI now counts in the data budget.
func (f *firmware) metered(uri *url.URL) bool {
	return !f.cfg.Cellular || f.agent.cellular(f.agent.accountOf(uri.Hostname()))
}

// showRunning makes /3/0/3 the version of the slot that runs on a simulated
// machine.
func (f *firmware) showRunning(ctx context.Context) error {
	slots, err := f.slots.Slots(ctx)
	if err != nil {
		return err
	}
	facts := f.agent.facts
	for _, s := range slots.All {
		if s.Name == slots.Booted && s.Image.Version != "" {
			facts.Firmware = s.Image.Version
		}
	}
	return f.agent.objects.device.SetFacts(facts)
}

// all is a check that makes each of the checks.
func all(checks []func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, check := range checks {
			if err := check(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// restart is fota.Config.Reboot.
func (f *firmware) restart(ctx context.Context) error { return f.restartBy(ctx, f.rebootMachine) }

// fallBack is fota.Config.FallBack: the back end, which may be a helper that does not answer, is not asked what the firmware has to be told.
func (f *firmware) fallBack(ctx context.Context) error {
	return f.restartBy(ctx, f.agent.opts.Control.Reboot)
}

// restartBy reboots when what announces it has had time to reach the servers.
func (f *firmware) restartBy(ctx context.Context, reboot func(context.Context) error) error {
	timer := time.NewTimer(answerTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := reboot(ctx)
	if err == nil && f.agent.opts.SoftReboot {
		f.reboot <- struct{}{}
	}
	return err
}

// inhibitTime bounds the question for an inhibitor lock.
const inhibitTime = 10 * time.Second

// inhibit is fota.Config.Inhibit: where the system knows no such thing, or does not
// let the agent, a shutdown in the middle costs an update time, and nothing more.
func (f *firmware) inhibit(ctx context.Context, why string) (release func()) {
	ctx, cancel := context.WithTimeout(ctx, inhibitTime)
	defer cancel()
	if i, ok := f.agent.opts.Control.(host.Inhibitor); ok {
		release, err := i.Inhibit(ctx, why)
		if err == nil {
			return release
		}
		if !errors.Is(err, host.ErrNotSupported) { // there is no logind
			f.agent.log.Warn("others may shut the machine down while its firmware is written", slog.Any("error", err))
		}
	}
	return func() {}
}

// rebootMachine tells the firmware what the back end wants it to be told.
func (f *firmware) rebootMachine(ctx context.Context) error {
	control := f.agent.opts.Control
	r, ok := f.slots.(fota.Rebooter)
	if !ok {
		return control.Reboot(ctx)
	}
	argument, err := r.RebootArgument()
	if err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	if argument == "" {
		return control.Reboot(ctx)
	}
	with, ok := control.(host.ArgumentControl)
	if !ok {
		return fmt.Errorf("reboot with %q: %w", argument, host.ErrNotSupported)
	}
	return with.RebootWith(ctx, argument)
}

// run carries out updates until ctx ends, again after each simulated reboot.
func (f *firmware) run(ctx context.Context) error {
	f.changed(f.now.Load().Status()) // health shows again how the last update ended
	for {
		booted, off := context.WithCancel(ctx)
		var running sync.WaitGroup
		running.Go(func() { _ = f.now.Load().Run(booted) }) // it returns nil
		running.Go(func() { f.watchSlots(booted) })
		f.attend(ctx)
		off()
		running.Wait()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it has ended in order
		}
		f.boots++
		f.forgetContacts()
		f.boot()
		if err := f.showRunning(ctx); err != nil {
			return err
		}
		f.changed(f.now.Load().Status())
	}
}

// attend proves the trial of a new system, until a simulated reboot or the end.
func (f *firmware) attend(ctx context.Context) {
	for {
		select {
		case <-f.unproven:
			f.prove()
		case <-f.reboot:
			return
		case <-ctx.Done():
			return
		}
	}
}

// ask has attend ask the servers for an exchange.
func (f *firmware) ask() {
	if f.now.Load().Status().Phase != fota.Trial {
		return
	}
	select {
	case f.unproven <- struct{}{}:
	default:
	}
}

// changed is fota.Config.OnChange.
func (f *firmware) changed(s fota.Status) {
	if f.object == nil {
		return // NewFirmware shows it
	}
	progress := bind.FirmwareProgress(&s)
	if err := errors.Join(f.object.Publish(bind.FirmwareStatus(s)), f.shown.Publish(&progress)); err != nil {
		f.agent.log.Error("firmware status not published", slog.Any("error", err))
	}
	f.agent.status.tellFirmware(shownFirmware(s))
	f.agent.lookSilent()
	if s.Result == fota.UpdateFailed && s.Phase == fota.Resting {
		f.agent.health.Set(health.FirmwareFailed, "", s.Reason)
	} else {
		f.agent.health.Clear(health.FirmwareFailed, "")
	}
	if s.Phase == fota.Deferred {
		f.agent.health.Set(health.FirmwareWaits, "", fmt.Sprintf("version %q, at the latest %s", s.Package.Version, s.Until.UTC().Format(time.RFC3339)))
	} else {
		f.agent.health.Clear(health.FirmwareWaits, "")
	}
	if s.Wait.For == fota.ForDataBudget {
		f.agent.health.Set(health.FirmwareBudget, "", fmt.Sprintf("%d of %d bytes are used; it goes on at %s", s.Spent, s.Budget.Bytes, s.Wait.Until.UTC().Format(time.RFC3339)))
	} else {
		f.agent.health.Clear(health.FirmwareBudget, "")
	}
	if s.Phase == fota.Resting {
		f.lookAgain()
		f.agent.lock.goOn()
	}
	f.ask()
}

// prove asks for an exchange with each server: what was registered before the boot
// proves nothing about the new system.
func (f *firmware) prove() {
	for _, s := range f.agent.client.Status() {
		if s.Held {
			continue // another server's turn to register comes first
		}
		if err := f.agent.client.Update(s.ShortServerID); err != nil && !errors.Is(err, client.ErrNoAccount) {
			f.agent.log.Warn("no exchange with a server to confirm the new system", slog.Any("error", err))
		}
	}
}

// forgetContacts makes all that servers have said be of the time before the boot.
func (f *firmware) forgetContacts() {
	statuses := f.agent.client.Status()
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.accounts)
	for _, s := range statuses {
		f.received[s.ShortServerID] = s.ReceivedMessages
	}
}

// downloads reports whether a package comes.
func (f *firmware) downloads() bool {
	u := f.now.Load()
	return u != nil && u.Status().Phase.State() == fota.Downloading
}

// heard takes the state of an account.
func (f *firmware) heard(s client.AccountStatus) {
	f.mu.Lock()
	f.accounts[s.ShortServerID] = s
	var c fota.Contact
	for id, s := range f.accounts {
		registered := s.State == client.Registered || s.State == client.Updating || s.State == client.Asleep
		switch {
		case registered && s.ReceivedMessages > f.received[id]:
			c.Registered = true
		case registered: // not by an exchange since the boot
			f.ask()
		case !s.ErrorCleared && (s.Cause == client.Refused || s.Cause == client.Mistrusted):
			c.Answer = s.LastError
		}
	}
	f.mu.Unlock()
	f.now.Load().Contact(c)
}
