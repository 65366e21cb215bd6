package table

import (
	"errors"
	"fmt"
	"sort"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Table is an encoded table. Names and units of the definitions it gives are
// parts of its string.
type Table struct {
	text      string
	strings   int
	resources int
	count     int
}

// ErrTable reports text that is not a whole table.
var ErrTable = errors.New("not a table of object definitions")

// Open returns the table in text, of which it checks no more than the header.
func Open(text string) (*Table, error) {
	if len(text) < headerSize || text[:4] != magic {
		return nil, fmt.Errorf("%w: no header", ErrTable)
	}
	t := &Table{text: text}
	if length := t.u32(4); length != len(text) {
		return nil, fmt.Errorf("%w: %d bytes of %d", ErrTable, len(text), length)
	}
	t.strings, t.resources, t.count = t.u32(8), t.u32(12), t.u16(16)
	return t, nil
}

// Check reads every definition and reports the first that cannot be read.
func Check(text string) (err error) {
	t, err := Open(text)
	if err != nil {
		return err
	}
	position := 0
	defer func() {
		if recover() != nil { // an offset beyond the end
			err = fmt.Errorf("%w: definition %d points outside", ErrTable, position)
		}
	}()
	for ; position < t.Len(); position++ {
		d := t.Definition(position)
		if oid, v := t.Entry(position); d.ID != oid || d.Version != v || d.Name == "" || len(d.Resources) == 0 {
			return fmt.Errorf("%w: definition %d is not whole", ErrTable, position)
		}
	}
	return nil
}

// Len returns the number of definitions.
func (t *Table) Len() int { return t.count }

// Entry returns object and version of the definition at a position.
func (t *Table) Entry(position int) (oid uint16, v lwm2m.Version) {
	at := headerSize + entrySize*position
	return uint16(t.u16(at)), lwm2m.Version{Major: t.text[at+2], Minor: t.text[at+3]} //nolint:gosec // 16 bits
}

// Find returns the position of an object's newest definition.
func (t *Table) Find(oid uint16) (position int, ok bool) {
	position = sort.Search(t.count, func(i int) bool {
		id, _ := t.Entry(i)
		return id >= oid
	})
	if position == t.count {
		return 0, false
	}
	id, _ := t.Entry(position)
	return position, id == oid
}

// Name returns the name of the object at a position.
func (t *Table) Name(position int) string {
	r := reader{t.text, t.u32(headerSize + entrySize*position + 4)}
	return t.str(r.uvarint())
}

// Definition returns the definition at a position, newly made.
func (t *Table) Definition(position int) *model.Definition {
	r := reader{t.text, t.u32(headerSize + entrySize*position + 4)}
	d := &model.Definition{Name: t.str(r.uvarint())}
	d.ID, d.Version = t.Entry(position)
	f := r.byte()
	d.Multiple, d.Mandatory = f&flagMultiple != 0, f&flagMandatory != 0
	d.Resources = make([]model.ResourceDefinition, r.uvarint())
	for i := range d.Resources {
		t.resource(r.uvarint(), &d.Resources[i])
	}
	return d
}

func (t *Table) resource(ref int, d *model.ResourceDefinition) {
	r := reader{t.text, t.resources + ref}
	d.ID = uint16(r.uvarint()) //nolint:gosec // as it was encoded
	f := r.byte()
	d.Ops = model.Ops(f / flagOps)
	d.Multiple, d.Mandatory = f&flagMultiple != 0, f&flagMandatory != 0
	d.Type = lwm2m.Type(r.byte())
	d.Name = t.str(r.uvarint())
	if f&flagRange != 0 {
		d.Range = model.ParseRange(t.str(r.uvarint()))
	}
	if f&flagUnit != 0 {
		d.Unit = t.str(r.uvarint())
	}
}

func (t *Table) str(ref int) string {
	r := reader{t.text, t.strings + ref}
	n := r.uvarint()
	return t.text[r.at : r.at+n]
}

func (t *Table) u16(at int) int { return int(t.text[at]) | int(t.text[at+1])<<8 }

func (t *Table) u32(at int) int { return t.u16(at) | t.u16(at+2)<<16 }

// reader reads varints and bytes of a string in sequence.
type reader struct {
	text string
	at   int
}

func (r *reader) byte() byte {
	r.at++
	return r.text[r.at-1]
}

func (r *reader) uvarint() int {
	n := 0
	for shift := 0; ; shift += 7 {
		b := r.byte()
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}
