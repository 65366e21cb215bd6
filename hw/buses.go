package hw

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"lwm2m-agent/hw/modbus"
	"lwm2m-agent/hw/spidev"
)

// buses holds the lanes in use, each under the name of what it serves. A lane
// that hangs outlives its last user until its call returns, so that a new user
// of the same bus finds it and no second call is lost to it.
type buses struct {
	openI2C func(path string) (i2c.BusCloser, error)
	openSPI func(path string, s spidev.Settings) (i2c.BusCloser, error)
	limit   time.Duration // of one call

	mu    sync.Mutex
	lanes map[string]*bus
	wg    sync.WaitGroup
}

// bus is a lane with its users, and for an I2C bus the open adapter, or the open
// part on SPI.
type bus struct {
	*lane
	key  string
	refs int // guarded by buses.mu

	path  string
	open  func(path string) (i2c.BusCloser, error)
	holds atomic.Int32   // how many have work on the bus just now
	dev   i2c.BusCloser  // of the lane's goroutine; nil when closed
	link  *modbus.Client // of the lane's goroutine: stays open between samples
	limit time.Duration  // of one call; 0 is that of buses
}

// lane returns the lane for a device that is read through files.
func (b *buses) lane(key string) *bus { return b.get(&bus{key: key}) }

// i2c returns the bus of an adapter. find says where it is when it is opened: it
// may come back under another number.
func (b *buses) i2c(name string, find func() (string, error)) *bus {
	open := func(string) (i2c.BusCloser, error) {
		path, err := find()
		if err != nil {
			return nil, err
		}
		return b.openI2C(path)
	}
	return b.get(&bus{key: "i2c " + name, path: name, open: open})
}

// spi returns the part at an SPI device's path.
func (b *buses) spi(path string, s spidev.Settings) *bus {
	open := func(path string) (i2c.BusCloser, error) { return b.openSPI(path, s) }
	return b.get(&bus{key: "spi " + path, path: path, open: open})
}

// modbus returns the line or connection at a path.
func (b *buses) modbus(path string) *bus {
	return b.get(&bus{key: "modbus " + path, path: path, limit: modbusLimit})
}

// get returns the bus with fresh's key, or starts fresh.
func (b *buses) get(fresh *bus) *bus {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.lanes[fresh.key]; old != nil {
		old.refs++
		return old
	}
	if b.lanes == nil {
		b.lanes = make(map[string]*bus)
	}
	fresh.refs = 1
	fresh.lane = newLane(cmp.Or(fresh.limit, b.limit), fresh.afterCall)
	b.lanes[fresh.key] = fresh
	b.wg.Go(func() {
		fresh.run(func() bool { return b.retire(fresh) })
		fresh.hangUp()
	})
	return fresh
}

// put gives up one use of u.
func (b *buses) put(u *bus) {
	b.mu.Lock()
	u.refs--
	b.mu.Unlock()
	u.wake()
}

// retire removes u if nobody uses it.
func (b *buses) retire(u *bus) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if u.refs > 0 {
		return false
	}
	delete(b.lanes, u.key)
	return true
}

// wait waits until all lanes have ended, or ctx has: then it names those left.
func (b *buses) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		b.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []error
	for _, key := range slices.Sorted(maps.Keys(b.lanes)) {
		left = append(left, errors.New(key+" hangs"))
	}
	return errors.Join(left...)
}

// hold keeps the adapter open between transfers until release. Nothing is held
// while nothing is due: an open adapter cannot be removed by the kernel.
func (u *bus) hold() { u.holds.Add(1) }

func (u *bus) release(ctx context.Context) {
	if u.holds.Add(-1) > 0 || u.open == nil {
		return
	}
	u.finally(ctx, func() {}) // after which the lane closes it
}

// afterCall closes the adapter when nobody holds it, and one that hung.
func (u *bus) afterCall(late bool) {
	if late || u.holds.Load() == 0 {
		u.closeDev()
	}
	if late {
		u.hangUp()
	}
}

func (u *bus) closeDev() {
	if u.dev != nil {
		_ = u.dev.Close() // nothing is buffered, and nothing could be done about it
		u.dev = nil
	}
}

// transfer runs one transfer in the lane.
func (u *bus) transfer(ctx context.Context, address uint16, w, r []byte) error {
	in := append([]byte(nil), w...) // the caller's buffers are its own again when it gives up waiting
	out := make([]byte, len(r))
	err := u.do(ctx, func() error { return u.tx(address, in, out) })
	if err == nil {
		copy(r, out)
	}
	return err
}

func (u *bus) tx(address uint16, w, r []byte) error {
	if u.dev == nil {
		dev, err := u.open(u.path)
		if err != nil {
			return i2cError(u.path, err)
		}
		u.dev = dev
	}
	err := i2cError(u.path, u.dev.Tx(address, w, r))
	if err != nil && !errors.Is(err, ErrNoAnswer) {
		u.closeDev() // whatever it is, a fresh adapter is the better start
	}
	return err
}

// boundBus is a bus whose transfers end with a context.
type boundBus struct {
	ctx context.Context // i2c.Bus has no other place for it; it lives for one sample
	bus *bus
}

var _ i2c.Bus = boundBus{}

func (b boundBus) Tx(address uint16, w, r []byte) error {
	return b.bus.transfer(b.ctx, address, w, r)
}

func (b boundBus) SetSpeed(physic.Frequency) error { return unix.EOPNOTSUPP }

func (b boundBus) String() string { return b.bus.path }
