package hw

import (
	"context"
	"fmt"
	"time"
)

// Commands and status bits of the AHT20 (Aosong, AHT20 data sheet section 5.3
// and table 9).
const (
	aht20Status     = 0x71
	aht20Calibrated = 0x08
	aht20Busy       = 0x80
)

// aht20Conversion is how long a measurement takes (section 5.4).
const aht20Conversion = 80 * time.Millisecond

func aht20Driver() Driver {
	return Driver{
		Name:      "aht20",
		Bus:       BusI2C,
		Summary:   "Aosong AHT20, AHT21, DHT20: temperature, humidity",
		Addresses: []uint16{0x38},
		Channels:  climate(-40, 85),
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     "transfers after the data sheet",
		newSensor: func(a *access) (device, error) { return &aht20{a}, nil },
	}
}

type aht20 struct{ access *access }

func (d *aht20) Channels() []Channel { return climate(-40, 85) }

// Open has the part load its calibration if it has not.
func (d *aht20) Open(ctx context.Context) error {
	dev := d.access.i2c(ctx)
	var status [1]byte
	if err := dev.Tx([]byte{aht20Status}, status[:]); err != nil {
		return err
	}
	if status[0]&aht20Calibrated != 0 {
		return nil
	}
	if err := dev.Tx([]byte{0xbe, 0x08, 0x00}, nil); err != nil {
		return err
	}
	if err := pause(ctx, 10*time.Millisecond); err != nil {
		return err
	}
	if err := dev.Tx([]byte{aht20Status}, status[:]); err != nil {
		return err
	}
	if status[0]&aht20Calibrated == 0 {
		return fmt.Errorf("%w: it does not load its calibration, status %#02x", ErrGarbage, status[0])
	}
	return nil
}

func (d *aht20) Close(context.Context) {}

// Sample takes one measurement, a status, 20 bits of humidity, 20 bits of
// temperature and a checksum, and gives a slow part one more time.
func (d *aht20) Sample(ctx context.Context) ([]Reading, error) {
	dev := d.access.i2c(ctx)
	if err := dev.Tx([]byte{0xac, 0x33, 0x00}, nil); err != nil {
		return nil, err
	}
	for range 2 {
		if err := pause(ctx, aht20Conversion); err != nil {
			return nil, err
		}
		var raw [7]byte
		if err := dev.Tx(nil, raw[:]); err != nil {
			return nil, err
		}
		if raw[0]&aht20Busy == 0 {
			return decodeAHT20(raw)
		}
	}
	return nil, fmt.Errorf("%w: it never ends measuring", ErrGarbage)
}

// decodeAHT20 follows section 6.
func decodeAHT20(raw [7]byte) ([]Reading, error) {
	if got := crc8(raw[:6]); got != raw[6] {
		return nil, fmt.Errorf("%w: the checksum of % x is %#02x, not %#02x", ErrGarbage, raw[:6], got, raw[6])
	}
	humidity := uint32(raw[1])<<12 | uint32(raw[2])<<4 | uint32(raw[3])>>4
	temperature := uint32(raw[3]&0x0f)<<16 | uint32(raw[4])<<8 | uint32(raw[5])
	return withinRange(climate(-40, 85), climateReadings(float64(temperature)/(1<<20)*200-50, float64(humidity)/(1<<20)*100))
}
