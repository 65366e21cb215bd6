package hw

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"lwm2m-agent/hw/gpio"
	"lwm2m-agent/hw/i2cdev"
	"lwm2m-agent/hw/spidev"
)

// platform is the machine below the drivers: where its files are and how its
// kernel is called. Tests put recorded transfers and fixture folders here.
type platform struct {
	sys, dev string
	gpio     gpio.Ioctl // nil is the kernel's
	buses    *buses
	inputs   inputs
	silence  time.Duration // how long a buffer may give nothing
	// clock returns the wall clock and CLOCK_MONOTONIC of one instant.
	clock    func() (wall time.Time, monotonic time.Duration)
	writeLED func(ctx context.Context, name, attribute, value string) error                        // nil: there is nobody to ask
	writePWM func(ctx context.Context, chip string, channel uint16, attribute, value string) error // likewise
}

func newPlatform(opts Options) *platform {
	p := &platform{sys: opts.Sys, dev: opts.Dev, clock: clock, buses: &buses{openI2C: openI2C, openSPI: openSPI, limit: callLimit}, silence: bufferSilence, writeLED: opts.WriteLED, writePWM: opts.WritePWM}
	if p.sys == "" {
		p.sys = "/sys"
	}
	if p.dev == "" {
		p.dev = "/dev"
	}
	return p
}

func openI2C(path string) (i2c.BusCloser, error) { return i2cdev.Open(path, nil) }

func openSPI(path string, s spidev.Settings) (i2c.BusCloser, error) {
	device, err := spidev.Open(path, s, nil)
	if err != nil {
		return nil, err
	}
	return spiPart{device}, nil
}

// spiPart is a part on SPI as a bus that it has for itself. Its address means
// nothing, and as many bytes are read as are written, at the same time.
type spiPart struct{ *spidev.Device }

func (p spiPart) Tx(_ uint16, w, r []byte) error { return p.Device.Tx(w, r) }

func (p spiPart) SetSpeed(physic.Frequency) error { return unix.EOPNOTSUPP }

func clock() (wall time.Time, monotonic time.Duration) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return time.Now(), 0 // not on any Linux
	}
	return time.Now(), time.Duration(now.Nano())
}

// node maps a device path of the configuration into the root of devices:
// "/dev/i2c-1" and "i2c-1" are the same.
func (p *platform) node(path string) string {
	if rest, ok := strings.CutPrefix(path, "/dev/"); ok {
		return filepath.Join(p.dev, rest)
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.dev, path)
}

// access is a driver's way to the machine, made for one sensor or actuator.
type access struct {
	*platform
	cfg       Config
	bus       *bus     // nil if the driver's parts are on none
	looking   bool     // a probe: Open must leave an output as it is
	inherited *os.File // line handle kept by a former process, or nil
}

// take takes the bus that the driver's device needs until give.
func (a *access) take(id Unit, driver Driver) {
	switch driver.Bus {
	case BusI2C:
		a.bus = a.buses.i2c(a.i2cKey(), a.i2cPath)
	case BusSPI:
		a.bus = a.buses.spi(a.node(a.cfg.Bus), driver.spi)
	case BusGPIO:
		if id.Role == RoleSensor && !a.looking {
			a.inputs.want(a) // by the lane of its chip, and together with others
			return
		}
		a.bus = a.buses.lane(id.Role.String() + " " + id.Name)
	case BusSysfs:
		a.bus = a.buses.lane(id.Role.String() + " " + id.Name) // a lane of its own
	case BusModbus:
		path := a.cfg.Bus
		if !strings.HasPrefix(path, "tcp:") {
			path = a.node(path)
		}
		a.bus = a.buses.modbus(path)
	case BusNone:
	}
}

// i2cKey is what the lane of the configured adapter is called: its node where
// that is known without looking.
func (a *access) i2cKey() string {
	if node, plain := plainNode(a.cfg.Bus); plain {
		return a.node(node)
	}
	return a.cfg.Bus
}

// i2cPath is the path of the configured adapter just now.
func (a *access) i2cPath() (string, error) {
	node, err := a.i2cNode(a.cfg.Bus)
	return a.node(node), err
}

