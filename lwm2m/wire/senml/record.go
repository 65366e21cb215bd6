package senml

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
	"lwm2m-agent/lwm2m/wire/internal/instant"
	"lwm2m-agent/lwm2m/wire/internal/outline"
)

// version is the SenML version that bver may say at most (RFC 8428, section 4.4).
const version = 10

// Errors of a pack.
var (
	errTooMany  = fmt.Errorf("there are more than %d records", MaxRecords)
	errTwice    = errors.New("a field is there twice")
	errTwo      = errors.New("there are two values")
	errNoValue  = errors.New("there is no value")
	errNull     = errors.New("null takes away what is there, which is for SenML-ETCH")
	errOutside  = errors.New("the name is not below the path of the operation")
	errNoLeaf   = errors.New("the name is not that of a resource or resource instance")
	errVersion  = fmt.Errorf("the version is above %d", version)
	errUnusable = errors.New("base value and sums have no meaning in LwM2M")
)

// refused is what Decode returns for an error in a pack.
func refused(syntax string, err error) error {
	code := lwm2m.BadRequest
	if errors.Is(err, errTooMany) {
		code = lwm2m.RequestEntityTooLarge
	}
	return lwm2m.Errorf(code, "read SenML %s: %w", syntax, err)
}

func mustUnderstand(name []byte) bool { return bytes.HasSuffix(name, []byte("_")) }

// source reads the fields of a record in one of the two syntaxes. After the first
// error its methods do nothing.
type source interface {
	Text() []byte
	Data() []byte
	Bool() bool
	Number() lwm2m.Value
	Null() bool // reads a null, if there is one
	Skip()
	Fail(error)
	Failed() bool
}

// record is a record as it is written. bn, bt, n and t are valid if seen.
type record struct {
	index int
	seen  uint32 // bit per label
	bn, n []byte
	bt, t int64 // µs
	value lwm2m.Value
	null  bool // in place of the value
}

func (rec *record) has(l label) bool { return rec.seen&bit(l) != 0 }

func bit(l label) uint32 { return 1 << (l - labelBaseSum) }

// baseFields are the fields that a record may have without a value.
const baseFields = 1<<(labelBaseName-labelBaseSum) | 1<<(labelBaseTime-labelBaseSum) |
	1<<(labelBaseUnit-labelBaseSum) | 1<<(labelBaseVersion-labelBaseSum)

// read reads the field that comes after a label.
func (rec *record) read(src source, l label) {
	if rec.has(l) && l != labelUnknown {
		src.Fail(errTwice)
		return
	}
	rec.seen |= bit(l)
	switch l {
	case labelBaseName:
		rec.bn = src.Text()
	case labelName:
		rec.n = src.Text()
	case labelBaseTime:
		rec.bt = seconds(src)
	case labelTime:
		rec.t = seconds(src)
	case labelValue, labelString, labelBoolean, labelData, labelLink:
		if !rec.value.IsZero() || rec.null {
			src.Fail(errTwo)
		}
		if rec.null = src.Null(); !rec.null {
			rec.value = valueOf(src, l)
		}
	case labelBaseVersion:
		if v, _ := src.Number().Number(); v > version {
			src.Fail(errVersion)
		}
	case labelBaseValue, labelBaseSum, labelSum:
		src.Fail(errUnusable)
	case labelBaseUnit, labelUnit, labelUpdateTime, labelUnknown:
		src.Skip()
	}
}

// valueOf reads the value that comes after its label.
func valueOf(src source, l label) lwm2m.Value {
	switch l { //nolint:exhaustive // read knows which have a value
	case labelString:
		return lwm2m.String(string(src.Text()))
	case labelBoolean:
		return lwm2m.Boolean(src.Bool())
	case labelData:
		return lwm2m.Opaque(src.Data())
	case labelLink:
		return objectLink(src)
	}
	return src.Number()
}

// objectLink reads "3:0".
func objectLink(src source) lwm2m.Value {
	v, err := lwm2m.ParseValue(lwm2m.TypeObjlnk, string(src.Text()))
	if err != nil {
		src.Fail(err)
	}
	return v
}

// resolver turns records into what they say: base name and base time hold until
// the next ones (RFC 8428, section 4.6).
type resolver struct {
	bn   []byte
	bt   int64 // µs
	name []byte
}

// resolve returns the path and time of a record, relative times as they are.
func (r *resolver) resolve(rec *record) (lwm2m.Path, time.Time, error) {
	if rec.has(labelBaseName) {
		r.bn = rec.bn
	}
	if rec.has(labelBaseTime) {
		r.bt = rec.bt
	}
	r.name = append(append(r.name[:0], r.bn...), rec.n...)
	p, err := lwm2m.ParsePath(string(r.name))
	if err != nil {
		return lwm2m.Path{}, time.Time{}, err
	}
	t, err := instant.At(r.bt + rec.t)
	return p, t, err
}

// pack collects the nodes of records.
type pack struct {
	base   lwm2m.Path
	shapes lwm2m.Shapes
	patch  bool // null is known
	resolver
	nodes []lwm2m.Node
}

// add puts a record's node to the others.
func (p *pack) add(src source, rec *record) {
	if src.Failed() {
		return
	}
	n, err := p.node(rec)
	if err != nil {
		src.Fail(fmt.Errorf("record %d: %w", rec.index, err))
		return
	}
	if !n.Value.IsZero() || rec.null {
		p.nodes = append(p.nodes, n)
	}
}

// node returns the node of a record, one without a value for a record that only
// sets base fields.
func (p *pack) node(rec *record) (n lwm2m.Node, err error) {
	n.Path, n.Time, err = p.resolve(rec)
	switch {
	case err != nil:
		return n, err
	case rec.seen != 0 && rec.seen&^baseFields == 0:
		return n, nil
	case rec.null && !p.patch:
		return n, errNull
	case rec.value.IsZero() && !rec.null:
		return n, errNoValue
	case !outline.Within(p.base, n.Path):
		return n, fmt.Errorf("%v: %w %v", n.Path, errOutside, p.base)
	case n.Path.Level() < lwm2m.LevelResource:
		return n, fmt.Errorf("%v: %w", n.Path, errNoLeaf)
	case rec.null:
		return n, nil
	}
	shape, _ := p.shapes.Of(n.Path)
	if n.Value, err = fit.Value(rec.value, shape.Type); err != nil {
		return n, fmt.Errorf("%v: %w", n.Path, err)
	}
	return n, nil
}
