// Package store is the state directory: what the agent must find again after a
// restart, a crash or a power cut at any instant.
//
// It knows bytes under keys. It must not know what the records mean, who reads
// them, or anything of LwM2M.
//
// # Files
//
//	lock            held while a process uses the directory; holds its process ID
//	state.db        what changes rarely: buckets of records (bbolt; one commit writes about 12 kB)
//	small.log       frequent small records: counters and the like (an append log, compacted when it has grown)
//	overlay.toml    the committed configuration; package config reads it, this package leaves it alone
//	*.corrupt-N     files that were damaged, moved aside; at most three of each
//
// Later work has its places: sessions/ for saved DTLS sessions (left out of
// copies and backups), journal/ for the firmware journal, queue/ for stored
// notifications. They are folders of their own because each has its own rules
// for syncing, copying and size.
//
// # Versions
//
// Owners put a version into their records. Nothing is migrated in place before a
// new firmware slot or package is confirmed: an agent that needs another layout
// of a bucket writes a bucket of another name beside it, so that after a
// roll-back the old agent reads what it left.
package store
