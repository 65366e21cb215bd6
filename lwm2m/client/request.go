package client

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// operation is what a request of a server asks for.
type operation uint8

const (
	opRead operation = iota
	opObserve
	opCancel // and read
	opDiscover
	opReplace // Write by PUT
	opUpdate  // Write by POST
	opWriteComposite
	opWriteAttributes
	opExecute
	opCreate
	opDelete
)

// immediate reports whether the operation needs nothing but the tree and cannot wait.
func (o operation) immediate() bool { return o == opRead }

// changes reports whether the operation asks an owner, who may take long.
func (o operation) changes() bool {
	switch o {
	case opReplace, opUpdate, opWriteComposite, opExecute, opCreate, opDelete:
		return true
	case opRead, opObserve, opCancel, opDiscover, opWriteAttributes:
	}
	return false
}

// request is a request of a server.
type request struct {
	exchange   *coap.Exchange
	connection *connection
	op         operation
	path       lwm2m.Path
	paths      []lwm2m.Path // of a composite read or observation; nil: it is none
	format     lwm2m.Format // of the payload
	given      bool         // there is a format
	accept     lwm2m.Format
	accepts    bool   // there is an Accept
	order      *order // in the book; nil: it is not there
	book       *orderBook
}

// parse finds out what a request asks for (Transport, table of operations). The
// error has the code to answer with.
func parse(defs model.Definitions, m *coap.Message) (request, error) {
	r, err := parseOptions(m)
	if err == nil {
		r.op, err = r.operation(defs, m)
	}
	return r, err
}

// parseOptions reads path and formats of a request.
func parseOptions(m *coap.Message) (request, error) {
	var r request
	var err error
	if r.path, err = pathOf(m); err != nil {
		return r, err
	}
	if f, ok := m.ContentFormat(); ok {
		r.format, r.given = lwm2m.Format(f).Canonical(), true
	}
	if f, ok := m.Accept(); ok {
		r.accept, r.accepts = lwm2m.Format(f).Canonical(), true
	}
	return r, nil
}

// pathOf returns the path that a request names. What can be no path of this tree,
// that of an end device included, is refused with 4.04.
func pathOf(m *coap.Message) (lwm2m.Path, error) {
	var p lwm2m.Path
	for id, segment := range m.Options() {
		if id != coap.URIPath {
			continue
		}
		n, ok := identifier(segment)
		if !ok || p.Level() == lwm2m.LevelResourceInstance {
			return p, lwm2m.Errorf(lwm2m.NotFound, "there is no %.40q", m.Path())
		}
		p = p.Child(n)
	}
	return p, nil
}

// identifier reads a number from 0 to 65534 without leading zeros.
func identifier(segment []byte) (uint16, bool) {
	if len(segment) == 0 || len(segment) > 5 || segment[0] == '0' && len(segment) > 1 {
		return 0, false
	}
	n := 0
	for _, c := range segment {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return uint16(n), n < lwm2m.MaxID
}

func (r *request) operation(defs model.Definitions, m *coap.Message) (operation, error) {
	switch m.Code { //nolint:exhaustive // an open registry
	case coap.GET:
		return r.get(m)
	case coap.PUT:
		return r.put(m)
	case coap.POST:
		return r.post(defs)
	case coap.DELETE:
		return opDelete, nil
	case coap.FETCH:
		return r.fetch(m)
	case coap.IPATCH:
		return r.iPatch()
	}
	return 0, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s is not supported", m.Code)
}

func (r *request) get(m *coap.Message) (operation, error) {
	if r.path.IsRoot() {
		return 0, lwm2m.Errorf(lwm2m.MethodNotAllowed, "the root cannot be read")
	}
	if r.accepts && r.accept == lwm2m.FormatLink {
		return opDiscover, nil
	}
	return reading(m), nil
}

// reading returns which of the reading operations a GET or FETCH is.
func reading(m *coap.Message) operation {
	switch observe, ok := m.Observe(); {
	case ok && observe == 0:
		return opObserve
	case ok && observe == 1:
		return opCancel
	}
	return opRead
}

func (r *request) put(m *coap.Message) (operation, error) {
	_, queries := m.Option(coap.URIQuery)
	switch {
	case r.path.IsRoot():
		return 0, lwm2m.Errorf(lwm2m.MethodNotAllowed, "the root cannot be written")
	case !queries:
		return opReplace, nil
	case len(m.Payload) > 0 || r.given:
		return 0, lwm2m.Errorf(lwm2m.BadRequest, "a PUT has either a payload or attributes")
	}
	return opWriteAttributes, nil
}

func (r *request) post(defs model.Definitions) (operation, error) {
	switch r.path.Level() {
	case lwm2m.LevelRoot:
	case lwm2m.LevelObject:
		return opCreate, nil
	case lwm2m.LevelInstance:
		return opUpdate, nil
	case lwm2m.LevelResource:
		if d, ok := defs.Object(r.path.Object()); ok {
			res := d.Resource(r.path.Resource())
			if res != nil && res.Multiple && !res.Ops.Has(model.OpExecute) {
				return opUpdate, nil
			}
		}
		return opExecute, nil
	case lwm2m.LevelResourceInstance:
	}
	return 0, lwm2m.Errorf(lwm2m.MethodNotAllowed, "POST does nothing at a %s", r.path.Level())
}
