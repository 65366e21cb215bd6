package ets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/server"
)

// Verdict is what came of a procedure.
type Verdict string

// The verdicts.
const (
	Passed        Verdict = "passed"
	Failed        Verdict = "failed"
	NotApplicable Verdict = "not-applicable"
)

// Result is the outcome of one procedure.
type Result struct {
	ID        string  `json:"id"` // "int-101"
	Title     string  `json:"title"`
	Version   string  `json:"version"`             // of LwM2M: "1.2"
	Condition string  `json:"condition,omitempty"` // the configuration of the device: "C.3"
	Result    Verdict `json:"result"`
	Reason    string  `json:"reason"` // what differed, why it does not apply, or what is to be noted
}

// Lab is what procedures need to be run.
type Lab struct {
	Make   Maker
	Shapes lwm2m.Shapes // of the resources that servers know
	Dir    string       // a folder in which sandboxes are made; "": the default for temporary files
}

// limit is the longest time that one procedure may take.
const limit = time.Minute

// patience is how long a message is awaited that must come at once.
const patience = 20 * time.Second

// trial is one run of a procedure. Its methods, and those of what it gives, end the
// procedure by a panic with a stop when something differs, so that a procedure reads as
// the list of its steps; Run turns that into the verdict.
type trial struct {
	ctx     context.Context //nolint:containedctx // of this one run
	lab     *Lab
	version lwm2m.Version
	dir     string
	sandbox *sandbox
	servers []*tester
	pulse   pulse

	accounts  []config.Server // of the servers, whether the device knows them or not
	bootstrap *bootstrapServer
}

// stop ends a procedure.
type stop struct {
	verdict Verdict
	reason  string
}

// Run runs a procedure as a server of a version does.
func (l *Lab) Run(ctx context.Context, p *Procedure, v lwm2m.Version) Result {
	s := stop{NotApplicable, p.Missing}
	if p.Missing == "" {
		s = l.try(ctx, p, v)
	}
	return Result{
		ID: p.Name(), Title: p.Title, Version: v.String(), Condition: p.Condition, Result: s.verdict, Reason: p.reason(&s),
	}
}

// reason says all that is to be said about the end of a run, "" if nothing is.
func (p *Procedure) reason(s *stop) string {
	var texts []string
	if s.reason != "" {
		texts = append(texts, s.reason)
	}
	if p.Note != "" && s.verdict != NotApplicable {
		texts = append(texts, p.Note)
	}
	if p.Erratum != "" {
		texts = append(texts, "erratum: "+p.Erratum)
	}
	return strings.Join(texts, "; ")
}

