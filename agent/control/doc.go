// Package control is the control interface: HTTP/1.1 and JSON over the control
// socket, described in docs/api.yaml, and its client. The page of the demo serves
// the same handler under another authorisation.
//
// It knows the tree's paths, values and definitions, and asks everything through
// the Backend. It must not know servers' protocol, hardware, or who composes the
// agent. Key resources never leave: the Backend reads as a local user does.
package control
