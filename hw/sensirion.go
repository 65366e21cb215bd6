package hw

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"
)

// crc8 is the checksum of Sensirion's parts and of those made after them:
// polynomial 0x31, beginning with 0xff, neither end reflected (SHT3x data sheet
// table 20: 0xbeef has 0x92).
func crc8(data []byte) byte {
	crc := byte(0xff)
	for _, b := range data {
		crc ^= b
		for range 8 {
			high := crc & 0x80
			crc <<= 1
			if high != 0 {
				crc ^= 0x31
			}
		}
	}
	return crc
}

// checkedWords writes a command, waits, and reads n words each of which has a
// checksum behind it. Where there is nothing to wait for, a repeated start
// stands between.
func checkedWords(ctx context.Context, dev *i2c.Dev, command []byte, wait time.Duration, n int) ([]uint16, error) {
	raw := make([]byte, 3*n)
	if wait == 0 {
		if err := dev.Tx(command, raw); err != nil {
			return nil, err
		}
		return decodeChecked(raw)
	}
	if err := dev.Tx(command, nil); err != nil {
		return nil, err
	}
	if err := pause(ctx, wait); err != nil {
		return nil, err
	}
	if err := dev.Tx(nil, raw); err != nil {
		return nil, err
	}
	return decodeChecked(raw)
}

func decodeChecked(raw []byte) ([]uint16, error) {
	words := make([]uint16, 0, len(raw)/3)
	for ; len(raw) >= 3; raw = raw[3:] {
		if got := crc8(raw[:2]); got != raw[2] {
			return nil, fmt.Errorf("%w: the checksum of % x is %#02x, not %#02x", ErrGarbage, raw[:2], got, raw[2])
		}
		words = append(words, binary.BigEndian.Uint16(raw))
	}
	return words, nil
}

// share is how much of the full scale a word of 16 bits is.
func share(word uint16) float64 { return float64(word) / 65535 }

// climate is a temperature and a humidity.
func climate(low, high float64) []Channel {
	return []Channel{
		{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat, Range: Range{low, high}},
		{Name: "humidity", Quantity: Humidity, Unit: "%RH", Kind: KindFloat, Range: Range{0, 100}},
	}
}

func climateReadings(celsius, humidity float64) []Reading {
	return []Reading{
		{Channel: "temperature", Value: Float(celsius), Quality: Good},
		{Channel: "humidity", Value: Float(humidity), Quality: Good},
	}
}

// climatePart is a part that measures temperature and humidity when it is told
// to, and answers in words with checksums.
type climatePart struct {
	identify []byte                     // asks for words whose checksums tell that it is such a part
	wait     time.Duration              // for their answer
	words    int                        // of it
	known    func(words []uint16) error // nil: any will do
	measure  []byte
	duration time.Duration // of a measurement, at most
	humidity func(share float64) float64
}

func climateDriver(name, summary, proof string, addresses []uint16, part climatePart) Driver {
	return Driver{
		Name:      name,
		Bus:       BusI2C,
		Summary:   summary,
		Addresses: addresses,
		Channels:  climate(-45, 130),
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     proof,
		newSensor: func(a *access) (device, error) { return &climateSensor{access: a, part: part}, nil },
	}
}

type climateSensor struct {
	access *access
	part   climatePart
}

func (d *climateSensor) Channels() []Channel { return climate(-45, 130) }

func (d *climateSensor) Open(ctx context.Context) error {
	words, err := checkedWords(ctx, d.access.i2c(ctx), d.part.identify, d.part.wait, d.part.words)
	if err != nil || d.part.known == nil {
		return err
	}
	return d.part.known(words)
}

func (d *climateSensor) Close(context.Context) {}

// Sample takes one measurement. All these parts share the formula of the
// temperature: -45 °C at 0 to 130 °C at the full scale.
func (d *climateSensor) Sample(ctx context.Context) ([]Reading, error) {
	words, err := checkedWords(ctx, d.access.i2c(ctx), d.part.measure, d.part.duration, 2)
	if err != nil {
		return nil, err
	}
	humidity := min(max(d.part.humidity(share(words[1])), 0), 100)
	return climateReadings(-45+175*share(words[0]), humidity), nil
}
