// Package link is the CoRE Link Format, application/link-format, content format
// 40 (RFC 6690), as Register, Update, Discover and Corelnk resources use it (Core,
// sections 6.2.1, 6.3.2 and appendix C.2).
//
// It knows links, attributes and paths. It must not know what an attribute means
// to the object tree, nor a transport.
package link

import (
	"fmt"
	"strconv"
	"strings"

	"lwm2m-agent/lwm2m"
)

// ResourceType is the value of the attribute rt that marks the root of a client's
// objects in a Register payload (Core, section 6.2.1).
const ResourceType = "oma.lwm2m"

// A Link is a target and its attributes, in the order of the payload.
type Link struct {
	Target string // URI reference, what stands between < and >
	Attrs  []Attr
}

// An Attr is an attribute (RFC 6690 calls it a link parameter).
type Attr struct {
	Name  string
	Value string // without quotes and escapes; "" for a flag
	Form  Form
}

// Form is how an attribute is written.
type Form uint8

// The forms of an attribute.
const (
	FormToken  Form = iota // name=value
	FormQuoted             // name="value"
	FormFlag               // name
)

// Token returns the attribute name=value. A value that cannot stand without quotes
// gets them.
func Token(name, value string) Attr { return Attr{Name: name, Value: value, Form: FormToken} }

// Quoted returns the attribute name="value".
func Quoted(name, value string) Attr { return Attr{Name: name, Value: value, Form: FormQuoted} }

// Flag returns the attribute without a value.
func Flag(name string) Attr { return Attr{Name: name, Form: FormFlag} }

// Int returns the attribute name=value for a number.
func Int(name string, value int64) Attr { return Token(name, strconv.FormatInt(value, 10)) }

// ContentFormats returns the attribute ct that lists formats: ct=112, or
// ct="110 112" for several (RFC 7252, section 7.2.1).
func ContentFormats(formats ...lwm2m.Format) Attr {
	if len(formats) == 1 {
		return Int("ct", int64(formats[0]))
	}
	var b []byte
	for i, f := range formats {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(f), 10)
	}
	return Quoted("ct", string(b))
}

// To returns the link to a path. root is the alternate path under which the
// client's objects are: like "/lwm2m", "" or "/" if there is none.
func To(root string, p lwm2m.Path, attrs ...Attr) Link {
	root = strings.TrimSuffix(root, "/")
	if root != "" && p == (lwm2m.Path{}) {
		return Link{Target: root, Attrs: attrs}
	}
	return Link{Target: root + p.String(), Attrs: attrs}
}

// Attr returns the value of the first attribute of the name, and whether there is
// one.
func (l Link) Attr(name string) (value string, ok bool) {
	for _, a := range l.Attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Path returns the path that the link points to below the alternate path root ("" or
// "/" if there is none). The error wraps lwm2m.ErrPath.
func (l Link) Path(root string) (lwm2m.Path, error) {
	rest, ok := strings.CutPrefix(l.Target, strings.TrimSuffix(root, "/"))
	if !ok || rest != "" && rest[0] != '/' {
		return lwm2m.Path{}, fmt.Errorf("%w: the link %.60q is not below %.60q", lwm2m.ErrPath, l.Target, root)
	}
	return lwm2m.ParsePath(rest)
}

// Formats returns the content formats that the link's attribute ct lists, none if
// there is no such attribute. Numbers beyond 65535 are an error with 4.00.
func (l Link) Formats() ([]lwm2m.Format, error) {
	value, _ := l.Attr("ct")
	var formats []lwm2m.Format
	for field := range strings.FieldsSeq(value) {
		n, err := strconv.ParseUint(field, 10, 16)
		if err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "the attribute ct: %.40q is no content format", field)
		}
		formats = append(formats, lwm2m.Format(n))
	}
	return formats, nil
}

// Root returns the link of a Register payload that announces the client itself, by
// rt="oma.lwm2m" or as "/": its target is the alternate path, its attribute ct the
// formats. ok is false if there is none.
func Root(links []Link) (root Link, ok bool) {
	for _, l := range links {
		if rt, _ := l.Attr("rt"); rt == ResourceType {
			return l, true
		}
	}
	for _, l := range links {
		if l.Target == "/" {
			return l, true
		}
	}
	return Link{}, false
}
