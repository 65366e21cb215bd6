package hw

import (
	"context"
	"log/slog"
	"os"
	"time"
)

// Sink takes what a [Board] has to say. Its methods are called from several
// goroutines at once, in order for one sensor; they must return promptly and
// must not call the Board.
type Sink interface {
	// Describe says which channels a sensor or actuator has: once when it is
	// applied if that is known then, and again when its device shows others.
	Describe(unit Unit, channels []Channel)
	// Deliver hands over readings: those of one sample together, a channel
	// more than once only where it changed several times, oldest first.
	Deliver(unit Unit, readings []Reading)
	// Removed says that a sensor or actuator is no longer part of the setup.
	Removed(unit Unit)
}

// Role tells sensors from actuators; each has names of its own.
type Role uint8

// The roles.
const (
	RoleSensor Role = iota
	RoleActuator
)

// String returns "sensor" or "actuator".
func (r Role) String() string { return [...]string{"sensor", "actuator"}[min(r, RoleActuator)] }

// Unit names one sensor or one actuator of a setup.
type Unit struct {
	Role Role
	Name string
}

// Options are what a [Board] stands on. The zero value of a field is its
// default.
type Options struct {
	Sys    string         // root of sysfs; "/sys"
	Dev    string         // root of device nodes: replaces the "/dev" of configured paths; "/dev"
	Log    *slog.Logger   // nil discards
	Jitter func() float64 // in [0,1), spreads retries; math/rand/v2.Float64

	// Handles are GPIO lines kept from a former process by [Board.Handles],
	// by actuator name. Those that no actuator claims are closed.
	Handles map[string]*os.File
}

// Board owns the sensors and actuators: it opens, samples and drives them, and
// brings those back that were away. The zero Board is not usable.
type Board struct{}

// NewBoard returns a board that hands everything to sink.
func NewBoard(sink Sink, opts Options) *Board { return &Board{} }

// Run serves the setup until ctx ends, and then puts every actuator into its
// safe state, or leaves it where [Board.Keep] said so. It returns nil after an
// orderly end, and an error that names what could not be ended in time.
func (b *Board) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Ready is closed when every sensor and actuator of the first setup was tried
// once, or has not answered in time.
func (b *Board) Ready() <-chan struct{} { return nil }

// String returns "board".
func (b *Board) String() string { return "board" }

// Apply makes setup the board's setup: what is new is started, what is gone is
// ended, what is different is begun anew, and the rest is not disturbed. It may
// be called before and during Run. If setup is not valid nothing changes, and
// the error joins the [Problem]s. It waits, within ctx, until what is gone has
// released its bus and lines.
func (b *Board) Apply(ctx context.Context, setup Setup) error { return nil }

// Set drives a channel of an actuator and waits until it is done or ctx ends.
// The reading that follows goes to the sink.
func (b *Board) Set(ctx context.Context, actuator, channel string, v Value) error { return nil }

// CanSet says without touching the device whether Set would be tried: the
// actuator is there and v fits the channel.
func (b *Board) CanSet(actuator, channel string, v Value) error { return nil }

// Safe puts an actuator into its safe state.
func (b *Board) Safe(ctx context.Context, actuator string) error { return nil }

// Keep makes the end of Run leave the outputs as they are.
func (b *Board) Keep() {}

// Handles returns duplicates of the line handles of all actuators that have
// one, by actuator name, to be kept open over a restart. The caller closes
// them.
func (b *Board) Handles() (map[string]*os.File, error) { return nil, nil }

// Status returns the state of every sensor and actuator, in setup order.
func (b *Board) Status() []Status { return nil }

// Status is the state of one sensor or actuator.
type Status struct {
	Unit   Unit
	Driver string
	Where  string    // "/dev/i2c-1 0x76"
	Since  time.Time // of the present state
	Err    error     // nil when it works; a *Error otherwise
	// Tries counts the attempts that failed since it worked last.
	Tries int
}
