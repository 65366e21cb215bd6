// Package model is the device's object tree: object definitions, the values of
// all instances, the operations that servers and local users ask for, and the
// events that tell what changed.
//
// It knows the vocabulary (package lwm2m) and nothing of formats, sockets,
// servers or hardware; it does no I/O and does not log.
//
// The Tree holds the last known value of everything, with its time and quality.
// An owner (an Object) publishes values into it and is asked before anything is
// written, created, deleted or executed. Reads never call an owner, so they
// never wait for hardware.
package model
