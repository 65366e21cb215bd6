// Package ddf reads the definition of an object as OMA and vendors publish it:
// an XML file of OMA's schema LWM2M.xsd, called a device description.
//
// It knows that XML and what is irregular in the files of the registry. It must
// not know where files are.
package ddf

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// MaxFile bounds one file, in bytes.
const MaxFile = 1 << 20

// LineError is what is wrong in a line of a file.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

type document struct {
	XMLName xml.Name `xml:"LWM2M"`
	Objects []object `xml:"Object"`
}

type object struct {
	line      int
	Name      string `xml:"Name"`
	ID        string `xml:"ObjectID"`
	Version   string `xml:"ObjectVersion"`
	Instances string `xml:"MultipleInstances"`
	Mandatory string `xml:"Mandatory"`
	Items     []item `xml:"Resources>Item"`
}

type item struct {
	line       int
	ID         string `xml:"ID,attr"`
	Name       string `xml:"Name"`
	Operations string `xml:"Operations"`
	Instances  string `xml:"MultipleInstances"`
	Mandatory  string `xml:"Mandatory"`
	Type       string `xml:"Type"`
	Range      string `xml:"RangeEnumeration"`
	Units      string `xml:"Units"`
}

// UnmarshalXML notes where the object begins.
func (o *object) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	type plain object
	line, _ := d.InputPos()
	defer func() { o.line = line }()
	return d.DecodeElement((*plain)(o), &start)
}

// UnmarshalXML notes where the resource begins.
func (i *item) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	type plain item
	line, _ := d.InputPos()
	defer func() { i.line = line }()
	return d.DecodeElement((*plain)(i), &start)
}

// Parse reads one file, which must define one object. The error is a *LineError,
// unless there is too much of a file.
func Parse(text []byte) (*model.Definition, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("it has more than %d bytes", MaxFile)
	}
	doc, err := decode(text)
	if err != nil {
		return nil, err
	}
	if len(doc.Objects) != 1 {
		return nil, &LineError{1, fmt.Errorf("%d objects in one file; each needs its own", len(doc.Objects))}
	}
	o := &doc.Objects[0]
	d, err := o.definition()
	if err != nil {
		return nil, &LineError{o.line, err}
	}
	lines := make(map[uint16]int, len(o.Items))
	for i := range o.Items {
		r, err := o.Items[i].definition()
		if err == nil && lines[r.ID] != 0 {
			err = fmt.Errorf("is there twice, first in line %d", lines[r.ID])
		}
		if err != nil {
			return nil, &LineError{o.Items[i].line, fmt.Errorf("resource %q: %w", o.Items[i].ID, err)}
		}
		lines[r.ID] = o.Items[i].line
		d.Resources = append(d.Resources, r)
	}
	sort.Slice(d.Resources, func(i, j int) bool { return d.Resources[i].ID < d.Resources[j].ID }) // files have them in any order
	return d, nil
}

// decode reads the whole text, in which nothing follows the root element.
func decode(text []byte) (*document, error) {
	in := xml.NewDecoder(bytes.NewReader(text))
	at := func(err error) error {
		if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
			return &LineError{syntax.Line, errors.New(syntax.Msg)}
		}
		line, _ := in.InputPos()
		return &LineError{line, err}
	}
	doc := new(document)
	if err := in.Decode(doc); err != nil {
		return nil, at(err)
	}
	for {
		switch token, err := in.Token(); token := token.(type) {
		case nil:
			if errors.Is(err, io.EOF) {
				return doc, nil
			}
			return nil, at(err)
		case xml.StartElement:
			return nil, at(fmt.Errorf("<%s> follows the end of the file's element", token.Name.Local))
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return nil, at(errors.New("text follows the end of the file's element"))
			}
		}
	}
}

// definition returns the object without its resources.
func (o *object) definition() (*model.Definition, error) {
	id, err := identifier(o.ID)
	if err != nil {
		return nil, fmt.Errorf("<ObjectID>: %w", err)
	}
	d := &model.Definition{ID: id, Name: words(o.Name), Version: lwm2m.Version10}
	if d.Name == "" {
		return nil, errors.New("<Name> is missing")
	}
	if v := strings.TrimSpace(o.Version); v != "" { // Core, section 7.2.2: missing means 1.0
		if d.Version, err = lwm2m.ParseVersion(v); err != nil {
			return nil, err
		}
	}
	if d.Multiple, err = either(o.Instances, "Multiple", "Single"); err != nil {
		return nil, fmt.Errorf("<MultipleInstances>: %w", err)
	}
	if d.Mandatory, err = either(o.Mandatory, "Mandatory", "Optional"); err != nil {
		return nil, fmt.Errorf("<Mandatory>: %w", err)
	}
	return d, nil
}

func (i *item) definition() (r model.ResourceDefinition, err error) {
	if r.ID, err = identifier(i.ID); err != nil {
		return r, err
	}
	r.Name, r.Unit = words(i.Name), strings.TrimSpace(i.Units)
	r.Range = model.ParseRange(i.Range)
	if r.Ops, err = operations(i.Operations); err != nil {
		return r, err
	}
	if r.Multiple, err = either(i.Instances, "Multiple", "Single"); err != nil {
		return r, fmt.Errorf("<MultipleInstances>: %w", err)
	}
	if r.Mandatory, err = either(i.Mandatory, "Mandatory", "Optional"); err != nil {
		return r, fmt.Errorf("<Mandatory>: %w", err)
	}
	if r.Type, err = lwm2m.ParseType(i.Type); err != nil {
		return r, fmt.Errorf("<Type>: %w", err)
	}
	return r, nil
}

func identifier(s string) (uint16, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil || n == lwm2m.MaxID {
		return 0, fmt.Errorf("%q is no identifier", s)
	}
	return uint16(n), nil
}

// words returns a name on one line with single spaces.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// either reads a word that is one of two.
func either(s, yes, no string) (bool, error) {
	switch strings.TrimSpace(s) {
	case yes:
		return true, nil
	case no:
		return false, nil
	}
	return false, fmt.Errorf("%q is neither %s nor %s", s, yes, no)
}

func operations(s string) (ops model.Ops, err error) {
	for _, letter := range strings.TrimSpace(s) {
		switch letter {
		case 'R':
			ops |= model.OpRead
		case 'W':
			ops |= model.OpWrite
		case 'E':
			ops |= model.OpExecute
		default:
			return 0, fmt.Errorf("<Operations>: %q is not made of R, W and E", s)
		}
	}
	return ops, nil
}
