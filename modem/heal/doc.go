// Package heal says what is done about a cellular link that is gone, and how often at
// most: GSMA TS.34, section 4, wants a device that neither resets its modem in a loop nor
// asks the network again and again.
//
// It is a pure table without clock, radio and I/O. It must not know how a modem is spoken
// to, nor who does what it says.
package heal

//go:generate go test -run ^TestPicture$ -update .
