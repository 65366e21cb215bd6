// Package link is the CoRE Link Format, application/link-format, content format
// 40 (RFC 6690), as Register, Update, Discover and Corelnk resources use it (Core,
// sections 6.2.1, 6.3.2 and 7.5.6).
//
// It knows links, attributes and paths. It must not know what an attribute means
// to the object tree, nor a transport.
package link

import "lwm2m-agent/lwm2m"

// A Link is a target and its attributes, in the order of the payload.
type Link struct {
	Target string // URI reference, what stands between < and >
	Attrs  []Attr
}

// An Attr is one attribute (link parameter).
type Attr struct {
	Name  string
	Value string // without quotes and escapes; "" for a Flag
	Form  Form
}

// Form is how an attribute is written.
type Form uint8

// The forms of an attribute.
const (
	Token  Form = iota // name=value
	Quoted             // name="value"
	Flag               // name
)

// To returns the link to a path. root is the alternate path under which the
// client's objects are ("" or "/" if none, else like "/lwm2m").
func To(root string, p lwm2m.Path, attrs ...Attr) Link {
	return Link{}
}

// Attr returns the value of the first attribute of the name, and whether there is
// one.
func (l Link) Attr(name string) (value string, ok bool) { return "", false }

// Path returns the path that the link points to below the alternate path root
// ("" if none).
func (l Link) Path(root string) (lwm2m.Path, error) { return lwm2m.Path{}, nil }

// Formats returns the content formats of the link's attribute ct.
func (l Link) Formats() ([]lwm2m.Format, error) { return nil, nil }

// Root returns the alternate path that the links of a Register payload announce
// by rt="oma.lwm2m", "" if none.
func Root(links []Link) string { return "" }

// Append adds the links to dst.
func Append(dst []byte, links []Link) []byte { return dst }

// Parse reads links. The error is an *lwm2m.Error with 4.00.
func Parse(data []byte) ([]Link, error) {
	return nil, lwm2m.Errorf(lwm2m.NotImplemented, "read link format: not yet")
}
