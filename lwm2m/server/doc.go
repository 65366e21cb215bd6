// Package server is a small LwM2M server: it keeps registrations, carries out
// device management operations on clients and receives their notifications,
// over UDP, DTLS (pre-shared keys, certificates, Connection IDs), TCP and TLS. With
// a script it bootstraps clients.
//
// It is what the demo shows in a browser, and the peer of tests and benchmarks.
// It keeps everything in memory. It must not know the agent.
package server
