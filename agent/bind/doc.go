// Package bind joins what may not know one another: channels of hw and facts of
// host with objects, objects with what must be kept in the state directory, and
// the configuration with all of them.
//
// It knows the interfaces of the packages it joins. It must not know formats,
// sockets or how anything is started and ended; package agent does that.
package bind
