//go:build !small

package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

// DemoOptions say where the demo listens and where its board registers.
type DemoOptions struct {
	Web    string // address of the page: "127.0.0.1:8080"
	CoAP   string // of the embedded server, plain: "127.0.0.1:15683"
	CoAPS  string // of the embedded server, DTLS: "127.0.0.1:15684"
	Server string // URI of a server elsewhere; "": the embedded one
	ID     string // PSK identity at the server elsewhere; "": NoSec
	Key    []byte // PSK at the server elsewhere
	// Bootstrap says that the server is the board's bootstrap server: the board gets its
	// account from there. The embedded one is both.
	Bootstrap bool
	// Endpoint is the endpoint client name of the board; "": demoEndpoint.
	Endpoint string
	Out      io.Writer // takes what a person is told
	Log      *slog.Logger
	// Version of this program.
	Version string
	Built   time.Time
}

// Check finds options that are wrong or contradict one another, by the names of their flags.
func (o *DemoOptions) Check() error {
	for _, a := range []struct{ flag, address string }{{"web", o.Web}, {"coap", o.CoAP}, {"coaps", o.CoAPS}} {
		if _, _, err := net.SplitHostPort(a.address); err != nil {
			return fmt.Errorf("-%s %q is not an address like 127.0.0.1:8080", a.flag, a.address)
		}
	}
	if o.Server == "" {
		if o.ID != "" || len(o.Key) > 0 {
			return errors.New("-identity and -key are for a server elsewhere: give its -server, such as coaps://host:5684")
		}
		return nil
	}
	u, err := url.Parse(o.Server)
	switch {
	case err != nil || u.Scheme != "coap" && u.Scheme != "coaps" || u.Host == "":
		return fmt.Errorf("-server %q is not a URI like coaps://host:5684", o.Server)
	case u.Scheme == "coaps" && (o.ID == "" || len(o.Key) == 0):
		return errors.New("a coaps server needs -identity and -key")
	case u.Scheme == "coap" && (o.ID != "" || len(o.Key) > 0):
		return errors.New("-identity and -key are for a coaps server: coap is not secured")
	}
	return nil
}

// demoLifetime is short, so that a person sees Updates.
const demoLifetime = 10 * time.Minute

// demoServerID is the Short Server ID of the demo's server.
const demoServerID = 101

// demoEndpoint is the endpoint client name of the demo's board.
const demoEndpoint = "urn:dev:ops:32473-demo-gateway"

