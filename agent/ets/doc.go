// Package ets holds the procedures of the OMA Enabler Test Specification for LwM2M
// (OMA-ETS-LightweightM2M_INT) and runs them: each against an agent and servers of its
// own, in a sandbox that nothing else sees, by the messages that the server sends and
// gets. A procedure passes if all that it asks for was seen.
//
// It knows the device under test through the interface [Device] only, and must not know
// how an agent is made.
package ets

//go:generate go run ./gen procedures_test.go
