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
//	small.log       frequent small records, such as counters: an append log that is compacted when it has grown
//	mark            is never changed: tells the directory from a copy of it, see Store.Mark
//	reset           the order to erase all of this, but for what it names, at the next start; see Store.OrderReset
//	*.new           the next content of a file while it is written
//	*.corrupt-N     files that were damaged, moved aside; at most three of each
//	overlay.toml    the committed configuration; package config reads it, this package leaves it alone
//	firmware/       packages on their way, and the slots of simulated machines; package fota's
//
// DTLS sessions are records of the LwM2M client in state.db and small.log. They are
// good in this very directory only, so copies and backups need not have them: the
// bucket Client's "session/…" and the small records "client/…".
//
// All records are in memory as well: reads never wait for a disk, and survive one
// that fails. Sizes are bounded, so this costs what the records hold.
//
// # Damage
//
// A crash leaves either file in a state that the next start takes as it is. What a
// crash cannot do, a failing disk can: each record has a checksum, and the
// structure of state.db is walked before bbolt sees it, since bbolt follows a
// damaged page into a panic or a loop. What can be read of a damaged file is kept,
// and the file is moved aside.
//
// # Versions
//
// Owners put a version into their records. Nothing is migrated in place before a
// new firmware slot or package is confirmed: an agent that needs another layout
// of a bucket writes a bucket of another name beside it, so that after a
// roll-back the old agent reads what it left. Buckets that are not known are kept.
package store
