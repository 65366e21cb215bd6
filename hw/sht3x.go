package hw

import "time"

// sht3xDriver serves the SHT30, SHT31 and SHT35 (Sensirion, SHT3x-DIS data sheet
// version 7): addresses of table 8, status register of table 17, single shot of
// high repeatability without clock stretching of table 9, which takes 15.5 ms at
// most (table 4), conversions of section 4.13.
func sht3xDriver() Driver {
	return climateDriver("sht3x", "Sensirion SHT30, SHT31, SHT35: temperature, humidity",
		"transfers after the data sheet, its checksum example", addressRange(0x44, 0x45), climatePart{
			identify: []byte{0xf3, 0x2d},
			words:    1,
			measure:  []byte{0x24, 0x00},
			duration: 15500 * time.Microsecond,
			humidity: func(s float64) float64 { return 100 * s },
		})
}
