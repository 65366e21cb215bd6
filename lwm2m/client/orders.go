package client

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// maxOrders is how many requests that must not run twice are remembered over a restart:
// more than a server has unanswered at a time. Each has a record of its own.
const maxOrders = 32

// orderBook keeps the requests of a server that must not run twice (once) before they run: who
// repeats one after a restart, or records it on the way and sends it again, is answered as
// the first time. What a request does outlives a power cut only if its order does too. Any
// goroutine may use it.
type orderBook struct {
	journal  Journal
	ssid     uint16
	id       sessionID
	received func() uint64 // edge of the DTLS records; nil: there are none

	mu     sync.Mutex
	serial uint64 // of the next one
	over   bool   // the session has ended: its places are the next one's
}

// order is a request of the orderBook.
type order struct {
	id       sessionID
	serial   uint64
	received uint64 // DTLS records below this number are not accepted any more
	typ      coap.Type
	message  uint16
	token    coap.Token
	answer   []byte // encoded; nil: it has begun and is not answered

	contained bool // what it does is in memory or in the store (model.Container)
}

// once reports whether a request must not run twice: a POST is not idempotent (RFC 7252,
// section 5.8.2), and a second Delete is answered differently.
func (o operation) once() bool {
	switch o {
	case opExecute, opCreate, opDelete, opUpdate:
		return true
	case opRead, opObserve, opCancel, opDiscover, opReplace, opWriteComposite, opWriteAttributes:
	}
	return false
}

// begin keeps a request. If what it does is contained, the order is on disk with what of it
// is there: who ends before has not done it.
func (l *orderBook) begin(m *coap.Message, contained bool) (*order, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := &order{id: l.id, serial: l.serial, typ: m.Type, message: m.ID, token: m.Token, contained: contained}
	if l.received != nil {
		o.received = l.received()
	}
	l.serial++
	if l.over {
		return o, nil
	}
	if contained {
		return o, l.journal.Defer(l.key(o), o.record())
	}
	return o, l.journal.Save(l.key(o), o.record())
}

// answered keeps the answer, before it is sent. A power cut may take it: then the request was
// interrupted.
func (l *orderBook) answered(o *order, m *coap.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if o.answer, err = m.Append(nil); err != nil || l.over || l.serial-o.serial > maxOrders {
		return err // or its place is another one's
	}
	if o.contained {
		return l.journal.Defer(l.key(o), o.record())
	}
	return l.journal.Note(l.key(o), o.record())
}

func (l *orderBook) key(o *order) string { return requestKey(l.ssid, o.serial%maxOrders) }

func (o *order) record() []byte {
	b := append([]byte{orderVersion}, o.id[:]...)
	b = binary.AppendUvarint(binary.AppendUvarint(b, o.serial), o.received)
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(o.typ)), uint64(o.message))
	return appendBytes(appendBytes(b, o.token.Bytes()), o.answer)
}

func parseOrder(record []byte) (*order, error) {
	r, err := versioned(record, orderVersion)
	if err != nil {
		return nil, err
	}
	o := &order{id: r.sessionID(), serial: r.number(), received: r.number()}
	o.typ, o.message = coap.Type(r.number()), uint16(r.number()) //nolint:gosec // others match no request
	token, answer := r.bytes(), r.bytes()
	if o.token, err = coap.MakeToken(token); err != nil {
		return nil, fmt.Errorf("%w: %w", errSessionRecord, err)
	}
	if len(answer) > 0 {
		o.answer = answer
	}
	return o, r.end()
}

// interrupted answers a request whose outcome a cut has taken away.
var interrupted = &coap.Message{
	Code:    coap.Code(lwm2m.InternalServerError),
	Payload: []byte("the agent was interrupted while it carried this out"),
}

// earlier is the request as the message layer remembers it.
func (o *order) earlier() coap.Earlier {
	e := coap.Earlier{Type: o.typ, ID: o.message, Token: o.token, Answer: interrupted}
	if m, err := coap.Parse(o.answer); err == nil {
		e.Answer = m
	}
	return e
}

// earlier are requests as the message layer remembers them.
func earlier(orders []*order) []coap.Earlier {
	list := make([]coap.Earlier, len(orders))
	for i, o := range orders {
		list[i] = o.earlier()
	}
	return list
}

// earlier returns the requests of the present session.
func (a *account) earlier() []coap.Earlier {
	if !a.keeping.live {
		return nil
	}
	orders, err := loadOrders(a.client.config.journal(), a.ssid, a.keeping.edge.id)
	if err != nil {
		a.log.Error("requests of this session are forgotten", slog.Any("err", err))
	}
	return earlier(orders)
}

// next returns the serial number of the next request.
func (l *orderBook) next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.serial
}

// loadOrders returns the requests of a session, the oldest first. What cannot be read is
// left out, with an error.
func loadOrders(journal Journal, ssid uint16, id sessionID) ([]*order, error) {
	var list []*order
	var problems []error
	for slot := range uint64(maxOrders) {
		record, err := journal.Load(requestKey(ssid, slot))
		if len(record) == 0 {
			problems = append(problems, err)
			continue
		}
		o, err := parseOrder(record)
		problems = append(problems, err)
		if err == nil && o.id == id {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *order) int { return cmp.Compare(a.serial, b.serial) })
	return list, errors.Join(problems...)
}

// closeOrders has nothing more written of a session that has ended: what is still carried out is repeated by nobody.
func (a *account) closeOrders() {
	if a.connection != nil {
		a.connection.orderBook.Store(nil)
	}
	if l := a.keeping.orderBook; l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.over = true
	}
}

// undertake notes a request that must not run twice. What the disk does not take runs all
// the same: on a device with a broken one, a Reboot is what helps.
func (a *account) undertake(r *request) {
	l := r.connection.orderBook.Load()
	if l == nil || !r.op.once() {
		return
	}
	o, err := l.begin(r.exchange.Request, r.op != opExecute && a.client.config.Tree.Contains(r.path))
	if err != nil {
		a.log.Error("a request could run twice if the agent were interrupted now", slog.Any("err", err))
		return
	}
	r.book, r.order = l, o
}

// answer responds to a request that changes something.
func (a *account) answer(r *request, m *coap.Message) {
	if r.order != nil {
		if err := r.book.answered(r.order, m); err != nil {
			a.log.Error("the answer to a request would be lost if the agent were interrupted now", slog.Any("err", err))
		}
	}
	a.respond(r.exchange, m)
}
