// Package web is the page of a gateway and of the demo: it shows the registration, the object
// tree by name, live charts and the messages on the wire, and lets a person
// operate the board as a server would.
//
// It knows HTTP, what a server can ask of a client, and the object tree that answers
// it where there is none. It must not know whether the Operator behind it goes over a
// network, nor where values come from.
package web
