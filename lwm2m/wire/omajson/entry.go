package omajson

import (
	"errors"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
)

var (
	errTwice = errors.New("a member is there twice")
	errTwo   = errors.New("an entry has two values")
)

// reader reads the objects of the format. After the first error its methods do
// nothing.
type reader struct{ *jsontext.Reader }

// member is a member of which an object has one at most. A set of them is the sum.
type member uint8

const (
	memberBaseName member = 1 << iota
	memberBaseTime
	memberEntries
	memberName
	memberTime
)

// once adds a member to those that were there before in an object.
func (r reader) once(seen *member, m member) {
	if *seen&m != 0 {
		r.Fail(errTwice)
	}
	*seen |= m
}

// entry is an entry as it is written.
type entry struct {
	name  []byte // part of the payload, if nothing in it is escaped
	t     int64  // µs after the base time
	value lwm2m.Value
}

// entry reads an entry. Members of other names are for versions to come.
func (r reader) entry() (e entry) {
	var seen member
	for name := range r.Object() {
		switch string(name) {
		case "n":
			r.once(&seen, memberName)
			e.name = r.Text()
		case "t":
			r.once(&seen, memberTime)
			e.t = r.seconds()
		case "v":
			r.set(&e, r.number())
		case "bv":
			r.set(&e, lwm2m.Boolean(r.Bool()))
		case "ov":
			r.set(&e, r.objectLink())
		case "sv":
			r.set(&e, lwm2m.String(string(r.Text())))
		default:
			r.Skip()
		}
	}
	return e
}

func (r reader) set(e *entry, v lwm2m.Value) {
	if !e.value.IsZero() {
		r.Fail(errTwo)
	}
	e.value = v
}
