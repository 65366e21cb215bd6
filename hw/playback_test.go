package hw

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2ctest"
)

// transfers are recorded transfers with one part.
func transfers(address uint16, pairs ...[]byte) []i2ctest.IO {
	ops := make([]i2ctest.IO, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		ops = append(ops, i2ctest.IO{Addr: address, W: pairs[i], R: pairs[i+1]})
	}
	return ops
}

// play opens and reads the sensor of driver at the address of ops, which
// must be just the transfers it makes.
func play(t *testing.T, driver string, ops []i2ctest.IO) (readings []Reading, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bus := &i2ctest.Playback{Ops: ops, DontPanic: true}
		p := newPlatform(Options{})
		p.buses.openI2C = func(string) (i2c.BusCloser, error) { return bus, nil }
		cfg := Config{Name: "test", Driver: driver, Bus: "/dev/i2c-1", Address: ops[0].Addr}
		readings, err = p.probe(t.Context(), sensorUnit("test"), driversByName()[driver], cfg)
		if bus.Count != len(ops) {
			t.Errorf("%d of %d transfers were made; error %v", bus.Count, len(ops), err)
		}
	})
	return readings, err
}

// values are the good readings by channel.
func values(t *testing.T, readings []Reading) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	for _, r := range readings {
		f, ok := r.Value.Float()
		if !ok || r.Quality != Good || r.Reason != "" {
			t.Errorf("reading %+v", r)
		}
		values[r.Channel] = f
	}
	return values
}

// wantValues compares within what the last digit is worth.
func wantValues(t *testing.T, readings []Reading, want map[string]float64) {
	t.Helper()
	got := values(t, readings)
	near := cmp.Comparer(func(a, b float64) bool { return a-b < 0.005 && b-a < 0.005 })
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Error(diff)
	}
}

// sysTree makes files of these contents below a folder that it returns.
func sysTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := pause(t.Context(), time.Second); err != nil || time.Since(begin) != time.Second {
			t.Errorf("paused %v: %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := pause(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

type closer struct{ closed bool }

func (c *closer) Close() error {
	c.closed = true
	return nil
}

// What a call takes after its caller has given up is given back.
func TestAcquireTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &access{platform: newPlatform(Options{})}
		a.bus = a.buses.lane("test")
		release := make(chan struct{})
		late := &closer{}
		if _, err := acquire(t.Context(), a, func() (*closer, error) { <-release; return late, nil }); !errors.Is(err, ErrHung) {
			t.Errorf("error %v", err)
		}
		close(release)
		synctest.Wait()
		if !late.closed {
			t.Error("it was left open")
		}
		inTime := &closer{}
		if got, err := acquire(t.Context(), a, func() (*closer, error) { return inTime, nil }); got != inTime || err != nil || inTime.closed {
			t.Errorf("%v, %v", got, err)
		}
		a.give()
		if err := a.buses.wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
