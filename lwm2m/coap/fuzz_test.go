package coap

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// seeds are datagrams at the limits of the format; the fuzzers begin with them.
var seeds = []string{
	"", "40", "40000001", "60000001", "70000001", "40010001", "50010002 b161", "42010003 aabb b133 0130 0135",
	"40010004 b5", "40010005 ff", "49010006 010203040506070809", "40010007 d1f401", "40010008 e0fef2", "40010009 f0", "4001000a b161 c100 6106",
	"4003000b b161 d10e08 ff 30313233343536373839616263646566", "4003000c b161 d10e18 ff 30313233343536373839616263646566", "4003000d b161 d10e10 ff 30",
	"4001000e b162 d10a00", "4001000f b162 d10a10", "40010010 b162 d30afffff6", "40010011 b162 d10a07", "40010012 60 b161", "40010013 6101 b161",
	"40050014 b163 c13c 61 ff a0", "40450015", "50450016", "60450017", "40010018 91 00", "40010019 d61663 6f61703a2f2f",
	"4003001a b175 d10e08 ff 30313233343536373839616263646566", "4003001b b175 d10e10 ff 30313233343536373839616263646566",
}

func seed(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// wantPeek compares the head of a datagram with the whole message.
func wantPeek(t *testing.T, b []byte, m *Message) {
	t.Helper()
	var want Head
	want.Type, want.Code, want.ID, want.Token = m.Type, m.Code, m.ID, m.Token
	_, want.Observe = m.Option(Observe)
	segments := want.Path[:0]
	for id, value := range m.Options() {
		if id == URIPath && len(segments) < len(want.Path) {
			segments = append(segments, value)
		}
	}
	h, ok := Peek(b)
	if !ok || h.Type != want.Type || h.Code != want.Code || h.ID != want.ID || h.Token != want.Token || h.Observe != want.Observe ||
		string(h.Path[0]) != string(want.Path[0]) || string(h.Path[1]) != string(want.Path[1]) {
		t.Fatalf("head of %x is %+v (%v), want %+v", b, h, ok, want)
	}
}

// FuzzParse: what is taken can be encoded, and is then the same.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(seed(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		_, _, _, _ = m.Path(), m.Queries(), m.LocationPath(), m.ETag()
		wantPeek(t, b, m)
		_, _ = m.Block1()
		_, _ = m.ContentFormat()
		_ = badOption(m, nil)
		_ = transferKey(download, m)
		again, err := appendMessage(nil, m.Type, m.Code, m.ID, m.Token, m.options, m.Payload)
		if errors.Is(err, ErrTooLong) {
			return
		}
		n, err := Parse(again)
		if err != nil || show(n) != show(m) || !bytes.Equal(n.Payload, m.Payload) {
			t.Fatalf("%x is %s, encoded again %x: %v", b, show(m), again, err)
		}
	})
}

// blackHole is a transport that counts what is sent and delivers nothing.
type blackHole struct{ sent atomic.Int64 }

func (h *blackHole) Write(b []byte) (int, error) {
	h.sent.Add(1)
	return len(b), nil
}
func (*blackHole) Read([]byte) (int, error)         { return 0, io.EOF }
func (*blackHole) Close() error                     { return nil }
func (*blackHole) LocalAddr() net.Addr              { return pipeAddr("here") }
func (*blackHole) RemoteAddr() net.Addr             { return pipeAddr("there") }
func (*blackHole) SetDeadline(time.Time) error      { return nil }
func (*blackHole) SetReadDeadline(time.Time) error  { return nil }
func (*blackHole) SetWriteDeadline(time.Time) error { return nil }

// fuzzHandler answers at once, later or never, short and long, by the path.
func fuzzHandler(held *[]*Exchange) Handler {
	return func(x *Exchange) {
		switch path := x.Request.Path(); {
		case strings.HasPrefix(path, "/l"):
			*held = append(*held, x)
		case strings.HasPrefix(path, "/n"):
		case strings.HasPrefix(path, "/b"):
			_ = x.Respond(&Message{Code: Content, Payload: make([]byte, 1000)})
		case strings.HasPrefix(path, "/s"):
			_ = x.Respond(&Message{Code: Content, Body: strings.NewReader(strings.Repeat("s", 1000))})
		default:
			_ = x.Respond(&Message{Code: Changed, Payload: x.Request.Payload})
		}
	}
}