// Demo runs the simulated board, an LwM2M server unless one elsewhere is given,
// and the page, until ctx ends. It leaves nothing behind. The options have passed Check.
func Demo(ctx context.Context, opts DemoOptions) error {
	dir, err := os.MkdirTemp("", "lwm2m-agent-demo-")
	if err != nil {
		return fmt.Errorf("make a private directory: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	opts.Endpoint = cmp.Or(opts.Endpoint, demoEndpoint)
	d := &demonstration{opts: opts, dir: dir, feed: &web.Feed{}, token: rand.Text()}
	if err := d.prepare(ctx); err != nil {
		return errors.Join(err, d.close())
	}
	return d.run(ctx)
}

// demonstration is one run of Demo.
type demonstration struct {
	opts  DemoOptions
	dir   string
	feed  *web.Feed
	token string

	page    net.Listener
	plain   *net.UDPConn // nil: the server is elsewhere
	secure  *server.Secure
	stream  net.Listener // at the address of plain; nil: something else has the TCP port
	server  *server.Server
	machine *demo.Machine
	modem   *demo.Modem // nil: there are no pseudo-terminals
	agent   *Agent
}

func (d *demonstration) close() error {
	var problems []error
	if d.page != nil {
		problems = append(problems, d.page.Close())
	}
	if d.plain != nil {
		problems = append(problems, d.plain.Close())
	}
	if d.stream != nil {
		problems = append(problems, d.stream.Close())
	}
	if d.secure != nil {
		problems = append(problems, d.secure.Close())
	}
	if d.modem != nil {
		d.modem.Close()
	}
	return errors.Join(problems...)
}

// prepare takes the addresses and makes the parts.
func (d *demonstration) prepare(ctx context.Context) error {
	var err error
	if d.page, err = (&net.ListenConfig{}).Listen(ctx, "tcp", d.opts.Web); err != nil {
		return fmt.Errorf("serve the page on %s: %w; choose another address with -web", d.opts.Web, err)
	}
	account := config.Account{Security: config.SecurityNone, Instance: config.NoInstance}
	if d.opts.Server != "" {
		err = d.useServer(&account)
	} else {
		err = d.embedServer(ctx, &account)
	}
	if err != nil {
		return err
	}
	d.machine = &demo.Machine{Say: func(text string) {
		d.say("%s\n", text)
		d.feed.Note(text)
	}}
	decoder := &demo.Decoder{
		Feed: d.feed, Shapes: model.Shapes(registry.Definitions()), Protected: account.URI.Scheme == "coaps", Now: time.Now,
	}
	cfg := &config.Config{
		Endpoint:   d.opts.Endpoint,
		TestObject: true,
		Device:     config.Device{Manufacturer: "lwm2m-agent", Model: "simulated board", Serial: "demo-1"},
		Sensors:    append(demo.Sensors(), ownSensors()...),
		Actuators:  demo.Actuators(),
		Firmware:   demoFirmware(),
		StateDir:   filepath.Join(d.dir, "state"),
	}
	d.accounts(account, cfg)
	if d.modem, err = demo.NewModem(demo.OwnAddresses()); err != nil {
		d.say("without a modem: %v\n", err)
	} else {
		cfg.Modems = []config.Modem{{Name: "wwan", Driver: config.ModemAT, Port: d.modem.Port, Speed: config.DefaultSpeed}}
	}
	d.agent, err = New(Options{
		Config: cfg, Version: d.opts.Version, Built: d.opts.Built, Log: d.opts.Log, Control: d.machine, Now: d.machine.Now,
		Deregister: true, Trace: decoder.Trace, SoftReboot: true,
	})
	return err
}

// useServer points the account to a server elsewhere.
func (d *demonstration) useServer(a *config.Account) error {
	u, err := url.Parse(d.opts.Server)
	if err != nil {
		return err
	}
	a.URI = u
	if u.Scheme == "coaps" {
		a.Security, a.Identity, a.Key = config.SecurityPSK, d.opts.ID, config.NewSecret(d.opts.Key)
	}
	return nil
}

// embedServer makes the server and points the account to its DTLS port, with a
// key of this run.
func (d *demonstration) embedServer(ctx context.Context, a *config.Account) error {
	key := make([]byte, 16)
	rand.Read(key) // never fails
	keys := &server.Keys{}
	keys.Add(d.opts.Endpoint, key, d.opts.Endpoint)
	serving := server.Config{Log: d.opts.Log, Shapes: model.Shapes(registry.Definitions()), Keys: keys}
	at := &url.URL{Scheme: "coaps"}
	if d.opts.Bootstrap {
		serving.Bootstrap = provisions(keys, at)
	}
	d.server = server.New(serving)
	plain, err := net.ResolveUDPAddr("udp", d.opts.CoAP)
	if err != nil {
		return fmt.Errorf("-coap %q: %w", d.opts.CoAP, err)
	}
	secure, err := net.ResolveUDPAddr("udp", d.opts.CoAPS)
	if err != nil {
		return fmt.Errorf("-coaps %q: %w", d.opts.CoAPS, err)
	}
	if d.plain, err = net.ListenUDP("udp", plain); err != nil {
		return fmt.Errorf("listen for coap on %s: %w; is another demo running? choose another address with -coap", d.opts.CoAP, err)
	}
	d.stream, _ = (&net.ListenConfig{}).Listen(ctx, "tcp", d.plain.LocalAddr().String()) // the board does without
	if d.secure, err = d.server.ListenSecure(secure); err != nil {
		return fmt.Errorf("%w; is another demo running? choose another address with -coaps", err)
	}
	a.Security, a.Identity, a.Key = config.SecurityPSK, d.opts.Endpoint, config.NewSecret(key)
	at.Host = d.secure.Addr().String()
	a.URI = at
	return nil
}

// run runs the parts until ctx ends.
func (d *demonstration) run(ctx context.Context) error {
	socket := filepath.Join(d.dir, "agent.sock")
	operator, follow := d.operator()
	host, anywhere := d.host()
	packages := demoPackages()
	page, err := web.Handler(web.Config{
		Operator: operator, Direct: d.server == nil, Demo: true, Definitions: d.agent.registry, Feed: d.feed, Packages: offer(packages, host), Troubles: view{d.agent, d.feed}.troubles,
		Token: d.token, Hint: "open the address that lwm2m-agent demo printed: it carries a token", Addr: d.page.Addr(), Log: d.agent.log,
		Values: control.Handler(&backend{d.agent}, func(*http.Request, control.Access) error { return nil }, control.HandlerOptions{Log: d.agent.log}),
	})
	if err != nil {
		return errors.Join(err, d.agent.Close(), d.close())
	}
	tasks := []Task{
		d.agent.ControlTask(control.SocketOptions{Path: socket, Log: d.opts.Log}),
		named{"page", func(ctx context.Context) error { return servePage(ctx, d.page, withPackages(page, packages), d.feed) }},
		named{"follow", follow},
		named{"registration", view{d.agent, d.feed}.follow},
	}
	if d.modem != nil {
		defer d.modem.Close()
		tasks = append(tasks, named{"simulated modem", d.modem.Run})
	}
	if d.server != nil {
		tasks = append(tasks,
			named{"coap server", func(ctx context.Context) error { return d.server.Serve(ctx, d.plain) }},
			named{"coaps server", func(ctx context.Context) error { return d.server.ServeSecure(ctx, d.secure) }})
		if d.stream != nil {
			tasks = append(tasks, named{"coap+tcp server", func(ctx context.Context) error { return d.server.ServeStream(ctx, d.stream) }})
		}
		defer d.server.Wait()
	}
	d.greet(socket, host, anywhere)
	// The pages learn of the end before the board deregisters, which would have
	// them ask again.
	defer context.AfterFunc(ctx, func() { _ = d.feed.Close() })() // it cannot fail
	return d.agent.Run(ctx, tasks...)
}

// operator returns how the page reaches the board, and what keeps it informed.
func (d *demonstration) operator() (web.Operator, func(context.Context) error) {
	registration := view{d.agent, d.feed}.registration
	if d.server != nil {
		r := demo.NewRemote(d.server, d.opts.Endpoint, registration, d.agent.log)
		return r, func(ctx context.Context) error { return r.Follow(ctx, d.feed) }
	}
	l := web.NewLocal(d.agent.tree, registration)
	return l, func(ctx context.Context) error { return l.Follow(ctx, d.feed) }
}

// say tells a person something; who has closed the terminal misses it.
func (d *demonstration) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.opts.Out, format, args...)
}

