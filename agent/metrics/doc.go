// Package metrics tells counts and states in the text format of Prometheus
// (version 0.0.4), and serves them where only this machine reaches them.
//
// It knows what is told, under which names, and what labels it has. It must not
// know where values come from. The values that a label can have are bounded by the
// configuration or by a table of the program: nothing that a server or a network
// says becomes one.
package metrics
