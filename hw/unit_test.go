package hw

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// quiet is a sensor that speaks for itself and has nothing to say, as a buffer that is read once an hour.
type quiet struct{}

func (quiet) Channels() []Channel        { return nil }
func (quiet) Open(context.Context) error { return nil }
func (quiet) Close(context.Context)      {}

func (quiet) Watch(ctx context.Context, _ func([]Reading)) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestBoardIsReadyWithAQuietSensor: one that is open and says nothing counts as tried after the time of a sample.
func TestBoardIsReadyWithAQuietSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBoard(newRecord(), Options{})
		u, err := b.newUnit(sensorUnit("pump"), wantedUnit{driver: Driver{newSensor: func(*access) (device, error) { return quiet{}, nil }}})
		if err != nil {
			t.Fatal(err)
		}
		b.units[u.id], b.order = u, []Unit{u.id}
		began, end := time.Now(), start(t, b)
		select {
		case <-b.Ready():
			if passed := time.Since(began); passed != sampleLimit {
				t.Errorf("ready after %v", passed)
			}
		case <-time.After(time.Hour):
			t.Error("not ready after an hour")
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