// try runs the steps of a procedure in a new sandbox, which is gone when it returns.
func (l *Lab) try(ctx context.Context, p *Procedure, v lwm2m.Version) (end stop) {
	dir, err := os.MkdirTemp(l.Dir, "lwm2m-agent-ets-")
	if err != nil {
		return stop{Failed, "no sandbox: " + err.Error()}
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	t := &trial{lab: l, version: v, dir: dir}
	var beating sync.WaitGroup
	defer beating.Wait()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t.ctx = ctx
	beating.Go(func() {
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		t.pulse.run(ctx, ticker.C)
	})
	defer t.close()
	defer func() {
		switch s := recover().(type) {
		case nil:
		case stop:
			end = s
		default:
			panic(s) // a mistake of the procedure's
		}
	}()
	p.run(t)
	return stop{verdict: Passed}
}

func (t *trial) close() {
	if t.sandbox != nil {
		t.sandbox.close()
	}
}

// failf ends the procedure: the device differs from the specification.
func (t *trial) failf(format string, args ...any) {
	panic(stop{Failed, fmt.Sprintf(format, args...)})
}

// skipf ends the procedure: it does not apply to the device.
func (t *trial) skipf(format string, args ...any) {
	panic(stop{NotApplicable, fmt.Sprintf(format, args...)})
}

// must ends the procedure if what it needs for itself has failed.
func (t *trial) must(err error) {
	if err != nil {
		t.failf("%v", err)
	}
}

// initially are the resources of configuration C.3. Send is not muted, which from 1.1 on
// takes a resource that is otherwise taken for true.
func (t *trial) initially() values {
	const v values = "/1/0/2=1, /1/0/3=10, /1/0/5=86400, /1/0/6=0"
	if t.atLeast(lwm2m.Version11) {
		return v.with("/1/0/23=0")
	}
	return v
}

func (t *trial) atLeast(v lwm2m.Version) bool { return !t.version.Less(v) }

// start brings the device into the conditions and switches it on. It returns the first
// of its servers, at which it has not registered yet.
func (t *trial) start(c conditions) *tester {
	ctx, end := context.WithCancel(t.ctx)
	b, err := newSandbox(t.dir, t.lab.Make, end)
	if err != nil {
		end()
		t.must(err)
	}
	t.sandbox = b
	b.setup.Awake, b.setup.Modem = c.awake, c.modem
	if c.stalled > 0 {
		b.setup.Config.Firmware.Patience = c.stalled
	}
	for id := 1; id <= max(c.servers, 1); id++ {
		t.addServer(ctx, c, uint16(id))
	}
	if c.bootstrap != nil {
		t.addBootstrapServer(ctx, c)
	}
	if len(b.setup.Config.Servers) > 0 {
		b.initial, err = t.initially().with(c.resources).nodes(t.lab.Shapes)
		t.must(err)
	}
	t.must(b.start(ctx))
	return t.servers[0]
}

// startAgain ends the sandbox, so that start makes another one.
func (t *trial) startAgain() {
	t.sandbox.close()
	t.sandbox, t.servers, t.accounts, t.bootstrap = nil, nil, nil, nil
	t.dir = filepath.Join(t.dir, "again")
}

// addServer adds a server and its account.
func (t *trial) addServer(ctx context.Context, c conditions, id uint16) {
	tap := newWiretap()
	cfg := server.Config{Shapes: t.lab.Shapes, Grace: serverGrace, Trace: tap.note, AwakeTime: c.awake / 2, Refused: tap.refuse}
	only := endpoint
	if c.refusing && id == 1 {
		only = "another device"
	}
	s, account, err := t.sandbox.startServer(ctx, cfg, id, &c, only)
	t.must(err)
	account.Version, account.QueueMode = t.version, c.queue
	t.accounts = append(t.accounts, config.Server{Account: account, ShortServerID: id, Lifetime: cmp.Or(c.lifetime, lifetime)})
	t.sandbox.setup.Config.Servers = t.accounts
	if c.refusing {
		t.sandbox.setup.Config.Servers = t.accounts[:1] // the device does not know the others
	}
	t.servers = append(t.servers, &tester{t: t, id: id, server: s, tap: tap})
}

// registered is start, and waits for the registration at the first server. The client
// answers a request when it knows that the registration stands.
func (t *trial) registered(c conditions) *tester {
	s := t.start(c)
	s.register()
	s.read("/1/0/0").is(coap.Content)
	return s
}

// device returns the device under test.
func (t *trial) device() Device {
	d, err := t.sandbox.current()
	t.must(err)
	return d
}

// machine returns the device's machine.
func (t *trial) machine() *Machine { return t.sandbox.setup.Machine }

// senses has the device take in what its machine reports.
func (t *trial) senses(err error) {
	t.must(err)
	t.must(t.device().Sensed())
}

// powers has the machine report a voltage in mV, a current in mA and a battery level.
func (t *trial) powers(millivolts, milliamperes, percent int64) {
	t.senses(t.machine().Power(millivolts, milliamperes, percent))
}

// wait lets a time pass.
func (t *trial) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
		t.must(t.over())
	}
}

// over says why the procedure had to end, nil if it goes on.
func (t *trial) over() error {
	switch err := t.ctx.Err(); {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("not done after %s", limit)
	case err != nil:
		return errors.New("interrupted")
	}
	return nil
}