// FuzzReceive feeds datagrams, each after a byte of its length, to a connection with
// requests, notifications and an observation of its own. Whatever comes, one datagram
// in makes at most one out, and all limits hold.
func FuzzReceive(f *testing.F) {
	var all []byte
	for _, s := range seeds {
		b := seed(s)
		f.Add(append([]byte{byte(len(b))}, b...))
		all = append(append(all, byte(len(b))), b...)
	}
	f.Add(all)
	f.Add(append(all, all...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var held []*Exchange
		hole := &blackHole{}
		limits := Limits{MaxBody: 200, MaxTransfers: 3, MaxTransferBytes: 2000, MaxDeferred: 4, Deduplication: 8, MaxDatagram: 120}
		c := New(hole, fuzzHandler(&held), Options{Limits: limits, Params: Params{BlockSize: 64, AckTimeout: time.Hour}, Upload: func(first *Message) Sink {
			if first.Path() == "/u" {
				return &recorder{answer: answerAtOnce}
			}
			return nil
		}})
		defer func() {
			_ = c.Close()
			c.timers.Wait()
		}()
		c.lastID = 0
		fuzzOutgoing(t, c)
		in := c.newInbox()
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1, len(in.buf))
			copy(in.buf, data[1:1+n])
			data = data[1+n:]
			before := hole.sent.Load()
			if c.receive(in, n) {
				in = c.newInbox()
			}
			if sent := hole.sent.Load(); sent > before+2 { // an answer, and one that waited for NSTART
				t.Fatalf("%d datagrams for one", sent-before)
			}
			if len(held) > 2 {
				_ = held[0].Reply(Content)
				held = held[1:]
			}
			checkLimits(t, c, limits)
		}
	})
}

