package hw

import (
	"context"
	"fmt"
	"time"
)

// Commands of the SCD40, SCD41 and SCD43 (Sensirion, SCD4x data sheet version
// 1.4, table 9).
var (
	scd4xStart  = []byte{0x21, 0xb1} // start_periodic_measurement: one every 5 s
	scd4xStop   = []byte{0x3f, 0x86} // stop_periodic_measurement: 500 ms
	scd4xReady  = []byte{0xe4, 0xb8} // get_data_ready_status: 1 ms
	scd4xRead   = []byte{0xec, 0x05} // read_measurement: 1 ms
	scd4xSerial = []byte{0x36, 0x82} // get_serial_number: 1 ms, while it does not measure
)

const (
	scd4xPeriod  = 5 * time.Second
	scd4xStopped = 500 * time.Millisecond
)

func scd4xChannels() []Channel {
	return append([]Channel{
		{Name: "co2", Quantity: Concentration, Unit: "ppm", Kind: KindFloat, Range: Range{0, 40000}},
	}, climate(-10, 60)...)
}

func scd4xDriver() Driver {
	return Driver{
		Name:      "scd4x",
		Bus:       BusI2C,
		Summary:   "Sensirion SCD40, SCD41, SCD43: carbon dioxide, temperature, humidity",
		Addresses: []uint16{0x62},
		Channels:  scd4xChannels(),
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     "the data sheet's examples",
		newSensor: func(a *access) (device, error) { return &scd4x{access: a}, nil },
	}
}

// scd4x measures every 5 s by itself, which its own calibration needs (section
// 3.8); each sample takes the last measurement.
type scd4x struct {
	access *access
	last   []Reading
}

func (d *scd4x) Channels() []Channel { return scd4xChannels() }

// Open identifies the part, which may be measuring for a former process, and has
// it measure.
func (d *scd4x) Open(ctx context.Context) error {
	dev := d.access.i2c(ctx)
	if err := dev.Tx(scd4xStop, nil); err != nil {
		return err
	}
	if err := pause(ctx, scd4xStopped); err != nil {
		return err
	}
	if _, err := checkedWords(ctx, dev, scd4xSerial, time.Millisecond, 3); err != nil {
		return err
	}
	d.last = nil
	return dev.Tx(scd4xStart, nil)
}

func (d *scd4x) Close(context.Context) {}

// Sample waits for the first measurement; between two others the last one is
// what is known.
func (d *scd4x) Sample(ctx context.Context) ([]Reading, error) {
	dev := d.access.i2c(ctx)
	const tries = 6
	for try := range tries {
		ready, err := checkedWords(ctx, dev, scd4xReady, time.Millisecond, 1)
		if err != nil {
			return nil, err
		}
		if ready[0]&0x07ff != 0 { // section 3.9.2
			words, err := checkedWords(ctx, dev, scd4xRead, time.Millisecond, 3)
			if err != nil {
				return nil, err
			}
			d.last, err = decodeSCD4x(words)
			return append([]Reading(nil), d.last...), err
		}
		if d.last != nil && time.Since(d.last[0].Time) >= 2*scd4xPeriod {
			break // it has lost its supply, and does nothing until it is told anew
		}
		if d.last != nil {
			return append([]Reading(nil), d.last...), nil
		}
		if try+1 < tries {
			if err := pause(ctx, scd4xPeriod/(tries-2)); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("%w: it does not measure", ErrGarbage)
}

// decodeSCD4x follows section 3.6.2. A concentration of 0 is what the part says
// before it has one.
func decodeSCD4x(words []uint16) ([]Reading, error) {
	co2 := Reading{Channel: "co2", Value: Float(float64(words[0])), Quality: Good}
	if words[0] == 0 {
		co2 = Reading{Channel: "co2", Quality: Invalid, Reason: "co2: no concentration yet"}
	}
	now := time.Now()
	readings := append([]Reading{co2}, climateReadings(-45+175*share(words[1]), 100*share(words[2]))...)
	for i := range readings {
		readings[i].Time = now // also when it is told again
	}
	return withinRange(scd4xChannels(), readings)
}
