package hw

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func ds18b20Channels() []Channel {
	return []Channel{{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat, Range: Range{-55, 125}}}
}

func ds18b20Driver() Driver {
	return Driver{
		Name:      "ds18b20",
		Bus:       BusSysfs,
		Summary:   "DS18B20, DS18S20, DS1822, DS1825, DS28EA00 behind the kernel's 1-wire (w1_therm): temperature",
		Channels:  ds18b20Channels(),
		Settings:  []Setting{{Key: "device", Required: true, Help: "its number, \"28-00000a3b4c5d\""}, settingInterval},
		Proof:     "files as the kernel has them, the data sheet's examples",
		newSensor: func(a *access) (device, error) { return &ds18b20{a}, nil },
	}
}

// oneWireThermometers are the family codes that w1_therm serves
// (Documentation/w1/slaves/w1_therm.rst).
var oneWireThermometers = []uint8{0x10, 0x22, 0x28, 0x3b, 0x42}

// ds18b20 is a thermometer of the kernel's 1-wire. Reading its file converts and
// takes up to 750 ms.
type ds18b20 struct{ access *access }

func (d *ds18b20) Channels() []Channel { return ds18b20Channels() }

func (d *ds18b20) path() string {
	return filepath.Join(d.access.sys, "bus/w1/devices", filepath.Base(d.access.cfg.Device), "w1_slave")
}

func (d *ds18b20) Open(context.Context) error { return nil }

func (d *ds18b20) Close(context.Context) {}

func (d *ds18b20) Sample(ctx context.Context) ([]Reading, error) {
	text, err := blocking(ctx, d.access, func() (string, error) { return readAttribute(d.path()) })
	switch {
	case errors.Is(err, unix.EIO), err == nil && text == "": // what the kernel says to silence
		return nil, &fault{ErrNoAnswer.Error(), ErrNoAnswer, unix.EIO}
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fault{fmt.Sprintf("1-wire device %s %v", d.access.cfg.Device, ErrNoBus), ErrNoBus, err}
	case err != nil:
		return nil, nodeError(d.access.cfg.Device, err)
	}
	celsius, err := decodeW1(text)
	if err != nil {
		return nil, err
	}
	return []Reading{{Channel: "temperature", Value: Float(celsius), Quality: Good}}, nil
}

// decodeW1 reads w1_slave: twice the nine bytes of the scratchpad, with the
// kernel's word on their checksum, and the temperature in m°C.
//
//	72 01 4b 46 7f ff 0e 10 57 : crc=57 YES
//	72 01 4b 46 7f ff 0e 10 57 t=23125
func decodeW1(text string) (float64, error) {
	first, second, _ := strings.Cut(text, "\n")
	pad, crc, ok := strings.Cut(first, " : ")
	raw, err := hex.DecodeString(strings.ReplaceAll(pad, " ", ""))
	_, number, there := strings.Cut(second, "t=")
	milli, bad := strconv.Atoi(strings.TrimSpace(number))
	switch {
	case !ok || err != nil || len(raw) != 9 || !there:
		return 0, fmt.Errorf("%w: %q", ErrGarbage, truncate(text, 64))
	case !strings.HasSuffix(crc, "YES"):
		return 0, fmt.Errorf("%w: the checksum of % x is wrong", ErrGarbage, raw)
	case strings.Trim(string(raw), "\x00") == "": // whose checksum is right
		return 0, fmt.Errorf("%w: nothing but zeros; the line is shorted", ErrGarbage)
	case bad != nil:
		return 0, fmt.Errorf("%w: a temperature of %q", ErrGarbage, truncate(number, 32))
	case milli == 85000 && raw[6] == 0x0c:
		// The reserved byte 6 is 0x0c only until the first conversion.
		return 0, fmt.Errorf("%w: it lost its power while it measured (85 °C is what it begins with)", ErrGarbage)
	case milli < -55000 || milli > 125000:
		return 0, fmt.Errorf("%w: %v °C", ErrGarbage, float64(milli)/1000)
	}
	return float64(milli) / 1000, nil
}
