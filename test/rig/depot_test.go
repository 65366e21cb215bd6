//go:build rig || soak

package rig

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/fota/plain/plaintest"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/workspace"
)

const gatewayToml = `
endpoint = "gateway"

[device]
model = "rig"

[[server]]
uri             = "coaps://%s:%s"
short_server_id = 101
lifetime        = "1h"
identity        = "gateway"
key             = "%x"

[remote_configuration]
servers = [101]

[firmware]
%s
keys            = ["/etc/lwm2m-agent/firmware.pub"]
allow_downgrade = true
confirm         = "20s"

  [[firmware.slot]]
  name    = "A"
  devices = ["system=/dev/vda2"]

  [[firmware.slot]]
  name    = "B"
  devices = ["system=/dev/vda3"]
`

// backends are the lines of the configuration that name the back end.
var backends = map[*Platform]string{
	PC:  `backend = "grub"` + "\n" + `environment = "/boot/grub/grubenv"`,
	ARM: `backend = "uboot"`,
}

// The paths of object 5.
const (
	packageURI     = "/5/0/1"
	updateNow      = "/5/0/2"
	firmwareState  = "/5/0/3"
	firmwareResult = "/5/0/5"
	runningVersion = "/3/0/3"
)

// The paths of object 26241.
const (
	candidate     = "/26241/0/1"
	commit        = "/26241/0/3"
	configState   = "/26241/0/6"
	configMessage = "/26241/0/7"
)

const gatewayEndpoint = "gateway"

// patience is how long a step of a machine may take: it is emulated, and the machine may have other things to do.
const patience = 10 * time.Minute

// replyTime is how long Leshan waits for an answer; what is not answered is asked again.
const replyTime = 5 * time.Second

// depot is what a machine updates from: Leshan with observations, packages by HTTP, and the key that signs them.
type depot struct {
	platform *Platform
	server   *leshan.Server
	port     string // of its CoAPS
	web      *httptest.Server
	agent    string

	mu       sync.Mutex
	packages map[string][]byte
	fetched  map[string]int64 // bytes, by version
	seen     []string         // State and Update Result as they were told
	state    string
	result   string
	changed  chan struct{} // closed and replaced when seen has grown, or a client registered
	lives    int           // Registers and Updates
	current  string        // version of the package of the update
	verified int64         // bytes of it that had been fetched when it was found good
}

func newDepot(t *testing.T, p *Platform) *depot {
	t.Helper()
	if p == PC && runtime.GOARCH != "amd64" {
		t.Skip("the PC takes GRUB and grub-editenv from this machine, which is no x86-64")
	}
	configuration, err := os.ReadFile(filepath.Join(workspace.Root(t), "objects/registry/xml/26241.xml"))
	if err != nil {
		t.Fatal(err)
	}
	d := &depot{
		platform: p, server: leshan.Start(t, leshan.Options{Models: leshan.Models(t, 1, 3, 5, 3303), Descriptions: [][]byte{configuration}}),
		packages: map[string][]byte{}, fetched: map[string]int64{}, changed: make(chan struct{}),
		agent: gateway.Binary(t, p.Go...),
	}
	d.server.PSK(t, gatewayEndpoint, gatewayEndpoint, presharedKey)
	_, d.port, _ = strings.Cut(strings.TrimPrefix(d.server.CoAPS, "coaps://"), ":")
	d.web = httptest.NewServer(http.HandlerFunc(d.serve))
	var tasks sync.WaitGroup
	tasks.Go(func() { d.follow(whileItLasts{t}, &tasks) })
	t.Cleanup(func() {
		d.web.CloseClientConnections()
		d.web.Close()
		tasks.Wait()
	})
	return d
}

// whileItLasts is a test for who follows a server until the test ends: that the server does not answer any more is the end.
type whileItLasts struct{ *testing.T }

func (whileItLasts) Fatalf(string, ...any) { runtime.Goexit() }

// serve serves packages, and counts.
func (d *depot) serve(w http.ResponseWriter, r *http.Request) {
	version := strings.TrimPrefix(r.URL.Path, "/")
	d.mu.Lock()
	content, ok := d.packages[version]
	d.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", `"`+version+`"`)
	http.ServeContent(counter{w, func(n int) {
		d.mu.Lock()
		d.fetched[version] += int64(n)
		d.mu.Unlock()
	}}, r, "", time.Time{}, bytes.NewReader(content))
}

type counter struct {
	http.ResponseWriter
	add func(n int)
}

func (c counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.add(n)
	return n, err
}

