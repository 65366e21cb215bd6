package model

import (
	"math"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
)

// Attribute is one of the notification attributes (Core, section 7.3.2).
type Attribute uint8

// The attributes: seconds for the periods, counts for hqmax, 0 or 1 for edge
// and con, and the resource's own unit for gt, lt and st.
const (
	Pmin Attribute = iota
	Pmax
	GT
	LT
	ST
	EPmin
	EPmax
	Edge
	Con
	HQmax
	attributeCount
)

var attributeNames = [attributeCount]string{"pmin", "pmax", "gt", "lt", "st", "epmin", "epmax", "edge", "con", "hqmax"}

// String returns the attribute's name on the wire.
func (a Attribute) String() string {
	if a < attributeCount {
		return attributeNames[a]
	}
	return "attribute " + strconv.Itoa(int(a))
}

// Attributes is a set of attributes with their values. The zero value has none.
type Attributes struct {
	given  uint16 // bit a: attribute a is there
	values [attributeCount]float64
}

// Get returns an attribute's value, and whether it is there.
func (as *Attributes) Get(a Attribute) (float64, bool) {
	return as.values[a], as.given&(1<<a) != 0
}

// Seconds returns one of the periods, and whether it is there.
func (as *Attributes) Seconds(a Attribute) (time.Duration, bool) {
	f, ok := as.Get(a)
	return time.Duration(min(f, math.MaxInt64/float64(time.Second)-1)) * time.Second, ok
}

// Set gives an attribute a value.
func (as *Attributes) Set(a Attribute, value float64) {
	as.given |= 1 << a
	as.values[a] = value
}

// Unset takes an attribute away.
func (as *Attributes) Unset(a Attribute) {
	as.given &^= 1 << a
	as.values[a] = 0
}

// IsZero reports whether there is no attribute.
func (as *Attributes) IsZero() bool { return as.given == 0 }

// Inherit fills in what is missing from a set of lower precedence, such as that
// of the level above.
func (as *Attributes) Inherit(lower *Attributes) {
	for a := range attributeCount {
		if _, ok := as.Get(a); ok {
			continue
		}
		if f, ok := lower.Get(a); ok {
			as.Set(a, f)
		}
	}
}

// Queries returns the attributes as they stand in a query or a link:
// "pmin=10", "gt=50.5", in a stable order.
func (as *Attributes) Queries() []string {
	var out []string
	for a := range attributeCount {
		if f, ok := as.Get(a); ok {
			out = append(out, a.String()+"="+strconv.FormatFloat(f, 'f', -1, 64))
		}
	}
	return out
}

// Apply carries out a Write-Attributes: "pmin=10" sets, "pmin" takes away
// (Core, section 6.3.4). Queries that name no attribute are refused, as are
// values that no attribute can have, with 4.00; as is unchanged then.
func (as *Attributes) Apply(queries []string) error {
	next := *as
	for _, q := range queries {
		name, text, hasValue := strings.Cut(q, "=")
		a, ok := attributeNamed(name)
		if !ok {
			return lwm2m.Errorf(lwm2m.BadRequest, "there is no attribute %.20q", name)
		}
		if !hasValue {
			next.Unset(a)
			continue
		}
		f, err := a.parse(text)
		if err != nil {
			return err
		}
		next.Set(a, f)
	}
	*as = next
	return nil
}

func attributeNamed(name string) (Attribute, bool) {
	for a := range attributeCount {
		if attributeNames[a] == name {
			return a, true
		}
	}
	return 0, false
}

func (a Attribute) parse(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	bad := err != nil || strings.Trim(text, "0123456789+-.eE") != "" // ParseFloat takes "Inf", "NaN" and hexadecimal numbers, too
	switch a {
	case GT, LT:
	case ST:
		bad = bad || f < 0
	case Edge, Con:
		bad = bad || f != 0 && f != 1
	case Pmin, Pmax, EPmin, EPmax, HQmax, attributeCount:
		bad = bad || f < 0 || f != math.Trunc(f)
	}
	if bad {
		return 0, lwm2m.Errorf(lwm2m.BadRequest, "attribute %s cannot be %.20q", a, text)
	}
	return f, nil
}

// Validate checks a set that shall be attached at a level, to a resource of the
// given type where the level is that of a resource or deeper (Core, table of
// notification attributes). The error is a 4.00.
func (as *Attributes) Validate(l lwm2m.Level, t lwm2m.Type) error {
	for a := range attributeCount {
		if _, ok := as.Get(a); ok && !a.fits(l, t) {
			return lwm2m.Errorf(lwm2m.BadRequest, "attribute %s does not apply to %s of type %s", a, l, t)
		}
	}
	lt, hasLT := as.Get(LT)
	gt, hasGT := as.Get(GT)
	st, hasST := as.Get(ST)
	switch {
	case hasLT && hasGT && lt >= gt:
		return lwm2m.Errorf(lwm2m.BadRequest, "lt=%v must be less than gt=%v", lt, gt)
	case hasLT && hasGT && hasST && lt+2*st >= gt:
		return lwm2m.Errorf(lwm2m.BadRequest, "lt=%v and twice st=%v must be less than gt=%v", lt, st, gt)
	}
	epmin, hasMin := as.Get(EPmin)
	epmax, hasMax := as.Get(EPmax)
	if hasMin && hasMax && epmin >= epmax {
		return lwm2m.Errorf(lwm2m.BadRequest, "epmin=%v must be less than epmax=%v", epmin, epmax)
	}
	return nil
}

func (a Attribute) fits(l lwm2m.Level, t lwm2m.Type) bool {
	if l < lwm2m.LevelObject {
		return false
	}
	switch a {
	case GT, LT, ST:
		return l >= lwm2m.LevelResource && numeric(t)
	case Edge:
		return l >= lwm2m.LevelResource && t == lwm2m.TypeBoolean
	case Pmin, Pmax, EPmin, EPmax, Con, HQmax, attributeCount:
	}
	return true
}

func numeric(t lwm2m.Type) bool {
	switch t {
	case lwm2m.TypeInteger, lwm2m.TypeUnsigned, lwm2m.TypeFloat, lwm2m.TypeTime:
		return true
	case lwm2m.TypeNone, lwm2m.TypeString, lwm2m.TypeBoolean, lwm2m.TypeOpaque, lwm2m.TypeObjlnk, lwm2m.TypeCorelnk:
	}
	return false
}
