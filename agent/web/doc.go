// Package web is the page of the demo: it shows the registration, the object
// tree by name, live charts and the messages on the wire, and lets a person
// operate the board as a server would.
//
// It knows HTTP and what a server can ask of a client. It must not know whether
// the Operator behind it goes over a network, nor where values come from.
package web