// fuzzOutgoing makes messages outstanding: requests 1 and 4 (NON), notifications 2 (NON) and 3.
func fuzzOutgoing(t *testing.T, c *Conn) {
	t.Helper()
	obs := &Observation{conn: c, req: get("/o"), changed: make(chan struct{}, 1), established: true}
	c.observations[token(7)] = obs
	options := get("/a").options
	for _, typ := range []Type{CON, NON} {
		tok := token(8, byte(typ))
		datagram, err := appendMessage(nil, typ, GET, 0, tok, options, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.submit(&outgoing{datagram: datagram, confirmable: typ == CON, request: true, token: tok}); err != nil {
			t.Fatal(err)
		}
	}
	for _, typ := range []Type{NON, CON} {
		if err := c.Notify(get("/a"), &Message{Type: typ, Code: Content}, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
}

func checkLimits(t *testing.T, c *Conn, limits Limits) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	bytes, deadlines := 0, 0
	for _, h := range c.transfers.all {
		bytes += h.bytes
		if h.place > 0 {
			deadlines++
		}
	}
	if bytes != c.transfers.bytes || bytes > limits.MaxTransferBytes || len(c.transfers.all) > limits.MaxTransfers {
		t.Fatalf("%d transfers of %d bytes, counted %d", len(c.transfers.all), bytes, c.transfers.bytes)
	}
	if deadlines != len(c.transfers.all) {
		t.Fatalf("%d of %d transfers will expire", deadlines, len(c.transfers.all))
	}
	if c.deferred > limits.MaxDeferred || len(c.seen.entries) > limits.Deduplication || c.outstanding < 0 || c.outstanding > 1 {
		t.Fatalf("%d deferred, %d remembered, %d outstanding", c.deferred, len(c.seen.entries), c.outstanding)
	}
	for i, d := range c.alarm.heap {
		if parent := c.alarm.heap[max(i-1, 0)/2]; d.place != i+1 || d.at.Before(parent.at) {
			t.Fatalf("deadline %d is misplaced", i)
		}
	}
}

// FuzzDo answers each message of a block-wise request with a code, options and a payload
// from the data. Whatever comes, Do ends, and within its limits.
func FuzzDo(f *testing.F) {
	for _, s := range []string{
		"", "45 02 6869", "45 02 c06869", "5f 04 d10e08 00", "5f 04 d10e0a 00", "8d 03 d10e00", "88 03 d10e18", "44 00",
		"45 13 d10a08 ff30313233343536373839616263646566 45 13 d10a18 ff30313233343536373839616263646566 45 05 d10a20 ff30",
		"45 13 d10a08 ff30313233343536373839616263646566 45 15 4101 d10618 ff30313233343536373839616263646566",
		"5f 03 d10e08 5f 03 d10e18 5f 03 d10e28 44 03 d10e30",
	} {
		f.Add(seed(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, peer := pipe()
		c := New(a, nil, Options{Params: Params{BlockSize: 16, AckTimeout: time.Millisecond, MaxRetransmit: 1, ResponseWait: 5 * time.Millisecond}, Limits: Limits{MaxBody: 300}})
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() { _ = c.Run(ctx) })
		all.Go(func() {
			defer cancel() // at the end of the data nobody answers any more
			for len(data) > 2 {
				var req Message
				select {
				case b := <-peer.in:
					if req.parse(b) != nil || req.Type == RST || req.Code == Empty {
						continue
					}
				case <-ctx.Done():
					return
				}
				n := min(int(data[1]), len(data)-2)
				head := []byte{0x60 | byte(req.Token.Len()), data[0], byte(req.ID >> 8), byte(req.ID)}
				peer.other.deliver(append(req.Token.Append(head), data[2:2+n]...))
				data = data[2+n:]
			}
		})
		m, err := c.Do(ctx, &Message{Code: FETCH, Payload: numbered(60)})
		cancel()
		all.Wait()
		if err == nil && len(m.Payload) > 300 {
			t.Fatalf("a body of %d bytes", len(m.Payload))
		}
	})
}

// A million datagrams, or a fifth of it with the race detector, most of them malformed: the
// connection is alive after them and has not grown.
func TestAMillionBadDatagrams(t *testing.T) {
	synctest.Test(t, aMillionBadDatagrams) // where time stands still, and so do the timers
}

func aMillionBadDatagrams(t *testing.T) {
	t.Helper()
	good := make([][]byte, 0, len(seeds))
	for _, s := range seeds {
		good = append(good, seed(s))
	}
	var held []*Exchange
	c := New(&blackHole{}, fuzzHandler(&held), Options{})
	defer func() {
		_ = c.Close()
		c.timers.Wait()
	}()
	random := rand.New(rand.NewPCG(1, 2))
	in := c.newInbox()
	feed := func(n int) {
		for range n {
			b := in.buf[:copy(in.buf, good[random.IntN(len(good))])]
			for range random.IntN(4) {
				if i := random.IntN(len(b) + 1); i < len(b) {
					b[i] = byte(random.Uint32())
				} else {
					b = append(b, byte(random.Uint32()))
				}
			}
			if c.receive(in, len(b)) {
				in = c.newInbox()
			}
			if len(held) > 2 {
				_ = held[0].Reply(Content)
				held = held[1:]
			}
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	feed(100_000)
	before := heap()
	count := 1_000_000
	if raced {
		count /= 5
	}
	feed(count - 100_000)
	if after := heap(); after > before+256<<10 {
		t.Errorf("%d bytes before, %d after", before, after)
	}
	n := c.Counters()
	if n.Malformed < uint64(count/10) || n.ReceivedDatagrams != uint64(count) {
		t.Errorf("counted %+v", n)
	}
	checkLimits(t, c, Limits{}.withDefaults())
	sent := n.SentDatagrams
	b := in.buf[:copy(in.buf, wire(t, request(CON, DELETE, 0, token(9, 9), "/x")))]
	setID(b, 0xffff-uint16(len(seeds)))
	c.receive(in, len(b))
	if c.Counters().SentDatagrams != sent+1 {
		t.Error("no answer after all that")
	}
}