// free checks that no driver of the kernel holds the part, on its bus or on one
// that a multiplexer connects it to: two that talk to it in turn confuse it, and
// an I2C transfer does not ask.
func (a *access) free() error {
	if a.bus == nil || a.bus.open == nil || a.cfg.Address == 0 {
		return nil
	}
	node, err := a.i2cNode(a.cfg.Bus)
	if err != nil {
		return err
	}
	adapters := a.i2cAdapters()
	above, _ := adapters[node].above(adapters)
	for _, adapter := range append([]string{node}, above...) {
		driver, err := os.Readlink(filepath.Join(a.kernelDevice(adapter, a.cfg.Address), "driver"))
		if err == nil {
			text := fmt.Sprintf(`the address is %v by the kernel's driver %s; use driver = "hwmon" or "iio"`, ErrBusy, filepath.Base(driver))
			return &fault{text, ErrBusy, unix.EBUSY}
		}
	}
	return nil // no such device in the kernel, or none that is driven
}

// open opens the device if nobody else holds it.
func (a *access) open(ctx context.Context, d device) error {
	if err := a.free(); err != nil {
		return err
	}
	return d.Open(ctx)
}

// kernelDevice is the folder of the kernel's device at an I2C address.
func (p *platform) kernelDevice(adapter string, address uint16) string {
	number := strings.TrimPrefix(filepath.Base(adapter), "i2c-")
	return filepath.Join(p.sys, "bus/i2c/devices", fmt.Sprintf("%s-%04x", number, address))
}

func (a *access) give() {
	a.inputs.forget(a)
	if a.bus != nil {
		a.buses.put(a.bus)
	}
}

func (a *access) hold() {
	if a.bus != nil {
		a.bus.hold()
	}
}

func (a *access) release(ctx context.Context) {
	if a.bus != nil {
		a.bus.release(ctx)
	}
}

// i2c returns the configured device for the length of ctx.
func (a *access) i2c(ctx context.Context) *i2c.Dev {
	return &i2c.Dev{Bus: boundBus{ctx, a.bus}, Addr: a.cfg.Address}
}

// spi writes out to the configured device and returns what comes in meanwhile.
func (a *access) spi(ctx context.Context, out ...byte) ([]byte, error) {
	in := make([]byte, len(out))
	return in, a.bus.transfer(ctx, 0, out, in)
}

// tx makes one transfer with the configured device. It is for what blocking
// runs: nobody else's transfers fall between those of one call.
func (a *access) tx(w, r []byte) error { return a.bus.tx(a.cfg.Address, w, r) }

// readPair reads two registers that follow each other, for what blocking runs.
func (a *access) readPair(register byte) (uint16, error) {
	var raw [2]byte
	err := a.tx([]byte{register}, raw[:])
	return binary.LittleEndian.Uint16(raw[:]), err
}

// blocking runs f, which reads files that may block, in the lane of a.
func blocking[T any](ctx context.Context, a *access, f func() (T, error)) (T, error) {
	result := new(T)
	err := a.bus.do(ctx, func() (err error) {
		*result, err = f()
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return *result, nil
}

// acquire is blocking for an f that takes something: if it comes too late, it
// is closed.
func acquire[T io.Closer](ctx context.Context, a *access, f func() (T, error)) (T, error) {
	var (
		mu     sync.Mutex
		result T
		got    bool
		gaveUp bool
	)
	err := a.bus.do(ctx, func() error {
		v, err := f()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if gaveUp {
			return v.Close()
		}
		result, got = v, true
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if err == nil {
		return result, nil
	}
	gaveUp = true
	if got {
		err = errors.Join(err, result.Close())
	}
	var none T
	return none, err
}

// discard closes c in the lane of a: closing a file waits for the call that is
// at it.
func (a *access) discard(ctx context.Context, c io.Closer) {
	a.bus.finally(ctx, func() { _ = c.Close() }) // nothing is buffered, and nothing could be done about it
}

// pause waits for a conversion.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
