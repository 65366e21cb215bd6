package hw

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const (
	bus0 = "/dev/i2c-0"
	bus1 = "/dev/i2c-1"
)

func lm75At(name, bus string, address uint16) Config {
	return Config{Name: name, Driver: "lm75", Bus: bus, Address: address, Interval: 10 * time.Second}
}

func sleep(t *testing.T, d time.Duration) {
	t.Helper()
	if err := pause(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestBoardSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		w.buses[bus0].parts[0x48] = thermometer
		cold := lm75At("cold room", bus0, 0x48)
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{cold}})
		<-b.Ready()
		sleep(t, 35*time.Second)
		got := r.of(sensorUnit("cold room"), "temperature")
		if len(got) != 4 {
			t.Fatalf("%d readings in 35 s at an interval of 10 s", len(got))
		}
		want := Reading{Channel: "temperature", Value: Float(21.5), Time: got[3].Time, Quality: Good}
		if diff := cmp.Diff(want, got[3], cmp.AllowUnexported(Value{})); diff != "" {
			t.Error(diff)
		}
		if age := time.Since(got[3].Time); age != 5*time.Second {
			t.Errorf("the last is of %v ago", age)
		}
		w.change(bus0, func(bus *wireBus) {
			if bus.open != 0 || bus.opens != 4 {
				t.Errorf("the adapter is open %d times after %d openings; between samples nothing may be open", bus.open, bus.opens)
			}
		})
		if s := b.Status(); len(s) != 1 || s[0].Err != nil || s[0].Where != "/dev/i2c-0 0x48" || s[0].Since.IsZero() {
			t.Errorf("status %+v", s)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestBoardIsReadyWithoutSensors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, end := runBoard(t, nil, Options{}, Setup{})
		<-b.Ready()
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestAbsentSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		cold := sensorUnit("cold room")
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{{
			Name: "cold room", Driver: "bme280", Bus: bus0, Address: 0x76, Interval: time.Minute,
		}}})
		<-b.Ready()
		synctest.Wait()
		for _, channel := range []string{"temperature", "pressure", "humidity"} {
			got := r.last(t, cold, channel)
			want := `sensor "cold room": bme280 at /dev/i2c-0 0x76: no device answers; run "lwm2m-agent scan"`
			if got.Quality != Invalid || got.Reason != want || got.Value != (Value{}) {
				t.Errorf("%s: %+v", channel, got)
			}
		}
		status := b.Status()[0]
		var failure *Error
		if !errors.Is(status.Err, ErrNoAnswer) || !errors.Is(status.Err, unix.ENXIO) || !errors.As(status.Err, &failure) {
			t.Errorf("status %v", status.Err)
		}
		sleep(t, 10*time.Minute)
		if n := len(r.of(cold, "temperature")); n != 1 {
			t.Errorf("the same failure was delivered %d times", n)
		}
		if tries := b.Status()[0].Tries; tries < 10 || tries > 20 {
			t.Errorf("tried %d times in 10 minutes", tries)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestSensorVanishesAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		w.buses[bus0].parts[0x48] = thermometer
		cold := sensorUnit("cold room")
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{lm75At("cold room", bus0, 0x48)}})
		sleep(t, time.Second)
		begin := time.Now()
		w.change(bus0, func(bus *wireBus) { bus.parts[0x48] = nil })
		sleep(t, 15*time.Second)
		gone := r.last(t, cold, "temperature")
		if gone.Quality != Invalid || gone.Value != Float(21.5) || gone.Time.Before(begin) {
			t.Errorf("a sensor that vanished: %+v", gone)
		}
		w.change(bus0, func(bus *wireBus) { bus.parts[0x48] = thermometer })
		sleep(t, 20*time.Second)
		back := r.last(t, cold, "temperature")
		if back.Quality != Good || back.Reason != "" {
			t.Errorf("a sensor that came back: %+v", back)
		}
		if s := b.Status()[0]; s.Err != nil || s.Tries != 0 || !s.Since.After(gone.Time) {
			t.Errorf("status %+v", s)
		}
		if len(r.statuses) != 3 || r.statuses[0].Err != nil || r.statuses[1].Err == nil || r.statuses[2].Err != nil {
			t.Errorf("changes of the status: %v", r.statuses)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestOneBadTransferIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		var bad atomic.Bool
		w.buses[bus0].parts[0x48] = func(out, in []byte) error {
			if bad.Swap(false) {
				return unix.EIO
			}
			return thermometer(out, in)
		}
		_, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{lm75At("cold room", bus0, 0x48)}})
		sleep(t, time.Second)
		bad.Store(true)
		sleep(t, time.Minute)
		if bad.Load() {
			t.Fatal("the bad transfer was not made")
		}
		for _, reading := range r.of(sensorUnit("cold room"), "temperature") {
			if reading.Quality != Good {
				t.Errorf("%+v", reading)
			}
		}
		if len(r.statuses) != 1 {
			t.Errorf("changes of the status: %v", r.statuses)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestAdapterVanishesAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0, bus1)
		w.buses[bus0].parts[0x48] = thermometer
		w.buses[bus1].parts[0x48] = thermometer
		cold, warm := sensorUnit("cold room"), sensorUnit("warm room")
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{
			lm75At("cold room", bus0, 0x48), lm75At("warm room", bus1, 0x48),
		}})
		sleep(t, time.Second)
		bus := w.remove(bus0)
		if bus.open != 0 {
			t.Error("the adapter was held open: the kernel could not have removed it")
		}
		sleep(t, 30*time.Second)
		got := r.last(t, cold, "temperature")
		if want := `sensor "cold room": lm75 at /dev/i2c-0 0x48: /dev/i2c-0 does not exist; run "lwm2m-agent scan"`; got.Reason != want {
			t.Errorf("reason %q", got.Reason)
		}
		if err := b.Status()[0].Err; !errors.Is(err, ErrNoBus) {
			t.Error(err)
		}
		for _, reading := range r.of(warm, "temperature") {
			if reading.Quality != Good {
				t.Errorf("the sensor on the other bus: %+v", reading)
			}
		}
		w.add(bus0, bus)
		sleep(t, maxRetry+10*time.Second)
		if got := r.last(t, cold, "temperature"); got.Quality != Good {
			t.Errorf("after the adapter came back: %+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// An adapter that is unbound in the middle of a sample.
func TestAdapterGoesStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		old := w.buses[bus0]
		fresh := newWire(bus0).buses[bus0]
		fresh.parts[0x48] = thermometer
		replaced := false
		old.parts[0x48] = func(out, in []byte) error {
			if !replaced && len(in) == 2 {
				replaced = true
				w.remove(bus0)
				w.add(bus0, fresh)
				return unix.ENODEV
			}
			return thermometer(out, in)
		}
		_, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{lm75At("cold room", bus0, 0x48)}})
		sleep(t, 15*time.Second)
		if got := r.last(t, sensorUnit("cold room"), "temperature"); !replaced || got.Quality != Good {
			t.Errorf("replaced %v: %+v", replaced, got)
		}
		if old.open != 0 || fresh.open != 0 {
			t.Errorf("left open: %d of the old adapter, %d of the new", old.open, fresh.open)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestBusHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0, bus1)
		for _, bus := range w.buses {
			bus.parts[0x48], bus.parts[0x49] = thermometer, thermometer
		}
		cold, cool, warm := sensorUnit("cold room"), sensorUnit("cool room"), sensorUnit("warm room")
		_, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{
			lm75At("cold room", bus0, 0x48), lm75At("cool room", bus0, 0x49), lm75At("warm room", bus1, 0x48),
		}})
		sleep(t, time.Second)
		release := make(chan struct{})
		w.change(bus0, func(bus *wireBus) { bus.block, bus.tx = release, 0 })
		sleep(t, 2*time.Minute)
		for _, u := range []Unit{cold, cool} {
			got := r.last(t, u, "temperature")
			if got.Quality != Invalid || !strings.Contains(got.Reason, "the bus hangs") {
				t.Errorf("%s on the hung bus: %+v", u.Name, got)
			}
		}
		w.change(bus0, func(bus *wireBus) {
			if bus.tx != 1 {
				t.Errorf("%d transfers were lost to the bus that hangs, want the first alone", bus.tx)
			}
		})
		if n := len(r.of(warm, "temperature")); n != 13 {
			t.Errorf("the sensor on the other bus has %d readings in 2 minutes", n)
		}
		w.change(bus0, func(bus *wireBus) { bus.block = nil })
		close(release)
		sleep(t, maxRetry+20*time.Second)
		for _, u := range []Unit{cold, cool} {
			if got := r.last(t, u, "temperature"); got.Quality != Good {
				t.Errorf("%s after the bus came back: %+v", u.Name, got)
			}
		}
		w.change(bus0, func(bus *wireBus) {
			if bus.open != 0 {
				t.Errorf("the adapter is left open %d times", bus.open)
			}
		})
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestEndWithABusThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		w.buses[bus0].parts[0x48] = thermometer
		release := make(chan struct{})
		w.buses[bus0].block = release
		_, _, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{lm75At("cold room", bus0, 0x48)}})
		sleep(t, time.Second)
		begin := time.Now()
		err := end()
		if err == nil || !strings.Contains(err.Error(), bus0+" hangs") {
			t.Errorf("the end does not name the bus: %v", err)
		}
		if took := time.Since(begin); took > stopLimit {
			t.Errorf("the end took %v", took)
		}
		close(release)
		synctest.Wait() // and nothing is left running, or the bubble says so
	})
}

