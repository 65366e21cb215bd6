// Package modem is the place of cellular modems: one Modem behind AT commands
// (modem/at) or ModemManager (modem/mm), which tells identity, registration,
// signal, cell, bearers and position, and takes settings.
//
// It will know serial ports and D-Bus; it must not know LwM2M. Objects meet
// modems in agent/bind. Nothing is here yet.
package modem
