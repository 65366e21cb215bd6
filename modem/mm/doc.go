// Package mm follows a modem that ModemManager owns (org.freedesktop.ModemManager1),
// over D-Bus: what the modem is, its SIM, where it is registered, what it hears, and
// the bearers that NetworkManager or somebody else has made.
//
// ModemManager tells each change by itself; nothing is polled here. The names and numbers
// are those of ModemManager's D-Bus API reference, version 1.20.
//
// It must not know LwM2M, nor who watches.
package mm
