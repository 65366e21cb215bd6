package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Claim asks for the instance number of one name in one object.
type Claim struct {
	Object uint16
	Name   string // at most 240 bytes
	Wanted int    // the number that the configuration asks for, or Any
}

// Any is the Claim.Wanted of a name that takes the next free number.
const Any = -1

// maxInstance is the highest number of an instance; 65535 is reserved.
const maxInstance = 65534

// Instances returns the instance number of each claim, in order. The claims are
// all names in use: a wanted number goes to who wants it; a name keeps the number
// it had, also while it is not in use; the others get the lowest number that no
// name has, or where there is none left, one of a name that is not in use. The
// outcome is kept for the next start. Two claims that want one number of an object,
// or that have one name, are an error.
func (s *Store) Instances(claims []Claim) ([]uint16, error) {
	numbers := make([]uint16, len(claims))
	err := s.Update(func(tx *Tx) error {
		byObject := make(map[uint16][]int)
		for i, c := range claims {
			byObject[c.Object] = append(byObject[c.Object], i)
		}
		for oid, indices := range byObject {
			a := allocation{object: oid, had: make(map[string]uint16), taken: make(map[uint16]string)}
			a.read(tx)
			if err := a.settle(claims, indices, numbers); err != nil {
				return err
			}
			if err := a.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return numbers, nil
}

// allocation settles the numbers of one object.
type allocation struct {
	object uint16
	had    map[string]uint16 // by name, as kept
	taken  map[uint16]string // by number, of the claims
}

func (a *allocation) prefix() string { return strconv.Itoa(int(a.object)) + "/" }

func (a *allocation) read(tx *Tx) {
	for key, record := range tx.before[Instances] {
		if name, ok := strings.CutPrefix(key, a.prefix()); ok && len(record) == 2 {
			a.had[name] = binary.LittleEndian.Uint16(record)
		}
	}
}

// settle gives each claim its number: first who wants one, then who has one, then
// the rest.
func (a *allocation) settle(claims []Claim, indices []int, numbers []uint16) error {
	names := make(map[string]bool, len(indices))
	for _, i := range indices {
		c := claims[i]
		if names[c.Name] {
			return fmt.Errorf("object %d: %q claims two instances", a.object, c.Name)
		}
		names[c.Name] = true
		if c.Wanted == Any {
			continue
		}
		if c.Wanted < 0 || c.Wanted > maxInstance {
			return fmt.Errorf("object %d: instance %d of %q is not from 0 to %d", a.object, c.Wanted, c.Name, maxInstance)
		}
		numbers[i] = uint16(c.Wanted)
		if other, taken := a.taken[numbers[i]]; taken {
			return fmt.Errorf("object %d: instance %d is asked for by %q and %q", a.object, c.Wanted, other, c.Name)
		}
		a.taken[numbers[i]] = c.Name
	}
	var rest []int
	for _, i := range indices {
		c := claims[i]
		if c.Wanted != Any {
			continue
		}
		number, has := a.had[c.Name]
		if _, taken := a.taken[number]; !has || taken {
			rest = append(rest, i)
			continue
		}
		numbers[i] = number
		a.taken[number] = c.Name
	}
	return a.fill(claims, rest, numbers)
}

// fill gives free numbers to claims that have none.
func (a *allocation) fill(claims []Claim, rest []int, numbers []uint16) error {
	reserved := make(map[uint16]bool, len(a.had))
	for _, number := range a.had {
		reserved[number] = true
	}
	next := 0
	for _, i := range rest {
		for next <= maxInstance && (a.isTaken(next) || reserved[uint16(next)]) {
			next++
		}
		if next > maxInstance { // all were given once: take back what is not in use
			reserved, next = nil, 0
			for next <= maxInstance && a.isTaken(next) {
				next++
			}
		}
		if next > maxInstance {
			return fmt.Errorf("object %d: %w: no instance is left for %q", a.object, ErrFull, claims[i].Name)
		}
		numbers[i] = uint16(next)
		a.taken[numbers[i]] = claims[i].Name
	}
	return nil
}

func (a *allocation) isTaken(number int) bool {
	_, taken := a.taken[uint16(number)] //nolint:gosec // in range
	return taken
}

// maxKept bounds the names of one object that are kept without being in use.
const maxKept = 256

// write keeps the numbers. A name that is not in use keeps its number as long as
// nobody else has it and not too many names are kept.
func (a *allocation) write(tx *Tx) error {
	inUse := make(map[string]bool, len(a.taken))
	for number, name := range a.taken {
		inUse[name] = true
		record := binary.LittleEndian.AppendUint16(nil, number)
		if err := tx.Save(Instances, a.prefix()+name, record); err != nil {
			return err
		}
	}
	kept := 0
	for _, name := range slices.Sorted(maps.Keys(a.had)) {
		number := a.had[name]
		if inUse[name] {
			continue
		}
		if _, taken := a.taken[number]; !taken && kept < maxKept {
			kept++
			continue
		}
		if err := tx.Save(Instances, a.prefix()+name, nil); err != nil {
			return err
		}
	}
	return nil
}