// A bus that hangs while its only sensor is taken away and given back costs no
// second transfer.
func TestApplyOnABusThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		w.buses[bus0].parts[0x48] = thermometer
		release := make(chan struct{})
		w.buses[bus0].block = release
		cold := Setup{Sensors: []Config{lm75At("cold room", bus0, 0x48)}}
		b, r, end := runBoard(t, w, Options{}, cold)
		sleep(t, 5*time.Second)
		for range 10 {
			for _, setup := range []Setup{{}, cold} {
				if err := b.Apply(t.Context(), setup); err != nil {
					t.Fatal(err)
				}
				sleep(t, 10*time.Second)
			}
		}
		w.change(bus0, func(bus *wireBus) {
			if bus.tx != 1 {
				t.Errorf("%d transfers were lost to the bus that hangs", bus.tx)
			}
			bus.block = nil
		})
		close(release)
		sleep(t, maxRetry+10*time.Second)
		if got := r.last(t, sensorUnit("cold room"), "temperature"); got.Quality != Good {
			t.Errorf("%+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestApplyDisturbsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		opened := 0
		w.buses[bus0].parts[0x48] = func(out, in []byte) error {
			if out[0] == lm75Config {
				opened++
			}
			return thermometer(out, in)
		}
		w.buses[bus0].parts[0x49] = thermometer
		cold, warm := lm75At("cold room", bus0, 0x48), lm75At("warm room", bus0, 0x49)
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{cold}})
		sleep(t, 5*time.Second)
		if err := b.Apply(t.Context(), Setup{Sensors: []Config{warm, cold}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.last(t, sensorUnit("warm room"), "temperature"); got.Quality != Good {
			t.Errorf("the new sensor at once: %+v", got)
		}
		sleep(t, 30*time.Second)
		if opened != 1 {
			t.Errorf("the sensor that was there was opened %d times", opened)
		}
		if n := len(r.of(sensorUnit("cold room"), "temperature")); n != 4 {
			t.Errorf("it has %d readings in 35 s", n)
		}
		if s := b.Status(); len(s) != 2 || s[0].Unit.Name != "warm room" {
			t.Errorf("status is not in setup order: %v", s)
		}
		warm.Interval = time.Hour
		before := len(r.of(sensorUnit("warm room"), "temperature"))
		if err := b.Apply(t.Context(), Setup{Sensors: []Config{warm}}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Unit{sensorUnit("cold room")}, r.removed); diff != "" {
			t.Error(diff)
		}
		sleep(t, 30*time.Minute)
		if n := len(r.of(sensorUnit("warm room"), "temperature")) - before; n != 1 {
			t.Errorf("%d readings in half an hour after the interval became an hour, want the first", n)
		}
		if n := len(r.of(sensorUnit("cold room"), "temperature")); n != 4 {
			t.Error("a sensor that was removed still delivers")
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestApplyRefusesWhatIsNotValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		w.buses[bus0].parts[0x48] = thermometer
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{lm75At("cold room", bus0, 0x48)}})
		err := b.Apply(t.Context(), Setup{Sensors: []Config{{Name: "x", Driver: "bme281"}}})
		var problem *Problem
		if !errors.As(err, &problem) || problem.Key != "driver" {
			t.Errorf("error %v", err)
		}
		sleep(t, time.Minute)
		if len(r.removed) != 0 || len(r.of(sensorUnit("cold room"), "temperature")) < 6 {
			t.Error("the setup that was there is disturbed")
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestApplyWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, end := runBoard(t, nil, Options{}, Setup{})
		<-b.Ready()
		if err := end(); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Apply(ctx, Setup{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a board that has ended took a setup: %v", err)
		}
	})
}

func TestAddressHeldByTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		w.buses[bus0].parts[0x48] = thermometer
		sys := sysTree(t, map[string]string{"bus/i2c/drivers/lm75/bind": "", "bus/i2c/devices/0-0048/name": "tmp105"})
		driver := filepath.Join(sys, "bus/i2c/devices/0-0048/driver")
		if err := os.Symlink("../../drivers/lm75", driver); err != nil {
			t.Fatal(err)
		}
		cold := sensorUnit("cold room")
		_, r, end := runBoard(t, w, Options{Sys: sys}, Setup{Sensors: []Config{lm75At("cold room", bus0, 0x48)}})
		sleep(t, 20*time.Second)
		const want = `sensor "cold room": lm75 at /dev/i2c-0 0x48: the address is in use by the kernel's driver lm75; use driver = "hwmon" or "iio"; run "lwm2m-agent scan"`
		if got := r.last(t, cold, "temperature"); got.Reason != want {
			t.Errorf("reason %s", got.Reason)
		}
		w.change(bus0, func(bus *wireBus) {
			if bus.tx != 0 {
				t.Error("it was disturbed")
			}
		})
		if err := os.Remove(driver); err != nil {
			t.Fatal(err)
		}
		sleep(t, maxRetry)
		if got := r.last(t, cold, "temperature"); got.Quality != Good {
			t.Errorf("after the kernel let it go: %+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
