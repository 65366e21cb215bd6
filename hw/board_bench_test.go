package hw

import (
	"testing"

	"periph.io/x/conn/v3/i2c"
)

// BenchmarkSample is one sample of an I2C sensor: the adapter is opened, one
// transfer made through the bus's goroutine, the adapter closed.
func BenchmarkSample(b *testing.B) {
	w := newWire(bus0)
	w.buses[bus0].parts[0x48] = thermometer
	p := newPlatform(Options{})
	p.buses.openI2C = func(path string) (i2c.BusCloser, error) { return w.openI2C(path) }
	a := &access{platform: p, cfg: lm75At("cold room", bus0, 0x48)}
	a.take(sensorUnit("cold room"), lm75Driver())
	defer a.give()
	d, err := lm75Driver().newSensor(a)
	if err != nil {
		b.Fatal(err)
	}
	s := d.(sampler)
	b.ReportAllocs()
	for b.Loop() {
		a.hold()
		readings, err := s.Sample(b.Context())
		a.release(b.Context())
		if err != nil || len(readings) != 1 {
			b.Fatal(readings, err)
		}
	}
}
