package hw

import (
	"errors"
	"fmt"
)

// What can be wrong with a device at run time; matched by errors.Is.
var (
	// ErrNoAnswer: no device answers at the address.
	ErrNoAnswer = errors.New("no device answers")
	// ErrNoBus: the bus, chip or device is not there.
	ErrNoBus = errors.New("does not exist")
	// ErrUnreachable: the bus is behind a network, which does not lead there.
	ErrUnreachable = errors.New("does not take connections")
	// ErrHung: a transfer on the bus has not come back in time; until it does,
	// the bus is not used.
	ErrHung = errors.New("the bus hangs")
	// ErrGarbage: a device answered with what its kind cannot say.
	ErrGarbage = errors.New("impossible answer")
	// ErrWrongDevice: another kind of device is there.
	ErrWrongDevice = errors.New("another device is there")
	// ErrBusy: the line or address is in use by the kernel or another program.
	ErrBusy = errors.New("in use")
	// ErrAdapter: the adapter of the bus cannot do the transfers that the part needs.
	ErrAdapter = errors.New("the bus cannot carry what this part needs")
	// ErrPermission: this user may not open the device node.
	ErrPermission = errors.New("permission denied")
	// ErrInterlocked: the actuator is held in its safe state.
	ErrInterlocked = errors.New("interlocked")
	// ErrNotKnown: no such actuator or channel in the setup.
	ErrNotKnown = errors.New("not known")
	// ErrUnfit: the value does not fit the channel.
	ErrUnfit = errors.New("does not fit")
)

// Error is a sensor or an actuator that does not work:
//
//	sensor "cold room": bme280 at /dev/i2c-1 0x76: no device answers; run "lwm2m-agent scan"
type Error struct {
	Unit   Unit
	Driver string
	Where  string // "/dev/i2c-1 0x76"; "" for simulated ones
	Err    error  // why
	Remedy string // what to do, or ""
}

func (e *Error) Error() string {
	at := ""
	if e.Where != "" {
		at = " at " + e.Where
	}
	remedy := ""
	if e.Remedy != "" {
		remedy = "; " + e.Remedy
	}
	return fmt.Sprintf("%s %q: %s%s: %v%s", e.Unit.Role, e.Unit.Name, e.Driver, at, e.Err, remedy)
}

func (e *Error) Unwrap() error { return e.Err }

// Problem is something wrong with a [Config] itself.
type Problem struct { //nolint:errname // data first: a line of a list, and an error where one is needed
	Unit  Unit
	Index int    // in Setup.Sensors or Setup.Actuators
	Key   string // the key that is to blame, or ""
	Text  string // what is wrong and what is allowed
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s %q: %s", p.Unit.Role, p.Unit.Name, p.Text)
}