// host is where the page is on this machine, and whether it is at all addresses.
func (d *demonstration) host() (address string, anywhere bool) {
	a, ok := d.page.Addr().(*net.TCPAddr)
	if !ok || !a.IP.IsUnspecified() {
		return d.page.Addr().String(), false
	}
	return net.JoinHostPort("localhost", strconv.Itoa(a.Port)), true
}

// greet tells a person what there is.
func (d *demonstration) greet(socket, host string, anywhere bool) {
	where := d.opts.Server
	if d.server != nil {
		where = fmt.Sprintf("an embedded LwM2M server on coap://%s and coaps://%s", d.plain.LocalAddr(), d.secure.Addr())
	}
	elsewhere := ""
	if anywhere {
		elsewhere = "\n                  (elsewhere: this machine's address in place of localhost)"
	}
	how := "registered"
	if d.opts.Bootstrap {
		how = "bootstrapped"
	}
	d.say(`lwm2m-agent demo: the simulated board %s, %s at %s

  page            http://%s/?token=%s%s
  control socket  %s
                  try: lwm2m-agent status -socket %s
  firmware        on the page, under Gateway; or write http://%s/firmware/2.0
                  to /5/0/1 and execute /5/0/2

Reboot, clock and time zone are simulated. Ctrl-C ends the demo and leaves nothing behind.
`, d.opts.Endpoint, how, where, host, d.token, elsewhere, socket, socket, host)
}

// ParseKey reads a pre-shared key in hexadecimal.
func ParseKey(text string) ([]byte, error) {
	key, err := hex.DecodeString(text)
	if err != nil {
		return nil, errors.New("the key is not in hexadecimal") // without what was given: it may be a key
	}
	return key, nil
}
