package hw

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lwm2m-agent/hw/i2cdev"
)

// fault is an error of the kernel seen as one of this package's: it reads as
// the latter and unwraps to both.
type fault struct {
	text string
	kind error
	err  error
}

func (f *fault) Error() string   { return f.text }
func (f *fault) Unwrap() []error { return []error{f.kind, f.err} }

// i2cError says what an error of an adapter means. nil stays nil. The errnos
// are those of Documentation/i2c/fault-codes.rst.
func i2cError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.EREMOTEIO):
		return &fault{ErrNoAnswer.Error(), ErrNoAnswer, err}
	case errors.Is(err, unix.ETIMEDOUT):
		// Some adapters have no other word for an address that nobody acknowledges.
		return &fault{ErrNoAnswer.Error() + " before the bus timed out", ErrNoAnswer, err}
	case errors.Is(err, i2cdev.ErrNotSMBus):
		return &fault{fmt.Sprintf("%v: %v", ErrAdapter, i2cdev.ErrNotSMBus), ErrAdapter, err}
	}
	return nodeError(path, err)
}

// nodeError says what an error of a device node or a sysfs file means.
func nodeError(path string, err error) error {
	var known *fault
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ESHUTDOWN), errors.Is(err, os.ErrClosed):
		return &fault{path + " " + ErrNoBus.Error(), ErrNoBus, err}
	case errors.Is(err, fs.ErrPermission):
		return &fault{path + ": " + ErrPermission.Error(), ErrPermission, err}
	case errors.Is(err, unix.EBUSY):
		return &fault{path + " is " + ErrBusy.Error(), ErrBusy, err}
	}
	return err
}

// remedy says what to do about err.
func remedy(cfg Config, err error) string {
	switch {
	case strings.HasPrefix(cfg.Bus, "tcp:") && errors.Is(err, ErrNoAnswer):
		return "check that unit is the number of the device"
	case cfg.Driver == "modbus" && errors.Is(err, ErrNoAnswer):
		return "check wiring, unit, baud and parity"
	case errors.Is(err, ErrNoAnswer), errors.Is(err, ErrNoBus), errors.Is(err, ErrWrongDevice), errors.Is(err, ErrBusy):
		return `run "lwm2m-agent scan"`
	case errors.Is(err, ErrUnreachable):
		return "check its address and port, and the network between"
	case errors.Is(err, ErrInterlocked):
		return "set it again when that is over"
	case errors.Is(err, ErrPermission):
		return "give the agent's user access to it, as a rule through a group such as i2c, spi or gpio"
	case errors.Is(err, ErrHung):
		return "check the wiring and the pull-ups; it is used again when the kernel gets it back"
	case errors.Is(err, ErrAdapter):
		return "put it on an adapter for I2C transfers, of the board or on USB"
	case errors.Is(err, ErrGarbage):
		return "check the wiring, and that it is the part that the driver is for"
	}
	return ""
}

// newError says which unit err happened to. nil stays nil.
func newError(id Unit, cfg Config, err error) *Error {
	if err == nil {
		return nil
	}
	return &Error{Unit: id, Driver: cfg.Driver, Where: cfg.Where(), Err: err, Remedy: remedy(cfg, err)}
}
