package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

// configured is a lab whose agent has its configuration in files.
type configured struct {
	*lab
	*testing.T
	agent *Agent
	stop  func()
}

// newConfigured starts an agent that server 101 may configure. more is appended to its file.
func newConfigured(t *testing.T, l *lab, more string) *configured {
	t.Helper()
	c := &configured{lab: l, T: t}
	text := fmt.Sprintf("endpoint = 'gw'\n[remote_configuration]\nservers = [101]\n[[server]]\nshort_server_id = 101\nuri = '%s'\n%s", l.uri, more)
	if err := os.WriteFile(c.path("agent.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start()
	return c
}

func (c *configured) path(name string) string { return filepath.Join(c.dir, name) }

// start starts the agent as Run does.
func (c *configured) start() {
	c.Helper()
	files := filesOf(c.path("agent.toml"), c.path("state"), "")
	machine, damage := transaction.Open(transaction.Folder(c.path("state")))
	layout, leftOut, err := firstConfig(files, machine)
	if err != nil {
		c.Fatal(err)
	}
	clock := &demo.Machine{Say: func(string) {}}
	a, err := New(Options{
		Config: layout.Config, Layout: layout, Version: "test", Control: clock, Now: clock.Now, Files: &files, Transactions: machine, Simulated: true, Log: c.log,
	})
	if err != nil {
		c.Fatal(err)
	}
	if err := errors.Join(damage, leftOut); err != nil {
		a.configuration.leaveOut(err)
	}
	ctx, cancel := context.WithCancel(c.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	ended := false
	c.agent, c.stop = a, func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			c.Error(err)
		}
	}
	c.Cleanup(c.stop)
	<-a.board.Hardware().Ready()
}

// confirmTime is shorter than a server may set it.
func (c *configured) confirmTime(d time.Duration) {
	c.Helper()
	if err := c.agent.configuration.machine.SetConfirmTime(d); err != nil {
		c.Fatal(err)
	}
}

func (c *configured) write(rid uint16, v lwm2m.Value) error {
	p := lwm2m.NewPath(26241, 0, rid)
	return c.client(c.T).Replace(c.Context(), p, lwm2m.FormatText, []lwm2m.Node{{Path: p, Value: v}})
}

func (c *configured) execute(rid uint16) error {
	return c.client(c.T).Execute(c.Context(), lwm2m.NewPath(26241, 0, rid), "")
}

// value reads a resource of object 26241 as a server does.
func (c *configured) value(rid uint16) lwm2m.Value {
	c.Helper()
	return c.read(c.T, lwm2m.NewPath(26241, 0, rid).String())
}

// commit writes and commits a candidate.
func (c *configured) commit(candidate string) {
	c.Helper()
	if err := c.write(1, lwm2m.String(candidate)); err != nil {
		c.Fatal(err)
	}
	if err := c.execute(3); err != nil {
		c.Fatal(err)
	}
}

// apply begins a transaction as a local user does.
func (c *configured) apply(text string) control.Plan {
	c.Helper()
	plan, err := localConfiguration{c.agent.configuration}.Apply(c.Context(), text)
	if err != nil {
		c.Fatal(err)
	}
	return plan
}

// ended waits until the last transaction has ended with a result, and returns why.
func (c *configured) ended(want transaction.Result, n int) string {
	c.Helper()
	c.until(func() bool {
		shown, err := c.agent.tree.Read(model.FromAgent(), lwm2m.MustPath("/26241/0/9"), nil)
		return err == nil && len(shown) == n && shown[0].Path.Level() == lwm2m.LevelResourceInstance
	})
	e := c.agent.configuration.machine.Status().History[0]
	if e.Result != want {
		c.Fatalf("%s: %s, want %s", e.Result, e.Reason, want)
	}
	return e.Reason
}

// until waits until a condition holds that object 26241 shows a change of.
func (c *configured) until(ok func() bool) {
	c.Helper()
	sub := c.agent.tree.Subscribe()
	defer sub.Close()
	sub.Watch(lwm2m.NewPath(26241))
	for limit := time.After(generous); !ok(); {
		select {
		case <-sub.Wake():
			sub.Take(nil)
		case <-limit:
			c.Fatalf("still %+v", c.agent.configuration.status())
		}
	}
}

const aSensor = "[[sensor]]\nname = 'cold room'\ndriver = 'sim'\nobject = 3303\nwave = 'ramp'\nmin = 20\nmax = 30\nperiod = '1h'\ninterval = '1h'\n"

// TestTrialOfAnEarlyOrder: a server may order before the registration that it has confirmed is on
// disk here. It is waited for all the same; where a local user orders, there is nobody to wait for.
func TestTrialOfAnEarlyOrder(t *testing.T) {
	before := []client.AccountStatus{{ShortServerID: 101, State: client.Registering, ReceivedMessages: 8}}
	trial := newTrial(before, before, true)
	if reached, objection := trial.judge(before); reached != "" || objection != "" {
		t.Errorf("not heard of yet: %q, %q", reached, objection)
	}
	now := []client.AccountStatus{{ShortServerID: 101, State: client.Registered, ReceivedMessages: 9}}
	if reached, _ := trial.judge(now); reached != "reached server 101" {
		t.Errorf("registered: %q", reached)
	}
	if reached, _ := newTrial(before, before, false).judge(before); reached == "" {
		t.Error("with no server known, a local user's order waits")
	}
}

// TestSensorAddedRemotely: a server reads the configuration, adds a sensor and writes it back. The
// session goes on, with the same registration.
func TestSensorAddedRemotely(t *testing.T) {
	c := newConfigured(t, newLab(t), "")
	first := c.next(t, server.Registered).Registration
	active := c.value(0).Text()
	if err := c.write(1, lwm2m.String(active+aSensor)); err != nil {
		t.Fatal(err)
	}
	if s := c.value(6); s.Int() != int64(objects.ConfigurationCandidate) {
		t.Errorf("with a candidate the state is %v", s)
	}
	if err := c.execute(2); err != nil {
		t.Fatal(err)
	}
	if s, m := c.value(6), c.value(7); s.Int() != int64(objects.ConfigurationValid) || m.Text() != `sensor "cold room": added` {
		t.Errorf("validated, the state is %v: %v", s, m)
	}
	if err := c.execute(3); err != nil {
		t.Fatal(err)
	}
	if reason := c.ended(transaction.Kept, 1); reason != "reached server 101" {
		t.Errorf("kept, since: %s", reason)
	}
	for c.next(t, server.Updated, server.Registered).Registration.ID != first.ID {
		t.Fatal("the agent registered anew")
	}
	if v := c.read(t, "/3303/0/5750"); v.Text() != "cold room" {
		t.Errorf("the sensor is %v", v)
	}
	active = c.value(0).Text()
	sum := sha256.Sum256([]byte(active))
	if !strings.Contains(active, `name = "cold room"`) || c.value(8).Text() != hex.EncodeToString(sum[:]) {
		t.Errorf("the hash does not fit\n%s", active)
	}
	if h := c.value(9 /* its first instance */).Text(); !strings.HasSuffix(h, "server 101: kept: reached server 101") {
		t.Errorf("the history says %q", h)
	}
	if err := c.execute(4); err != nil {
		t.Errorf("a confirmation of what is kept already: %v", err)
	}
	c.stop()
	c.start() // it is there after a restart
	c.back(t)
	if got := c.agent.tree.Instances(3303); len(got) != 1 {
		t.Errorf("sensors after a restart: %v", got)
	}
	if err := c.execute(5); err != nil {
		t.Fatal(err)
	}
	c.ended(transaction.Kept, 2)
	if strings.Contains(c.value(0).Text(), "cold room") {
		t.Error("not rolled back")
	}
}

// TestWrongURIReverts: the server that was reachable is not reached with what was committed, while another one is, so the
// former configuration is back, and it learns why; also where the files are read anew before what was committed is tried.
func TestWrongURIReverts(t *testing.T) {
	t.Parallel()
	other := newLab(t)
	c := newConfigured(t, newLab(t), "[[server]]\nshort_server_id = 102\nuri = '"+other.uri.String()+"'\n")
	c.next(t, server.Registered)
	other.next(t, server.Registered)
	c.confirmTime(3 * time.Second)
	c.commit("[[server]]\nshort_server_id = 101\nuri = 'coap://" + closedPort(t) + "'\n" + aSensor)
	c.agent.configuration.mu.Lock()
	c.agent.configuration.trial = &trial{of: 4711, none: true} // as if another one were just kept
	c.agent.configuration.mu.Unlock()
	c.agent.configuration.judge()
	if err := c.agent.configuration.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.ended(transaction.Reverted, 1)
	c.back(t)
	if s := c.value(6); s.Int() != int64(objects.ConfigurationReverted) {
		t.Errorf("the state is %v", s)
	}
	if m := c.value(7).Text(); !strings.Contains(m, "reverted: server 101 was not reached at coap://127.0.0.1:") || !strings.HasSuffix(m, ", within 3s") {
		t.Errorf("the message is %q", m)
	}
	if len(c.agent.tree.Instances(3303)) != 0 {
		t.Error("the sensor of the same transaction stays")
	}
	c.agent.await(t, health.ConfigurationReverted, true)
	c.confirmTime(generous)
	c.commit(aSensor)
	c.ended(transaction.Kept, 2)
	c.agent.await(t, health.ConfigurationReverted, false)
}

// TestCutInTrialReverts: an agent that ends before the server was reached starts with the former
// configuration, and tells.
func TestCutInTrialReverts(t *testing.T) {
	t.Parallel()
	c := newConfigured(t, newLab(t), "")
	c.next(t, server.Registered)
	c.commit("[[server]]\nshort_server_id = 101\nuri = 'coap://" + closedPort(t) + "'\n")
	c.stop()
	rows, err := Load(c.path("agent.toml"), c.path("state"), "")
	if err != nil || rows.Servers[0].URI.String() != c.uri.String() {
		t.Errorf("the next start would read %v, %v", rows, err)
	}
	if err := os.Mkdir(c.path("state/overlay.journal.new"), 0o700); err != nil { // as if the disk were full
		t.Fatal(err)
	}
	c.start()
	c.back(t)
	if s := c.agent.configuration.machine.Status(); s.Phase != transaction.Reverting {
		t.Errorf("on a full disk: %+v", s)
	}
	c.stop()
	if err := os.Remove(c.path("state/overlay.journal.new")); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.back(t)
	if m := c.value(7).Text(); !strings.Contains(m, "the agent ended, or the power was cut, before the servers were reached") {
		t.Errorf("the message is %q", m)
	}
	if h := c.value(9).Text(); !strings.Contains(h, " server 101: reverted: ") {
		t.Errorf("the history is %q", h)
	}
}

// TestRemoteRefusals: a syntax error with its line, what may not be set, who may not set, and what the
// state does not allow.
func TestRemoteRefusals(t *testing.T) {
	other := newLab(t)
	c := newConfigured(t, newLab(t), "rights = ['read', 'write', 'execute']\n[[server]]\nshort_server_id = 102\nuri = '"+other.uri.String()+"'\nrights = ['read', 'write', 'execute']\n"+
		"[[sensor]]\nname = 'door'\ndriver = 'sim'\nwave = 'contact'\n[[actuator]]\nname = 'pump'\ndriver = 'sim'\n[[actuator.interlock]]\ninput = 'door/state'\n")
	c.next(t, server.Registered)
	other.next(t, server.Registered)
	refused := func(what string, err error, code lwm2m.Code, text string) {
		t.Helper()
		if err == nil || lwm2m.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %v %s", what, err, code, text)
		}
	}
	refused("commit of nothing", c.execute(3), lwm2m.MethodNotAllowed, "no candidate")
	refused("confirm of nothing", c.execute(4), lwm2m.MethodNotAllowed, "")
	refused("roll back to nothing", c.execute(5), lwm2m.MethodNotAllowed, "")
	invalid := func(candidate, why string) {
		t.Helper()
		if err := c.write(1, lwm2m.String(candidate)); err != nil {
			t.Fatal(err)
		}
		refused(candidate, c.execute(3), lwm2m.BadRequest, "")
		if s, m := c.value(6), c.value(7); s.Int() != int64(objects.ConfigurationInvalid) || !strings.Contains(m.Text(), why) {
			t.Errorf("the state is %v: %v, want %s", s, m, why)
		}
	}
	invalid("[log]\nlevel = 'info'\nlevel == 'x'\n", "candidate:3: ")
	invalid("[firmware]\nbackend = 'file'\ncheck = ['/bin/sh', '-c', 'id']\n", "candidate:3: firmware: check: cannot be set remotely")
	invalid("[remote_configuration]\nservers = [101, 102]\n", "candidate:2: remote_configuration: servers: cannot be set remotely")
	invalid("[[sensor]]\nname = 'x'\ndriver = 'sim'\nobject = 65000\n", "candidate:4: sensor \"x\": object: object 65000 is not in the registry")
	invalid("[[actuator]]\nname = 'pump'\nsafe = 'on'\n", "candidate:3: actuator \"pump\": safe: cannot be set remotely, interlocks rest on it")
	refused("a candidate that is too long", c.write(1, lwm2m.String(strings.Repeat("#", config.MaxCandidate+1))), lwm2m.RequestEntityTooLarge, "")
	stranger, _ := other.Client("gw")
	p := lwm2m.MustPath("/26241/0/1")
	refused("another server", stranger.Replace(t.Context(), p, lwm2m.FormatText, []lwm2m.Node{{Path: p, Value: lwm2m.String(aSensor)}}), lwm2m.Unauthorized, "remote_configuration")
	for _, rid := range []uint16{2, 3, 4, 5} {
		refused("another server", stranger.Execute(t.Context(), lwm2m.NewPath(26241, 0, rid), ""), lwm2m.Unauthorized, "remote_configuration")
	}
	if _, err := os.Stat(c.path("state/overlay.toml")); err == nil {
		t.Error("something was put in force")
	}
	if err := c.write(1, lwm2m.String("")); err != nil || c.value(6).Int() != int64(objects.ConfigurationIdle) {
		t.Errorf("not discarded: %v, %v", err, c.value(6))
	}
}

