// Package client is the device's side of LwM2M: it registers the object tree
// with each server that objects 0 and 1 name, keeps the registrations alive,
// answers the servers' requests and reports what they observe.
//
// It knows the protocol: registration, queue mode, attributes, formats. It must
// not know where state is stored (Store), what a sensor is (package model stands
// between), or anything of Linux.
//
// Each server account has one goroutine, the only writer of that account's
// registration, observations and attributes; requests, timers, changes of the
// tree and commands reach it as events. What it does in which state is the table
// in registration.go, whose picture is docs/registration.md. A second goroutine
// reads the account's socket and answers plain reads at once. Further ones live
// as long as one exchange or one write. Nothing wakes up before something is due.
//
// The bootstrap has a goroutine of its own, and a table in bootstrap.go, whose picture is
// docs/bootstrap.md. What a bootstrap server writes is staged (model.Stage) until its
// Finish.
package client
