// Package playback keeps what went over an I2C or SPI bus between a driver and a
// part, and what came of it, as a text that people read and that version control
// compares:
//
//	lwm2m-agent playback 1
//	driver = sht3x
//	bus = /dev/i2c-1
//	address = 0x44
//	origin = recorded on 21a0000.i2c
//
//	open
//	> f3 2d < 80 10 e1
//	sample
//	> 24 00
//	< 66 66 93 80 00 a2
//	= temperature 25 Cel good
//	= humidity 50 %RH good
//
// "open", "sample" and "set CHANNEL VALUE" begin a step. ">" is what was written
// to the part and "<" what it answered; both on one line are one transfer with a
// repeated start between, or on SPI the bytes that go out and come in at the same
// time. "!" and an errno end a transfer that failed ("> !" is a
// bus that could not be opened), and "!"
// at the beginning of a line says why a step failed. "=" is a reading: channel,
// value, unit or "-", quality, and the reason why it is not good. "#" begins a
// comment, and empty lines mean nothing.
//
// It knows the text, and buses that record and play transfers. It knows no
// driver: what a setting or a reading means is the affair of package hw.
package playback
