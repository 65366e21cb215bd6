package hw

import "time"

// sht4xDriver serves the SHT40, SHT41, SHT43 and SHT45 (Sensirion, SHT4x data
// sheet version 6.5): serial number and measurement of high precision of table 8,
// which takes 8.3 ms at most (table 5), conversions of section 4.6, where the
// humidity may lie outside of what can be and is cut to it.
func sht4xDriver() Driver {
	return climateDriver("sht4x", "Sensirion SHT40, SHT41, SHT43, SHT45: temperature, humidity",
		"transfers after the data sheet", addressRange(0x44, 0x46), climatePart{
			identify: []byte{0x89},
			wait:     time.Millisecond,
			words:    2,
			measure:  []byte{0xfd},
			duration: 8300 * time.Microsecond,
			humidity: func(s float64) float64 { return -6 + 125*s },
		})
}
