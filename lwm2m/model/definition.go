package model

import (
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/lwm2m"
)

// Ops is the set of operations a resource allows (Core, appendix D.1).
type Ops uint8

// The operations of a resource. None of them: only a bootstrap server may
// touch it.
const (
	OpRead Ops = 1 << iota
	OpWrite
	OpExecute
)

// Has reports whether all of the given operations are allowed.
func (o Ops) Has(op Ops) bool { return o&op == op }

// String returns "R", "W", "RW", "E" or "".
func (o Ops) String() string {
	var b strings.Builder
	for i, letter := range "RWE" {
		if o&(1<<i) != 0 {
			b.WriteRune(letter)
		}
	}
	return b.String()
}

// Definition describes an object, as the OMA registry does.
type Definition struct {
	ID        uint16
	Name      string
	Version   lwm2m.Version // of the object
	Multiple  bool          // may have more than one instance
	Mandatory bool
	Resources []ResourceDefinition // in order of ID
}

// ResourceDefinition describes a resource of an object.
type ResourceDefinition struct {
	ID        uint16
	Name      string
	Ops       Ops
	Multiple  bool // has resource instances
	Mandatory bool
	Type      lwm2m.Type
	Range     Range
	Unit      string // as the registry gives it: "Cel", "%RH", "s"; "" for none
}

// Resource returns the definition of a resource, or nil.
func (d *Definition) Resource(id uint16) *ResourceDefinition {
	i, ok := slices.BinarySearchFunc(d.Resources, id, func(r ResourceDefinition, id uint16) int {
		return int(r.ID) - int(id)
	})
	if !ok {
		return nil
	}
	return &d.Resources[i]
}

// Definitions gives access to object definitions, newest version first where
// the registry has several.
type Definitions interface {
	// Object returns the definition of an object, or false.
	Object(id uint16) (*Definition, bool)
}

// Shapes returns what decoders want to know about the resources of defs.
func Shapes(defs Definitions) lwm2m.Shapes {
	return func(p lwm2m.Path) (lwm2m.Shape, bool) {
		if p.Level() < lwm2m.LevelResource {
			return lwm2m.Shape{}, false
		}
		d, ok := defs.Object(p.Object())
		if !ok {
			return lwm2m.Shape{}, false
		}
		r := d.Resource(p.Resource())
		if r == nil {
			return lwm2m.Shape{}, false
		}
		return lwm2m.Shape{Type: r.Type, Multiple: r.Multiple}, true
	}
}

// Range limits a resource's values: numbers to [Min, Max] or to a set, strings
// and opaque values in their length (characters, bytes). The zero Range allows
// everything.
type Range struct {
	Min, Max float64
	Set      []float64 // if not empty, only these
	limited  bool
}

// ParseRange reads the registry's notation: "0..255", "-5..5", "0,1,2",
// "16,32,48" or "0..100 /100". Text that says something else gives the zero
// Range, which limits nothing.
func ParseRange(s string) Range {
	s, _, _ = strings.Cut(strings.TrimSpace(s), " ")
	s, _, _ = strings.Cut(s, "/")
	if low, high, ok := strings.Cut(s, ".."); ok {
		a, err1 := strconv.ParseFloat(low, 64)
		b, err2 := strconv.ParseFloat(high, 64)
		if err1 != nil || err2 != nil || a > b {
			return Range{}
		}
		return Range{Min: a, Max: b, limited: true}
	}
	if s == "" {
		return Range{}
	}
	var set []float64
	for field := range strings.SplitSeq(s, ",") {
		f, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return Range{}
		}
		set = append(set, f)
	}
	if len(set) == 1 { // "255" may be a maximum or a length; the registry means both
		return Range{}
	}
	return Range{Min: slices.Min(set), Max: slices.Max(set), Set: set, limited: true}
}

// IsZero reports whether the range limits nothing.
func (r Range) IsZero() bool { return !r.limited }

// String returns the range as ParseRange reads it, "" for none.
func (r Range) String() string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	if len(r.Set) > 0 {
		texts := make([]string, len(r.Set))
		for i, f := range r.Set {
			texts[i] = number(f)
		}
		return strings.Join(texts, ",")
	}
	if !r.limited {
		return ""
	}
	return number(r.Min) + ".." + number(r.Max)
}

// Contains reports whether the value lies in the range.
func (r Range) Contains(v lwm2m.Value) bool {
	if !r.limited {
		return true
	}
	f, ok := v.Number()
	if !ok {
		switch v.Type() {
		case lwm2m.TypeString:
			f = float64(len([]rune(v.Text())))
		case lwm2m.TypeOpaque:
			f = float64(v.Len())
		case lwm2m.TypeNone, lwm2m.TypeInteger, lwm2m.TypeUnsigned, lwm2m.TypeFloat, lwm2m.TypeBoolean,
			lwm2m.TypeTime, lwm2m.TypeObjlnk, lwm2m.TypeCorelnk:
			return true
		}
	}
	if len(r.Set) > 0 {
		return slices.Contains(r.Set, f)
	}
	return f >= r.Min && f <= r.Max
}
