// Package fota updates firmware: a journaled state machine that takes a package
// in or fetches it, verifies it, installs it into the slot that does not run,
// switches, waits until the new system has proved itself, and rolls back by itself
// when it does not.
//
// It knows packages and slots. It must not know CoAP, nor of LwM2M more than the
// numbers of State and Update Result, nor where the journal is kept: transports
// are handed in by URI scheme, the journal and the slots behind interfaces.
//
// # One writer
//
// An Updater is one goroutine. What happens (a server's wish, the end of a piece
// of work, a start) is an event; table.go says what follows. The journal's record
// is replaced first, on disk; then the change is told; then what the table says is
// done. A cut at any instant leaves either the record of before, of which
// everything can be done again, or that of after.
//
// An Updater serves one component. Several have a journal key, a back end and a
// folder each.
package fota

//go:generate go test -run ^TestPicture$ -update .
