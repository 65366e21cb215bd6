package hw

import (
	"context"
	"io/fs"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// wire is the I2C adapters of a board, at the level of bytes.
type wire struct {
	mu    sync.Mutex
	buses map[string]*wireBus // by path
}

type wireBus struct {
	parts   map[uint16]func(w, r []byte) error
	block   chan struct{} // transfers hang on it
	failure error         // of a stuck bus
	open    int           // descriptors that are open
	opens   int
	tx      int
}

func newWire(paths ...string) *wire {
	w := &wire{buses: make(map[string]*wireBus)}
	for _, path := range paths {
		w.buses[path] = &wireBus{parts: make(map[uint16]func(w, r []byte) error)}
	}
	return w
}

// change runs f while nothing else touches the bus.
func (w *wire) change(path string, f func(*wireBus)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.buses[path])
}

// remove takes an adapter away with its node; what is open fails from then on.
func (w *wire) remove(path string) *wireBus {
	w.mu.Lock()
	defer w.mu.Unlock()
	bus := w.buses[path]
	delete(w.buses, path)
	return bus
}

func (w *wire) add(path string, bus *wireBus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buses[path] = bus
}

func (w *wire) openI2C(path string) (i2c.BusCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bus := w.buses[path]
	if bus == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}
	}
	bus.open++
	bus.opens++
	return &wireHandle{wire: w, path: path, bus: bus}, nil
}

// wireHandle is an open adapter.
type wireHandle struct {
	wire *wire
	path string
	bus  *wireBus
}

func (h *wireHandle) String() string                  { return h.path }
func (h *wireHandle) SetSpeed(physic.Frequency) error { return nil }

func (h *wireHandle) Close() error {
	h.wire.mu.Lock()
	defer h.wire.mu.Unlock()
	h.bus.open--
	return nil
}

func (h *wireHandle) Tx(address uint16, w, r []byte) error {
	h.wire.mu.Lock()
	gone := h.wire.buses[h.path] != h.bus
	block, part, failure := h.bus.block, h.bus.parts[address], h.bus.failure
	h.bus.tx++
	h.wire.mu.Unlock()
	switch {
	case gone:
		return unix.ENODEV
	case block != nil:
		<-block
		return unix.ETIMEDOUT
	case failure != nil:
		return failure
	case part == nil:
		return unix.ENXIO
	}
	return part(w, r)
}

// thermometer is an LM75 at 21.5 °C.
func thermometer(w, r []byte) error {
	if len(r) == 2 && w[0] == lm75Temperature {
		r[0], r[1] = 0x15, 0x80
	}
	return nil
}

// record is a Sink that keeps what it is told.
type record struct {
	mu        sync.Mutex
	described map[Unit][]Channel
	readings  map[Unit][]Reading
	removed   []Unit
	statuses  []Status
	news      chan struct{} // holds one: something was delivered
}

func newRecord() *record {
	return &record{described: make(map[Unit][]Channel), readings: make(map[Unit][]Reading), news: make(chan struct{}, 1)}
}

func (r *record) Describe(u Unit, channels []Channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.described[u] = channels
}

func (r *record) Deliver(u Unit, readings []Reading) {
	r.mu.Lock()
	r.readings[u] = append(r.readings[u], readings...)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *record) Removed(u Unit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed = append(r.removed, u)
}

func (r *record) changed(s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statuses = append(r.statuses, s)
}

// of returns the readings of one channel.
func (r *record) of(u Unit, channel string) []Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	var of []Reading
	for _, reading := range r.readings[u] {
		if reading.Channel == channel {
			of = append(of, reading)
		}
	}
	return of
}

// last returns the last reading of one channel.
func (r *record) last(t *testing.T, u Unit, channel string) Reading {
	t.Helper()
	of := r.of(u, channel)
	if len(of) == 0 {
		t.Fatalf("%s %q delivered no %s", u.Role, u.Name, channel)
	}
	return of[len(of)-1]
}

func sensorUnit(name string) Unit   { return Unit{RoleSensor, name} }
func actuatorUnit(name string) Unit { return Unit{RoleActuator, name} }

// runBoard runs a board in the synctest bubble of t until end is called, which
// returns what Run did.
func runBoard(t *testing.T, w *wire, opts Options, setup Setup) (b *Board, r *record, end func() error) {
	t.Helper()
	r = newRecord()
	opts.Jitter = func() float64 { return 0.5 }
	opts.Changed = r.changed
	b = NewBoard(r, opts)
	if w != nil {
		b.platform.buses.openI2C = w.openI2C
	}
	if err := b.Apply(t.Context(), setup); err != nil {
		t.Fatal(err)
	}
	return b, r, start(t, b)
}

// start runs b.
func start(t *testing.T, b *Board) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- b.Run(ctx) }()
	return func() error {
		cancel()
		return <-result
	}
}
