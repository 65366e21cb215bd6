package hw

import (
	"fmt"
	"time"
)

// hdc302xManufacturer is TI's identification (SNAS778 section 7.5.7.8).
const hdc302xManufacturer = 0x3000

// hdc302xDriver serves the HDC3020, HDC3021 and HDC3022 (TI SNAS778D): trigger on
// demand in the mode of lowest noise (table 7-4), which takes 12.5 ms as a rule and
// is given 16 ms; conversions of section 7.3.3.
func hdc302xDriver() Driver {
	return climateDriver("hdc302x", "TI HDC3020, HDC3021, HDC3022: temperature, humidity",
		"transfers after the data sheet", addressRange(0x44, 0x47), climatePart{
			identify: []byte{0x37, 0x81},
			words:    1,
			known: func(words []uint16) error {
				if words[0] != hdc302xManufacturer {
					return fmt.Errorf("%w: manufacturer %#04x instead of %#04x", ErrWrongDevice, words[0], hdc302xManufacturer)
				}
				return nil
			},
			measure:  []byte{0x24, 0x00},
			duration: 16 * time.Millisecond,
			humidity: func(s float64) float64 { return 100 * s },
		})
}
