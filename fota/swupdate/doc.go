// Package swupdate has SWUpdate verify and write packages, over the socket of its
// daemon (include/network_ipc.h of SWUpdate). Which slot boots is the affair of a
// boot environment that it is handed.
//
// It knows the daemon's messages and what a package says of itself. It must not know
// who brought the package.
//
// # Messages
//
// Each is a C structure of the daemon's machine in the machine's byte order, always
// of the same size: a magic number, a type, and a union. Its layout is that of
// SWUpdate 2020.11 and newer, whose request has the API version 1. Daemon and agent
// must be of the same word size.
//
// # When the new slot boots
//
// SWUpdate sets the boot environment at the end of an installation, as the package
// wants it (bootenv in sw-description). An update here is installed first and
// activated in a step of its own, so what the package has set is taken back at
// once; a power cut in between boots the new system, which the journal then has go
// back. A package without bootenv has no such moment.
package swupdate
