package trace

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

// hidden stands for what is not shown.
const hidden = "***"

// keyResources are those of object 0 that a key or its owner can be told from (Core,
// appendix E.1): Public Key or Identity, Server Public Key, Secret Key, and those of SMS.
var keyResources = []uint16{3, 4, 5, 7, 8}

// The objects of accounts.
const (
	securityObject = 0
	oscoreObject   = 21
)

// secretNames are words of the names of resources that hold a secret although the registry
// lets servers read them, such as /11/x/6 (Secret).
var secretNames = []string{"secret", "password", "passphrase", "key", "keys", "pin", "psk", "puk"}

// hides reports whether what lies at a path of a resource is shown to nobody: keys, and what
// can only be written, such as a new configuration (/26241/0/1) or the key of a WLAN.
func (d *Decoder) hides(p lwm2m.Path) bool {
	if p.Level() < lwm2m.LevelResource {
		return false
	}
	switch p.Object() {
	case securityObject:
		return slices.Contains(keyResources, p.Resource())
	case oscoreObject:
		return true
	}
	r := d.resource(p)
	return r != nil && hidesOf(r)
}

func hidesOf(r *model.ResourceDefinition) bool {
	if r.Ops.Has(model.OpExecute) {
		return false
	}
	words := strings.FieldsFunc(strings.ToLower(r.Name), func(c rune) bool { return c < 'a' || c > 'z' })
	return !r.Ops.Has(model.OpRead) || slices.ContainsFunc(words, func(w string) bool { return slices.Contains(secretNames, w) })
}

// resource returns the definition of the resource at a path, nil if it is not known.
func (d *Decoder) resource(p lwm2m.Path) *model.ResourceDefinition {
	if p.Level() < lwm2m.LevelResource {
		return nil
	}
	def := d.Definition(p.Object())
	if def == nil {
		return nil
	}
	return def.Resource(p.Resource())
}

// secret reports whether a node is shown to nobody: because of where it lies, or as the
// URI of somebody with a password.
func (d *Decoder) secret(n *lwm2m.Node) bool {
	switch {
	case n.Value.IsZero():
		return false
	case d.hides(n.Path):
		return true
	case n.Value.Type() != lwm2m.TypeString || !strings.Contains(n.Value.Text(), "@"):
		return false
	}
	u, err := url.Parse(n.Value.Text())
	if err != nil {
		return true // nobody knows what stands before the @
	}
	_, has := u.User.Password()
	return has
}

// mayHide reports whether a payload that cannot be decoded, such as one block of many, may
// hold something to hide. What the agent sends comes from its tree, which gives no secret away.
func (d *Decoder) mayHide(base lwm2m.Path, located, sent bool) bool {
	if !located || base.IsRoot() {
		return !sent
	}
	switch {
	case base.Object() == securityObject, base.Object() == oscoreObject:
		return true
	case sent:
		return false
	case base.Level() >= lwm2m.LevelResource:
		return d.hides(base)
	}
	def := d.Definition(base.Object())
	return def == nil || slices.ContainsFunc(def.Resources, func(r model.ResourceDefinition) bool { return hidesOf(&r) })
}

// without returns a value of the same type that says nothing.
func without(v lwm2m.Value) lwm2m.Value {
	switch v.Type() {
	case lwm2m.TypeOpaque:
		return lwm2m.Opaque([]byte(hidden))
	case lwm2m.TypeInteger:
		return lwm2m.Integer(0)
	case lwm2m.TypeUnsigned:
		return lwm2m.Unsigned(0)
	case lwm2m.TypeFloat:
		return lwm2m.Float(0)
	case lwm2m.TypeBoolean:
		return lwm2m.Boolean(false)
	case lwm2m.TypeTime:
		return lwm2m.UnixTime(0)
	case lwm2m.TypeObjlnk:
		return lwm2m.Objlnk(0, 0)
	case lwm2m.TypeString, lwm2m.TypeCorelnk, lwm2m.TypeNone:
	}
	return lwm2m.String(hidden)
}

// rewritten returns a message with other values, or blank where the format, or a Create
// that names no instance, cannot carry them.
func rewritten(m *coap.Message, operation string, base lwm2m.Path, nodes []lwm2m.Node) []byte {
	format, _ := m.ContentFormat()
	payload, err := wire.Append(nil, lwm2m.Format(format), base, nodes)
	if err != nil || operation == create {
		return blank(m)
	}
	return encoded(m, payload, format)
}

// blank returns a message whose payload is as long, and says nothing.
func blank(m *coap.Message) []byte {
	return encoded(m, bytes.Repeat([]byte("*"), len(m.Payload)), uint16(lwm2m.FormatText))
}

func encoded(m *coap.Message, payload []byte, format uint16) []byte {
	other := m.Clone()
	other.Payload = payload
	if _, ok := m.ContentFormat(); ok {
		other.SetContentFormat(format)
	}
	b, err := other.Append(nil)
	if err != nil {
		return []byte{} // in no capture, then
	}
	return b
}
