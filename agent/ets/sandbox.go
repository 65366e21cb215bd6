package ets

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// Device is the device under test: an agent in a sandbox.
type Device interface {
	// Run serves until ctx ends. It is called once.
	Run(ctx context.Context) error
	// Set gives resources values before Run, as a bootstrap server does.
	Set(ctx context.Context, nodes []lwm2m.Node) error
	// Sensed has the device take in what its machine reports now.
	Sensed() error
	// Update has the client send a registration Update.
	Update(shortServerID uint16) error
	// Send has the client send a Send.
	Send(ctx context.Context, shortServerID uint16, paths ...lwm2m.Path) error
}

// Setup is what a Device is made of.
type Setup struct {
	Config  *config.Config
	Machine *Machine
	Awake   time.Duration // in queue mode; zero: the default
	Modem   bool          // there is one for LTE, with PSM and eDRX, both off
}

// Maker makes a Device. Run releases what it takes.
type Maker func(Setup) (Device, error)

// endpoint is the endpoint client name of every device under test.
const endpoint = "urn:dev:ops:32473-ets-device"

// What the device says of itself in /3/0/0 to /3/0/2 (configuration C.1), and in
// /3/0/3, which its machine says.
const (
	manufacturer = "Open Mobile Alliance"
	modelNumber  = "Lightweight M2M Client"
	serialNumber = "345000123"
	osVersion    = "1.0"
)

// The times of a sandbox. The default lifetime is that of the configurations.
const (
	lifetime    = 86400 * time.Second
	serverGrace = time.Second // a registration outlives its lifetime by it
)

// What the device's [firmware] says.
const (
	confirmTime    = 4 * time.Second // in which a busy machine registers, too
	largestPackage = 64 << 10
)

// conditions are what a procedure asks for before it begins. The zero value is
// configuration C.3 with one server, of which C.1 is a part; objects 4, 6 and 7 and the
// battery of C.4 are always there.
type conditions struct {
	servers   int           // 1 if not given
	lifetime  time.Duration // of all accounts
	queue     bool          // queue mode
	awake     time.Duration // in queue mode
	resources values        // of the device, beside those of C.3
	server    string        // the name in the servers' certificates; "": pre-shared keys, over TCP none
	tcp       bool          // over TCP or TLS, not UDP or DTLS
	modem     bool          // the device has one
	refusing  bool          // the first server refuses the device
	stalled   time.Duration // after which a download without a byte has failed; limit if not given: a busy machine may stand still

	bootstrap *bootstrapping // nil: there is no bootstrap server
}

// sandbox is a device with its machine and its servers.
type sandbox struct {
	setup   Setup
	maker   Maker
	initial []lwm2m.Node // of the device, at its first start
	end     context.CancelFunc
	depots  []io.Closer // servers of packages
	running sync.WaitGroup

	mu     sync.Mutex
	device Device
	err    error // of the device, why it has ended
}

// startServer starts a server with a port of its own and the account for it, with
// certificates if there is a name for the server's. With a pre-shared key the device may
// register as only.
func (b *sandbox) startServer(ctx context.Context, cfg server.Config, id uint16, c *conditions, only string) (*server.Server, config.Account, error) {
	key := make([]byte, 16)
	rand.Read(key) // never fails
	account := config.Account{
		Security: config.SecurityPSK, Identity: endpoint, Key: config.NewSecret(key), Instance: config.NoInstance,
		Fingerprint: fmt.Sprint(id), CertificateUsage: config.NoInstance,
	}
	cfg.Keys = &server.Keys{}
	switch {
	case c.server != "":
		if err := certify(&cfg, &account, c.server); err != nil {
			return nil, account, err
		}
	case c.tcp:
		account.Security, account.Identity, account.Key = config.SecurityNone, "", config.Secret{}
	default:
		cfg.Keys.Add(endpoint, key, only)
	}
	s := server.New(cfg)
	if c.tcp {
		return s, account, b.startStream(ctx, s, &account)
	}
	l, err := s.ListenSecure(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, account, err
	}
	account.URI = &url.URL{Scheme: "coaps", Host: l.Addr().String()}
	b.running.Go(func() {
		_ = s.ServeSecure(ctx, l) // what a server that has failed does not do, the procedure misses
		s.Wait()
	})
	return s, account, nil
}

// startStream has a server listen on a TCP port, over TLS if the account has certificates.
func (b *sandbox) startStream(ctx context.Context, s *server.Server, account *config.Account) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serve, scheme := s.ServeStream, "coap+tcp"
	if account.Security == config.SecurityX509 {
		serve, scheme = s.ServeTLS, "coaps+tcp"
	}
	account.URI = &url.URL{Scheme: scheme, Host: l.Addr().String()}
	b.running.Go(func() {
		_ = serve(ctx, l) // what a server that has failed does not do, the procedure misses
		s.Wait()
	})
	return nil
}

// start makes the device and runs it until ctx ends, again after each reboot.
func (b *sandbox) start(ctx context.Context) error {
	d, err := b.maker(b.setup)
	if err != nil {
		return err
	}
	if err := d.Set(ctx, b.initial); err != nil {
		off, cancel := context.WithCancel(ctx)
		cancel()
		return errors.Join(err, d.Run(off))
	}
	b.running.Go(func() {
		err := b.run(ctx, d)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.err = err
	})
	return nil
}

func (b *sandbox) run(ctx context.Context, d Device) error {
	for {
		b.mu.Lock()
		b.device = d
		b.mu.Unlock()
		if err := b.untilReboot(ctx, d); err != nil || ctx.Err() != nil {
			return err
		}
		var err error
		if d, err = b.maker(b.setup); err != nil {
			return err
		}
	}
}

// untilReboot runs the device until its machine reboots.
func (b *sandbox) untilReboot(ctx context.Context, d Device) error {
	ctx, off := context.WithCancel(ctx)
	defer off()
	ended := make(chan error, 1)
	b.running.Go(func() { ended <- d.Run(ctx) })
	select {
	case <-b.setup.Machine.reboots:
		off()
		return <-ended
	case err := <-ended:
		return err
	}
}

// current returns the device, which a reboot replaces, and why it has ended.
func (b *sandbox) current() (Device, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.device, b.err
}

// close ends everything.
func (b *sandbox) close() {
	b.end()
	for _, d := range b.depots {
		_ = d.Close() // they end with the sandbox
	}
	b.running.Wait()
}

// newSandbox makes the machine; servers and device follow.
func newSandbox(dir string, maker Maker, end context.CancelFunc) (*sandbox, error) {
	machine, err := newMachine(filepath.Join(dir, "root"))
	if err != nil {
		return nil, err
	}
	return &sandbox{maker: maker, end: end, setup: Setup{Machine: machine, Config: &config.Config{
		Endpoint: endpoint, TestObject: true,
		Device:   config.Device{Manufacturer: manufacturer, Model: modelNumber, Serial: serialNumber},
		StateDir: filepath.Join(dir, "state"),
		Firmware: &config.Firmware{
			Backend: config.FirmwareFile, Confirm: confirmTime, Limit: confirmTime, Patience: limit, MaxSize: largestPackage,
		},
	}}}, nil
}
