// Package gnss is where the device is, as receivers tell: the sentences of NMEA 0183,
// from a serial port or any other stream of bytes, and what gpsd says. It keeps the last
// fix with its age, knows why there is none, and switches a receiver on only when a fix
// is due. It knows areas too, and whether a position is inside of one.
//
// It must not know LwM2M, nor how ports are opened and modems are spoken to.
package gnss
