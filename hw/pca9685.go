package hw

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Registers of the PCA9685 (NXP, product data sheet rev. 4, section 7.3).
const (
	pca9685Mode1    = 0x00
	pca9685Mode2    = 0x01
	pca9685LED0     = 0x06 // LED0_ON_L, ON_H, OFF_L, OFF_H; the next channel behind it
	pca9685Prescale = 0xfe

	pca9685Restart  = 0x80 // of MODE1 (table 5)
	pca9685Follow   = 0x20 // AI: register addresses count up
	pca9685Sleep    = 0x10
	pca9685Reserved = 0xe0 // of MODE2 (table 6)

	pca9685Clock  = 25e6 // Hz, of the internal oscillator (section 7.3.5)
	pca9685Counts = 4096
	pca9685Full   = 0x1000 // bit 4 of the high byte: always on, always off
)

// pca9685Wake is how long the oscillator takes to start (section 7.3.1.1).
const pca9685Wake = 500 * time.Microsecond

// pca9685Addresses are those that leave out the ranges of EEPROMs and of what a
// PCA9685 answers to besides (0x70).
func pca9685Addresses() []uint16 {
	return slices.Concat(addressRange(0x40, 0x4f), addressRange(0x60, 0x6f))
}

func pca9685Driver() Driver {
	return Driver{
		Name:      "pca9685",
		Bus:       BusI2C,
		Summary:   "NXP PCA9685: 16 PWM outputs of 12 bits, one actuator each",
		Addresses: pca9685Addresses(),
		Channels:  dimmerChannels(),
		Settings: []Setting{
			settingBus, settingAddress,
			{Key: "line", Required: true, Help: "the output's number, 0 to 15"},
			settingActive,
			{Key: "frequency", Help: "24 to 1526 Hz, of all 16 outputs; 200"},
			settingSafe,
		},
		Proof:       "transfers after the data sheet, its formula",
		places:      func(_ Role, cfg Config) []string { return []string{cfg.Line.String()} },
		newActuator: newPCA9685,
	}
}

// pca9685 is one output.
type pca9685 struct {
	access   *access
	register byte
	prescale byte
	dimmer   dimmer
}

func newPCA9685(a *access) (actuator, error) {
	line := a.cfg.Line
	if line.name != "" || line.offset > 15 {
		return nil, errors.New("line is the number of an output, 0 to 15")
	}
	prescale := math.Round(pca9685Clock/(pca9685Counts*frequencyOf(a.cfg))) - 1 // equation 1
	if prescale < 3 || prescale > 255 {
		return nil, fmt.Errorf("frequency is 24 to 1526 Hz, not %v", a.cfg.Frequency)
	}
	return &pca9685{access: a, register: byte(pca9685LED0 + 4*line.offset), prescale: byte(prescale)}, nil //nolint:gosec // both were checked
}

func (d *pca9685) Channels() []Channel { return dimmerChannels() }

// Open takes the output into its safe state, and sets the frequency: for that all
// outputs stop for half a millisecond, so it is done only where it is another.
func (d *pca9685) Open(ctx context.Context) error {
	asleep, err := blocking(ctx, d.access, d.prepare)
	if err != nil || !asleep {
		return err
	}
	if err := d.access.bus.do(ctx, func() error { return d.access.tx([]byte{pca9685Mode1, pca9685Follow}, nil) }); err != nil {
		return err
	}
	if err := pause(ctx, pca9685Wake); err != nil {
		return err
	}
	return d.access.bus.do(ctx, d.restart)
}

// prepare does what can be done while the part sleeps, and returns whether it
// does.
func (d *pca9685) prepare() (asleep bool, err error) {
	mode, err := d.access.readPair(pca9685Mode1)
	if err != nil {
		return false, err
	}
	prescale := []byte{0}
	if err := d.access.tx([]byte{pca9685Prescale}, prescale); err != nil {
		return false, err
	}
	if mode>>8&pca9685Reserved != 0 || prescale[0] < 3 { // what the hardware does not take (section 7.3.5)
		return false, fmt.Errorf("%w: mode %#04x, prescaler %d", ErrWrongDevice, mode, prescale[0])
	}
	if d.access.looking {
		return false, nil
	}
	mode1 := byte(mode)&pca9685Sleep | pca9685Follow //nolint:gosec // the low byte is meant
	if byte(mode)&^pca9685Restart != mode1 {         //nolint:gosec // the low byte is meant
		if err := d.access.tx([]byte{pca9685Mode1, mode1}, nil); err != nil {
			return false, err
		}
	}
	if !d.access.cfg.Safe.Keep {
		if err := d.drive(d.dimmer.safe(d.access.cfg.Safe)); err != nil {
			return false, err
		}
	}
	if prescale[0] == d.prescale {
		return mode1&pca9685Sleep != 0, nil
	}
	if mode1&pca9685Sleep == 0 {
		if err := d.access.tx([]byte{pca9685Mode1, mode1 | pca9685Sleep}, nil); err != nil {
			return false, err
		}
	}
	return true, d.access.tx([]byte{pca9685Prescale, d.prescale}, nil)
}

// restart makes outputs go on that were stopped (section 7.3.1.1).
func (d *pca9685) restart() error {
	mode := []byte{0}
	if err := d.access.tx([]byte{pca9685Mode1}, mode); err != nil || mode[0]&pca9685Restart == 0 {
		return err
	}
	return d.access.tx([]byte{pca9685Mode1, pca9685Restart | pca9685Follow}, nil)
}

// drive sets the output: on from the beginning of each period, or always, or
// never. One whose load is active at the low level is on for the rest.
func (d *pca9685) drive(percent float64) error {
	count := math.Round(percent / 100 * pca9685Counts)
	if percent > 0 {
		count = max(count, 1) // what is on is seen
	}
	if d.access.cfg.Active == ActiveLow {
		count = pca9685Counts - count
	}
	on, off := 0, int(count)
	switch off {
	case 0:
		off = pca9685Full
	case pca9685Counts:
		on, off = pca9685Full, 0
	}
	return d.access.tx([]byte{d.register, byte(on), byte(on >> 8), byte(off), byte(off >> 8)}, nil) //nolint:gosec // the low byte is meant
}

func (d *pca9685) Close(context.Context) {}

func (d *pca9685) Set(ctx context.Context, channel string, v Value) error {
	percent := d.dimmer.percent(channel, v)
	return d.access.bus.do(ctx, func() error { return d.drive(percent) })
}

// State reads back the output, and that the part is awake and counts addresses up
// as it was told to.
func (d *pca9685) State(ctx context.Context) ([]Reading, error) {
	count, err := blocking(ctx, d.access, func() (float64, error) {
		mode, err := d.access.readPair(pca9685Mode1)
		if err != nil || byte(mode)&(pca9685Sleep|pca9685Follow) != pca9685Follow && !d.access.looking { //nolint:gosec // the low byte is meant
			return 0, orReset(err)
		}
		var raw [4]byte
		err = d.access.tx([]byte{d.register}, raw[:])
		on, off := int(raw[0])|int(raw[1])<<8, int(raw[2])|int(raw[3])<<8
		switch {
		case off&pca9685Full != 0: // comes before always on (section 7.3.3)
			return 0, err
		case on&pca9685Full != 0:
			return pca9685Counts, err
		}
		return float64((off - on) & (pca9685Counts - 1)), err
	})
	if err != nil {
		return nil, err
	}
	if d.access.cfg.Active == ActiveLow {
		count = pca9685Counts - count
	}
	return dimmerReadings(count / pca9685Counts * 100), nil
}
