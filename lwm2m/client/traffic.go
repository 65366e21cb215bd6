package client

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// Purpose is what traffic with a server is for.
type Purpose uint8

// The purposes. What acknowledges or answers a message has the message's purpose.
const (
	ForHandshake    Purpose = iota // of DTLS, failed ones too
	ForRegistration                // Register and Deregister
	ForUpdate                      // of the registration
	ForNotification                // also stored ones
	ForSend
	ForRequest   // of the server, but for firmware
	ForFirmware  // writes and reads of object 5
	ForBootstrap // all messages with a bootstrap server
	PurposeCount
)

var purposeNames = [PurposeCount]string{"handshake", "register", "update", "notify", "send", "request", "firmware", "bootstrap"}

// String returns one word: "update".
func (p Purpose) String() string {
	if p < PurposeCount {
		return purposeNames[p]
	}
	return "other"
}

// Flow is what went both ways. Bytes are counted on the wire, with the headers of IP, UDP and
// DTLS; a repeated message counts each time.
type Flow struct {
	SentDatagrams, ReceivedDatagrams uint64
	SentBytes, ReceivedBytes         uint64
}

func (f *Flow) add(o Flow) {
	f.SentDatagrams += o.SentDatagrams
	f.ReceivedDatagrams += o.ReceivedDatagrams
	f.SentBytes += o.SentBytes
	f.ReceivedBytes += o.ReceivedBytes
}

// Flows are by [Purpose].
type Flows [PurposeCount]Flow

func (f *Flows) add(o *Flows) {
	for i := range f {
		f[i].add(o[i])
	}
}

// Sum returns what all purposes have together.
func (f *Flows) Sum() (all Flow) {
	for _, one := range f {
		all.add(one)
	}
	return all
}

// hours are kept one by one: a day, and the hour that has begun.
const hours = 25

// ledger accounts for the traffic with one server. Any goroutine may call it.
type ledger struct {
	mu     sync.Mutex
	total  Flows
	hourly [hours]struct {
		hour  int64 // since 1970
		flows Flows
	}
	open [openExchanges]openExchange
	next int
}

// openExchange is a message whose answer, or acknowledgement, has its purpose.
type openExchange struct {
	sent    bool
	id      uint16
	token   coap.Token
	purpose Purpose
}

// openExchanges bounds those that are remembered; what is forgotten counts as [ForRequest].
const openExchanges = 16

// headers are the sizes of all that stands around a CoAP message, in bytes.
type headers struct{ sent, received int }

// networkHeaders returns the sizes of the headers of IP and UDP, or of IP and TCP with
// timestamps, for a message in a segment of its own.
func networkHeaders(remote net.Addr) headers {
	if a, ok := remote.(*net.UDPAddr); ok && a.IP.To4() == nil {
		return headers{40 + 8, 40 + 8}
	}
	if a, ok := remote.(*net.TCPAddr); ok {
		if a.IP.To4() == nil {
			return headers{40 + 32, 40 + 32}
		}
		return headers{20 + 32, 20 + 32}
	}
	return headers{20 + 8, 20 + 8}
}

// note takes a CoAP message in.
func (l *ledger) note(d coap.Direction, datagram []byte, h headers, now time.Time) {
	head, ok := coap.Peek(datagram)
	l.mu.Lock()
	defer l.mu.Unlock()
	purpose := ForRequest
	if ok {
		purpose = l.purpose(d == coap.Sent, &head)
	}
	l.add(purpose, flow(d == coap.Sent, len(datagram), h), now)
}

// handshake takes a datagram of a handshake in.
func (l *ledger) handshake(sent bool, size int, h headers, now time.Time) {
	l.count(ForHandshake, sent, size, h, now)
}

// count takes a message in whose purpose is known.
func (l *ledger) count(p Purpose, sent bool, size int, h headers, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(p, flow(sent, size, h), now)
}

func flow(sent bool, size int, h headers) Flow {
	if sent {
		return Flow{SentDatagrams: 1, SentBytes: uint64(size + h.sent)} //nolint:gosec // sizes
	}
	return Flow{ReceivedDatagrams: 1, ReceivedBytes: uint64(size + h.received)} //nolint:gosec // sizes
}

func (l *ledger) add(p Purpose, f Flow, now time.Time) {
	l.total[p].add(f)
	hour := now.Unix() / 3600
	slot := &l.hourly[uint64(hour)%hours] //nolint:gosec // wraps before 1970, which is as good
	if slot.hour != hour {
		slot.hour, slot.flows = hour, Flows{}
	}
	slot.flows[p].add(f)
}

// purpose tells what a message is for, and remembers what belongs to it.
func (l *ledger) purpose(sent bool, h *coap.Head) Purpose {
	var p Purpose
	switch {
	case h.Code == coap.Empty:
		return l.answered(!sent, func(o *openExchange) bool { return o.id == h.ID })
	case h.Code.IsRequest() && sent:
		p = ownRequest(h)
	case h.Code.IsRequest():
		p = ForRequest
		if string(h.Path[0]) == "5" {
			p = ForFirmware
		}
	case sent && h.Observe && h.Type != coap.ACK: // that answers the Observe
		p = ForNotification
	default:
		p = l.answered(!sent, func(o *openExchange) bool { return o.token == h.Token })
		if h.Type != coap.CON {
			return p
		}
	}
	l.open[l.next] = openExchange{sent: sent, id: h.ID, token: h.Token, purpose: p}
	l.next = (l.next + 1) % openExchanges
	return p
}

// ownRequest tells what a request of the client is for.
func ownRequest(h *coap.Head) Purpose {
	switch first := string(h.Path[0]); {
	case first == "dp":
		return ForSend
	case h.Code == coap.DELETE, first == "rd" && h.Path[1] == nil:
		return ForRegistration
	}
	return ForUpdate // to whatever location the server gave
}

// answered returns the purpose of the newest open exchange in a direction that fits.
func (l *ledger) answered(sent bool, fits func(*openExchange) bool) Purpose {
	for i := range openExchanges {
		o := &l.open[(l.next+openExchanges-1-i)%openExchanges]
		if o.sent == sent && fits(o) {
			return o.purpose
		}
	}
	return ForRequest
}

// read returns all that was counted, and what of it is not older than a day.
func (l *ledger) read(now time.Time) (total, day Flows) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := now.Unix()/3600 - (hours - 1)
	for i := range l.hourly {
		if slot := &l.hourly[i]; slot.hour >= oldest && slot.hour <= oldest+hours-1 {
			day.add(&slot.flows)
		}
	}
	return l.total, day
}

// tap is a socket that tells each datagram's size while a handshake goes on.
type tap struct {
	net.Conn
	done  atomic.Bool
	tell  func(remote net.Addr, sent bool, size int) // or nil
	heard func()                                     // is called when something has come; or nil
}

func tapped(nc net.Conn, tell func(remote net.Addr, sent bool, size int)) *tap {
	return &tap{Conn: nc, tell: tell}
}

// Read implements net.Conn.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n == 0 || t.done.Load() {
		return n, err
	}
	if t.heard != nil {
		t.heard()
	}
	if t.tell != nil {
		t.tell(t.RemoteAddr(), false, n)
	}
	return n, err
}

// Write implements net.Conn.
func (t *tap) Write(p []byte) (int, error) {
	if t.tell != nil && !t.done.Load() {
		t.tell(t.RemoteAddr(), true, len(p))
	}
	return t.Conn.Write(p)
}
