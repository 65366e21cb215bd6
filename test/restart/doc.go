// Package restart kills the agent again and again while a server and a local program keep it at work, and looks at what crosses the wire:
// that no number of a DTLS record comes twice, that nothing runs twice, that the server sees neither a handshake nor a Register, and that it
// is told numbers in order, with each that the agent has stored. Or it kills the agent while a bootstrap server gives it other accounts: it
// has the old ones then, or the new ones. Or it has the agent crash: nothing of its memory is left. It knows the agent's command line,
// configuration file and control interface, and DTLS records as far as they can be read without a key.
package restart