// follow observes State and Update Result in each life of the client.
func (d *depot) follow(t whileItLasts, tasks *sync.WaitGroup) {
	for seen := int64(0); ; {
		e := d.server.Await(t, seen, patience, "event", func(leshan.Event) bool { return true })
		switch seen = e.Seq; e.Type {
		case "registered", "updated":
			life := 0
			d.note(func() { d.lives++; life = d.lives })
			tasks.Go(func() { d.observe(t, life) })
		case "notification":
			d.tell(e.Content)
		}
	}
}

// observe asks in one life of the client until it has answered, or has begun another one: the power may be cut before the answer is there.
func (d *depot) observe(t whileItLasts, life int) {
	for _, path := range []string{firmwareResult, firmwareState} {
		for again := time.Tick(time.Second); d.lasts(life) && t.Context().Err() == nil; <-again {
			if a := d.ask(t, leshan.Request{Op: "observe", Path: path}); strings.HasPrefix(a.Code, "2.") {
				d.tell(a.Content)
				break
			}
		}
	}
}

func (d *depot) lasts(life int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lives == life
}

// ask has the server ask the client.
func (d *depot) ask(t workspace.T, r leshan.Request) leshan.Answer {
	r.Endpoint, r.Format, r.Timeout = gatewayEndpoint, lwm2m.FormatText, replyTime
	return d.server.Do(t, r)
}

// tell takes values.
func (d *depot) tell(c leshan.Content) {
	d.note(func() {
		if value, ok := c[firmwareState]; ok {
			d.state = value
		}
		if value, ok := c[firmwareResult]; ok {
			d.result = value
		}
		if d.state == "2" && d.verified == 0 {
			d.verified = d.fetched[d.current]
		}
		if now := d.state + "/" + d.result; len(d.seen) == 0 || d.seen[len(d.seen)-1] != now {
			d.seen = append(d.seen, now)
		}
	})
}

func (d *depot) note(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.changed)
	d.changed = make(chan struct{})
}

// await waits until something is so.
func (d *depot) await(t *testing.T, m *Machine, what string, is func() bool) {
	t.Helper()
	for limit := time.After(patience); ; {
		d.mu.Lock()
		done, changed, seen := is(), d.changed, fmt.Sprint(d.seen)
		d.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-m.process.Done():
			t.Fatalf("QEMU has ended: %v", m.Console())
		case <-limit:
			t.Fatalf("no %s within %s; the server saw %s; the console ends with\n%s", what, patience, seen, strings.Join(last(m.Console(), 40), "\n"))
		}
	}
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// awaitState waits for a State and an Update Result.
func (d *depot) awaitState(t *testing.T, m *Machine, want string) {
	t.Helper()
	d.await(t, m, "State/Result "+want, func() bool { return d.state+"/"+d.result == want })
}

// insist repeats a request until the client has answered it: one that is starting does not listen yet.
func (d *depot) insist(t *testing.T, r leshan.Request) leshan.Answer {
	t.Helper()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for deadline := time.Now().Add(patience); ; <-again.C {
		a := d.ask(t, r)
		if strings.HasPrefix(a.Code, "2.") {
			return a
		}
		if time.Now().After(deadline) || t.Context().Err() != nil {
			t.Fatalf("%s %s: %+v", r.Op, r.Path, a)
		}
	}
}

func (d *depot) write(t *testing.T, path, value string) {
	t.Helper()
	d.insist(t, leshan.Request{Op: "replace", Path: path, Values: leshan.Values{"": value}})
}

// read returns the value of a resource.
func (d *depot) read(t *testing.T, path string) string {
	t.Helper()
	return d.insist(t, leshan.Request{Op: "read", Path: path}).Content[path]
}

// configure has the client try a part of a configuration.
func (d *depot) configure(t *testing.T, part string) {
	t.Helper()
	d.write(t, candidate, part)
	d.insist(t, leshan.Request{Op: "execute", Path: commit})
}

// configured waits until a trial has ended in a state of object 26241, and returns its message.
func (d *depot) configured(t *testing.T, state string) (message string) {
	t.Helper()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for deadline := time.Now().Add(patience); d.read(t, configState) != state; <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("the configuration is in state %s, not %s: %s", d.read(t, configState), state, d.read(t, configMessage))
		}
	}
	return d.read(t, configMessage)
}

// presharedKey is the machine's.
var presharedKey = []byte("0123456789abcdef")

// signer signs the packages.
var signer = plaintest.NewSigner("rig-key1")

// slot makes a system that updates from the depot.
func (d *depot) slot(t *testing.T, c SlotConfig) string {
	t.Helper()
	c.Agent, c.Config = d.agent, fmt.Sprintf(gatewayToml, Host, d.port, presharedKey, backends[d.platform])
	c.Files = map[string][]byte{"/etc/lwm2m-agent/firmware.pub": signer.PublicKey()}
	return d.platform.Slot(t, c)
}

