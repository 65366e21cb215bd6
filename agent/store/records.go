package store

import (
	"encoding/binary"
	"fmt"
	"maps"
)

// Name names a bucket.
type Name string

// The buckets.
const (
	Meta      Name = "meta"      // the endpoint, what was chosen once
	Accounts  Name = "accounts"  // objects 0, 1 and 2 as seeded, bootstrapped and written
	Client    Name = "client"    // of the LwM2M client: attributes, registrations
	Instances Name = "instances" // instance numbers: see Store.Instances
	Apps      Name = "apps"      // what local programs have registered
	Firmware  Name = "firmware"  // the journal of updates, a record for each component
	Values    Name = "values"    // what servers wrote into objects: application types, set points
)

// The bounds of what buckets hold.
const (
	maxKey     = 255
	maxRecord  = 64 << 10
	maxRecords = 4096    // of one bucket
	maxTotal   = 4 << 20 // bytes of all keys and records
)

// records are all records of all buckets.
type records map[Name]map[string][]byte

func (r records) ensure(n Name) map[string][]byte {
	if r[n] == nil {
		r[n] = make(map[string][]byte)
	}
	return r[n]
}

// set replaces a record; nil removes it.
func (r records) set(n Name, key string, record []byte) {
	if record == nil {
		delete(r[n], key)
		return
	}
	r.ensure(n)[key] = record
}

// clone copies the maps, not the records, which nobody changes.
func (r records) clone() records {
	c := make(records, len(r))
	for n, bucket := range r {
		c[n] = maps.Clone(bucket)
	}
	return c
}

// count returns how many records there are, the store's own left out.
func (r records) count() int {
	n := 0
	for name, bucket := range r {
		if name != own {
			n += len(bucket)
		}
	}
	return n
}

// fits checks the bounds.
func (r records) fits() error {
	total := 0
	for n, bucket := range r {
		if len(bucket) > maxRecords {
			return fmt.Errorf("bucket %s: %w: at most %d records", n, ErrFull, maxRecords)
		}
		for key, record := range bucket {
			total += len(key) + len(record)
		}
	}
	if total > maxTotal {
		return fmt.Errorf("state: %w: at most %d bytes", ErrFull, maxTotal)
	}
	return nil
}

// seal puts the checksum of key and record, CRC-32C little-endian, before a
// record: bbolt has checksums only on its meta pages.
func seal(key string, record []byte) []byte {
	sum := sum32([]byte(key), record)
	return append(binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(record)), sum), record...)
}

// unseal returns a copy of a sealed record, and whether its checksum is right.
func unseal(key, sealed []byte) ([]byte, bool) {
	if len(sealed) < 4 {
		return nil, false
	}
	sum, record := binary.LittleEndian.Uint32(sealed), sealed[4:]
	return append([]byte{}, record...), sum == sum32(key, record)
}

// What the store keeps for itself. The bucket is small enough to stand in the
// root page, which every commit writes, so it costs no page of its own.
const (
	own Name = "store"

	layoutKey = "layout"
	layout    = "1"
	digestKey = "digest"
)

// checkLayout refuses a directory that another generation of agents has written
// in a way that this one does not know.
func checkLayout(r records) error {
	if l := r[own][layoutKey]; l != nil && string(l) != layout {
		return fmt.Errorf("%w: its layout is %.20q, this one knows %q", ErrNewer, l, layout)
	}
	return nil
}

// digest tells the records of one commit from all others that were ever written:
// a page that a disk did not write holds an older one, which is whole by itself,
// and may be the root of an older tree that is. It is the count and the checksum
// of all records, in any order, and the number of the commit.
func (r records) digest(transaction uint64) []byte {
	var count uint32
	var sum uint64
	for n, bucket := range r {
		for key, record := range bucket {
			count++
			sum ^= sum64([]byte(string(n)+"\x00"+key+"\x00"), record)
		}
	}
	b := binary.LittleEndian.AppendUint32(nil, count)
	b = binary.LittleEndian.AppendUint64(b, sum)
	return binary.LittleEndian.AppendUint64(b, transaction)
}
