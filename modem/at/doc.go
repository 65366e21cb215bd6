// Package at speaks to a modem in AT commands, over a serial port, a
// pseudo-terminal or a TCP connection.
//
// Three layers, each of which can be read alone: a scanner cuts what comes into
// lines; a [Channel] has one command under way at a time, gives each line to the
// command or to whoever hears what the modem says by itself (unsolicited result
// codes, URCs), and finds its feet again when an answer does not come; a [Modem]
// knows what the commands mean (3GPP TS 27.007) and where vendors differ.
//
// It must not know LwM2M, nor who watches.
package at