// machine makes a machine with version 1.0, and starts it.
func (d *depot) machine(t *testing.T, name string) *Machine {
	t.Helper()
	m := NewMachine(t, d.platform, name, d.slot(t, SlotConfig{Version: "1.0"}))
	m.On(t)
	d.awaitState(t, m, "0/0")
	return m
}

// publish makes a package of a system and returns its URI.
func (d *depot) publish(t *testing.T, c SlotConfig) string {
	t.Helper()
	image, err := os.ReadFile(d.slot(t, c))
	if err != nil {
		t.Fatal(err)
	}
	archive := plaintest.Compose(signer, c.Version, []plaintest.Image{{Name: "system", Content: image}}, "compatible = rig")
	d.mu.Lock()
	d.packages[c.Version] = archive
	d.mu.Unlock()
	t.Logf("package %s: %d MiB", c.Version, len(archive)>>20)
	_, port, _ := strings.Cut(strings.TrimPrefix(d.web.URL, "http://"), ":")
	return "http://" + Host + ":" + port + "/" + c.Version
}

// drive does what a server does until an update is over or in one of some states, or stop receives, which is false: it gives the URI, and
// has the package installed, again where the power was cut before the client had noted it.
func (d *depot) drive(t *testing.T, m *Machine, uri string, stop <-chan time.Time, states ...string) bool {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	again := time.NewTicker(time.Second) // what was not answered is sent again
	defer again.Stop()
	gave, told := 0, 0 // in which life
	for {
		d.mu.Lock()
		now, life, changed, seen := d.state+"/"+d.result, d.lives+m.boots, d.changed, fmt.Sprint(d.seen)
		d.mu.Unlock()
		switch {
		case slices.Contains(states, now), now == "0/1", now == "0/8":
			return true
		case now == "0/0" && gave != life && d.give(t, uri):
			gave = life
		case now == "2/0" && told != life && answered(d.ask(t, leshan.Request{Op: "execute", Path: updateNow})):
			told = life
		}
		select {
		case <-changed:
			limit.Reset(patience)
		case <-again.C:
		case <-stop:
			return false
		case <-limit.C:
			t.Fatalf("the update is not over within %s; the server saw %s; the console ends with\n%s", patience, seen, strings.Join(last(m.Console(), 40), "\n"))
		}
	}
}

// give writes the URI unless an update is under way or over: of both resources, which are told one after the other, State is read first. It
// reports whether the client has answered.
func (d *depot) give(t *testing.T, uri string) bool {
	t.Helper()
	for _, path := range []string{firmwareState, firmwareResult} {
		a := d.ask(t, leshan.Request{Op: "read", Path: path})
		if value, ok := a.Content[path]; !ok {
			return false
		} else if value != "0" {
			d.tell(a.Content)
			return true
		}
	}
	return answered(d.ask(t, leshan.Request{Op: "replace", Path: packageURI, Values: leshan.Values{"": uri}}))
}

// answered reports whether the client has done what it was asked, or has refused it since it has got it before.
func answered(a leshan.Answer) bool {
	return strings.HasPrefix(a.Code, "2.") || a.Code == "4.05" // Method Not Allowed
}

// begin forgets the update before, and notes which one comes.
func (d *depot) begin(t *testing.T, m *Machine, version string) {
	t.Helper()
	d.write(t, packageURI, "")
	d.awaitState(t, m, "0/0")
	d.note(func() { d.seen, d.current, d.verified, d.fetched[version] = nil, version, 0, 0 })
}

// now is the last State and Update Result that the client told.
func (d *depot) now() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state + "/" + d.result
}

// wantEnd looks at how an update has ended, and at all that the server was told meanwhile: a result only at the end, and the package not
// fetched again once it was found good.
func (d *depot) wantEnd(t *testing.T, end, version string) {
	t.Helper()
	if now, runs := d.now(), d.read(t, runningVersion); now != end || runs != version {
		t.Errorf("the update ends with State/Result %s and version %s, want %s and %s", now, runs, end, version)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, s := range d.seen {
		final := s == end && i >= slices.Index(d.seen, end) || s == "3"+strings.TrimPrefix(end, "0") // it is told before the State is
		if !final && !slices.Contains([]string{"0/0", "1/0", "2/0", "3/0"}, s) {
			t.Errorf("the server was told State/Result %s, of %v", s, d.seen)
		}
	}
	if d.verified == 0 || d.fetched[d.current] != d.verified {
		t.Errorf("%d bytes of package %s were fetched, %d of them before it was found good", d.fetched[d.current], d.current, d.verified)
	}
}

func TestMain(m *testing.M) {
	status := m.Run()
	gateway.RemoveBinaries()
	os.Exit(status)
}