// newKeyedLab is a lab with DTLS and two pre-shared keys.
func newKeyedLab(t *testing.T, keys map[string][]byte) *lab {
	t.Helper()
	known := new(server.Keys)
	for identity, key := range keys {
		known.Add(identity, key, "")
	}
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions()), Keys: known})
	l, err := s.ListenSecure(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return serving(t, s, "coaps", l.Addr(), func(ctx context.Context) error { return s.ServeSecure(ctx, l) })
}

// TestKeyReplaced: a key that the server does not know is taken back at once; one that it knows
// replaces the former one, of which nothing is left in the state directory. The session with it
// outlives a restart.
func TestKeyReplaced(t *testing.T) {
	first, former, next := []byte("the first key of 32 bytes, it is"), []byte("a former key of 32 bytes, it is!"), []byte("the next key of 32 bytes, it is!")
	l := newKeyedLab(t, map[string][]byte{"gw": first, "gw-1": former, "gw-2": next})
	if err := os.WriteFile(filepath.Join(l.dir, "gw.psk"), []byte(hex.EncodeToString(first)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newConfigured(t, l, "identity = 'gw'\nkey_file = 'gw.psk'\n")
	c.next(t, server.Registered)
	key := func(identity string, key []byte) string {
		return fmt.Sprintf("[[server]]\nshort_server_id = 101\nidentity = '%s'\nkey = '%x'\n", identity, key)
	}
	registered := func() { // it has the answer: the next transaction waits for the server, too
		t.Helper()
		await(t, c.agent, "registered", func(s client.AccountStatus) bool { return s.State == client.Registered })
	}
	registered()
	c.apply(key("gw-1", former))
	c.ended(transaction.Kept, 1)
	registered()
	if got := c.keyFiles(former); len(got) < 2 { // the overlay and the accounts: the search works
		t.Errorf("the key is in %v", got)
	}
	if active := c.value(0).Text(); !strings.Contains(active, `key = "***"`) || strings.Contains(active, hex.EncodeToString(former)) {
		t.Errorf("shown is\n%s", active)
	}
	c.apply(key("gw-3", []byte("a key that the server has not...")))
	if reason := c.ended(transaction.Reverted, 2); !strings.Contains(reason, "server 101: the new credentials fail: ") {
		t.Errorf("the reason is %q", reason)
	}
	active := c.agent.tree.Value(lwm2m.MustPath("/26241/0/0")) // the server may not be reached again yet
	c.apply(active.Text() + aSensor)                           // *** keeps the key
	c.ended(transaction.Kept, 3)
	registered()
	c.apply(key("gw-2", next))
	c.ended(transaction.Kept, 4)
	for name, key := range map[string][]byte{"first": first, "former": former, "one that was given up": []byte("a key that the server has not...")} {
		if got := c.keyFiles(key); len(got) > 0 {
			t.Errorf("the %s key is still in %v", name, got)
		}
	}
	registered()
	if err := (localConfiguration{c.agent.configuration}).Rollback(t.Context()); lwm2m.CodeOf(err) != lwm2m.BadRequest || !strings.Contains(err.Error(), "was erased") {
		t.Errorf("back to a key that is not there any more: %v", err)
	}
	before := c.client(t).Registration().ID
	c.stop()
	for len(c.events) > 0 {
		<-c.events
	}
	c.start()
	if e := c.back(t); e.Kind == server.Registered || e.Registration.ID != before {
		t.Errorf("after a restart the session is not gone on with: %v of %s, before it was %s", e.Kind, e.Registration.ID, before)
	}
}

// keyFiles returns the files of the state directory in which a key stands in any form.
func (c *configured) keyFiles(key []byte) []string {
	c.Helper()
	return filesWith(c.T, c.path("state"), key)
}

// TestLocalTransaction: a local user sets what servers may not, sees what it changes, goes back, and has the
// accounts made anew.
func TestLocalTransaction(t *testing.T) {
	c := newConfigured(t, newLab(t), "")
	c.next(t, server.Registered)
	local := localConfiguration{c.agent.configuration}
	const text = "[firmware]\nbackend = 'file'\n" + aSensor
	plan, err := local.Validate(t.Context(), text)
	if err != nil || !slices.Equal(plan.Changes, []string{`sensor "cold room": added`, `firmware: backend: none becomes "file"`}) || !slices.Equal(plan.Restart, []string{"firmware"}) {
		t.Errorf("%+v, %v", plan, err)
	}
	if _, err := local.Apply(t.Context(), "x = 1\n"); lwm2m.CodeOf(err) != lwm2m.BadRequest || !strings.Contains(err.Error(), "candidate:1: x: unknown") {
		t.Errorf("%v", err)
	}
	c.apply(text)
	c.ended(transaction.Kept, 1)
	shown, err := local.Configuration(t.Context())
	if err != nil || shown.State != "idle" || len(shown.Changes) != 2 || len(shown.History) != 1 || shown.History[0].By != "a local user" {
		t.Errorf("%+v, %v", shown, err)
	}
	c.apply(text) // nothing changes
	if s := c.agent.configuration.machine.Status(); s.Phase != transaction.Resting || len(s.History) != 1 {
		t.Errorf("%+v", s)
	}
	if err := local.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.ended(transaction.Kept, 2)
	if got := c.agent.tree.Instances(3303); len(got) != 0 {
		t.Errorf("rolled back, there are %v", got)
	}
	if err := c.lab.write(t, "/1/0/1", lwm2m.Integer(1800)); err != nil {
		t.Fatal(err)
	}
	if err := local.ResetAccounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := c.agent.tree.Value(lwm2m.MustPath("/1/0/1")); v != lwm2m.Integer(int64(config.DefaultLifetime/time.Second)) {
		t.Errorf("reset, the lifetime is %v", v)
	}
}

// TestTrialLeavesADisabledServerAlone: a server that has disabled its account is not registered with because another one commits.
func TestTrialLeavesADisabledServerAlone(t *testing.T) {
	l, disabled := newLab(t), newLab(t)
	c := newConfigured(t, l, fmt.Sprintf("[[server]]\nshort_server_id = 102\nuri = '%s'\n", disabled.uri))
	l.next(t, server.Registered)
	disabled.next(t, server.Registered)
	if err := c.agent.client.Disable(102, time.Hour); err != nil {
		t.Fatal(err)
	}
	for limit := time.After(generous); c.agent.client.Status()[1].State != client.Disabled; {
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			t.Fatalf("not disabled: %+v", c.agent.client.Status()[1])
		}
	}
	c.commit(aSensor)
	c.ended(transaction.Kept, 1)
	if err := c.agent.client.Alive(t.Context()); err != nil { // all events are taken in
		t.Fatal(err)
	}
	if s := c.agent.client.Status()[1]; s.State != client.Disabled {
		t.Errorf("server 102 is %s", s.Words)
	}
}
