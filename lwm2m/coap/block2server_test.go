package coap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// representations counts the runs of a handler that answers with bodies.
type representations struct {
	runs int
	body func(run int) *Message
}

func (r *representations) handle(x *Exchange) {
	r.runs++
	_ = x.Respond(r.body(r.runs))
}

func payload(n int) func(int) *Message {
	return func(int) *Message { return &Message{Code: Content, Payload: numbered(n)} }
}

func TestBlock2(t *testing.T) {
	type step struct {
		ask  Block
		want string
		from int // of numbered
		n    int
	}
	tests := []struct {
		name  string
		size  int
		steps []step
		runs  int
	}{
		{"in order", 40, []step{{block(0, false, 0), "2.05 0/1/16", 0, 16}, {block(1, false, 0), "2.05 1/1/16", 16, 16}, {block(2, false, 0), "2.05 2/0/16", 32, 8}}, 1},
		{"the last block is full", 32, []step{{block(0, false, 0), "2.05 0/1/16", 0, 16}, {block(1, false, 0), "2.05 1/0/16", 16, 16}}, 1},
		{"asked in blocks but short", 16, []step{{block(0, false, 0), "2.05 0/0/16", 0, 16}}, 1},
		{"asked in larger blocks than preferred", 300, []step{{block(0, false, 6), "2.05 0/1/128", 0, 128}, {block(1, false, 3), "2.05 1/1/128", 128, 128}, {block(2, false, 3), "2.05 2/0/128", 256, 44}}, 1},
		{"larger in the middle", 300, []step{{block(0, false, 2), "2.05 0/1/64", 0, 64}, {block(1, false, 3), "2.05 1/1/128", 128, 128}}, 1},
		{"smaller in the middle", 300, []step{{block(0, false, 3), "2.05 0/1/128", 0, 128}, {block(4, false, 1), "2.05 4/1/32", 128, 32}}, 1},
		{"any order", 64, []step{{block(0, false, 0), "2.05 0/1/16", 0, 16}, {block(2, false, 0), "2.05 2/1/16", 32, 16}, {block(1, false, 0), "2.05 1/1/16", 16, 16}}, 1},
		{"the M bit is ignored", 64, []step{{block(0, true, 0), "2.05 0/1/16", 0, 16}, {block(1, true, 0), "2.05 1/1/16", 16, 16}}, 1},
		{"beyond the end", 40, []step{{block(0, false, 0), "2.05 0/1/16", 0, 16}, {block(3, false, 0), "4.00", 0, 0}, {block(2, false, 0), "2.05 2/0/16", 32, 8}}, 1},
		{"beyond the end at a block's border", 32, []step{{block(2, false, 0), "4.00", 0, 0}}, 1},
		{"the last block number", 40, []step{{block(1<<20-1, false, 6), "4.00", 0, 0}}, 1},
		{"from the middle", 40, []step{{block(1, false, 0), "2.05 1/1/16", 16, 16}, {block(2, false, 0), "2.05 2/0/16", 32, 8}}, 1},
		{"again after the end", 40, []step{{block(2, false, 0), "2.05 2/0/16", 32, 8}, {block(2, false, 0), "2.05 2/0/16", 32, 8}}, 2},
		{"of an empty body", 0, []step{{block(0, false, 0), "2.05 0/0/16", 0, 0}, {block(1, false, 0), "4.00", 0, 0}}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := representations{body: payload(tt.size)}
				_, peer := scripted(t, r.handle, Options{Params: Params{BlockSize: 128}})
				p := blockPeer{t: t, peer: peer}
				etags := map[string]bool{}
				for i, s := range tt.steps {
					m, got := p.get("/r", s.ask)
					if got != s.want || !bytes.Equal(m.Payload, numbered(400)[s.from:][:s.n]) {
						t.Errorf("step %d: got %s with %q, want %s", i, got, m.Payload, s.want)
					}
					if m.Code == Content {
						etags[string(m.ETag())] = true
					}
					if b, _ := m.Block2(); (b.Number > 0 || b.More) && m.ETag() == nil {
						t.Errorf("step %d: no ETag", i)
					}
					if size, ok := m.Size2(); ok && int(size) != tt.size {
						t.Errorf("step %d: Size2 %d", i, size)
					}
				}
				if len(etags) > 1 {
					t.Errorf("ETags %q", slices.Collect(maps.Keys(etags)))
				}
				if r.runs != tt.runs {
					t.Errorf("the handler ran %d times, want %d", r.runs, tt.runs)
				}
			})
		})
	}
}

// Representations of other paths, queries, formats and questions are others.
func TestBlock2RepresentationsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, func(x *Exchange) {
			accept, _ := x.Request.Accept()
			what := fmt.Sprintf("%s %v %d %s;", x.Request.Path(), x.Request.Queries(), accept, x.Request.Payload)
			_ = x.Respond(&Message{Code: Content, Payload: []byte(strings.Repeat(what, 20))})
		}, Options{})
		p := blockPeer{t: t, peer: peer}
		variants := []func(m *Message){
			func(*Message) {},
			func(m *Message) { m.SetPath("/b") },
			func(m *Message) { m.AddQuery("x=1") },
			func(m *Message) { m.SetAccept(110) },
			func(m *Message) { m.Code = FETCH; m.Payload = []byte("one") },
		}
		bodies := make([]string, len(variants))
		for number := range uint32(2) {
			for i, vary := range variants {
				m := request(CON, GET, 0, Token{}, "/a").with(Block2, block(number, false, 2).value())
				vary(m)
				answer := p.ask(m)
				if answer.Code != Content {
					t.Fatalf("%d: got %v", i, show(answer))
				}
				bodies[i] += string(answer.Payload)
			}
		}
		for i, body := range bodies {
			what, _, _ := strings.Cut(body, ";")
			if body != strings.Repeat(what+";", 20)[:128] {
				t.Errorf("%d is mixed: %s", i, body)
			}
		}
		other := request(CON, FETCH, 0, Token{}, "/a").with(Block2, block(1, false, 2).value()).carrying([]byte("two"))
		if got := p.ask(other); !bytes.Contains(got.Payload, []byte("two")) {
			t.Errorf("another question got %s", got.Payload)
		}
		if got, want := c.transfers.count(), len(variants); got != want {
			t.Errorf("%d representations are kept, want %d", got, want)
		}
	})
}

// A request that is not safe must not be processed again for the blocks of its answer.
func TestBlock2OfAPostIsNotProcessedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := representations{body: func(int) *Message { return &Message{Code: Changed, Payload: numbered(40)} }}
		_, peer := scripted(t, r.handle, Options{})
		p := blockPeer{t: t, peer: peer}
		follow := func() *Message {
			return p.ask(request(CON, POST, 0, Token{}, "/x").with(Block2, block(1, false, 0).value()))
		}
		if m := follow(); m.Code != RequestEntityIncomplete {
			t.Errorf("without a first block: %v", show(m))
		}
		p.ask(request(CON, POST, 0, Token{}, "/x").with(Block2, 0).carrying([]byte("do")))
		if m := follow(); m.Code != Changed || string(m.Payload) != string(numbered(40)[16:32]) {
			t.Errorf("second block: %v", show(m))
		}
		if r.runs != 1 {
			t.Errorf("the handler ran %d times", r.runs)
		}
		if m := p.ask(request(CON, POST, 0, Token{}, "/x").with(Block2, block(1, false, 0).value()).with(Block1, 0)); m.Code != BadRequest {
			t.Errorf("Block1 and a later Block2 in one: %v", show(m))
		}
	})
}

// RFC 7959 section 3.3, figure 11: a POST in blocks with an answer in blocks.
func TestBlock1AndBlock2Combined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, func(x *Exchange) {
			_ = x.Respond(&Message{Code: Changed, Payload: bytes.ToUpper(x.Request.Payload)})
		}, Options{})
		p := blockPeer{t: t, peer: peer}
		post := func(b1 Block, payload string) *Message {
			return p.ask(request(CON, POST, 0, Token{}, "/soap").with(Block1, b1.value()).with(Block2, 0).carrying([]byte(payload)))
		}
		if m := post(block(0, true, 0), "sixteen bytes..."); codeAndBlock1(m) != "2.31 0/1/16" || len(m.ETag()) > 0 {
			t.Errorf("first: %v", show(m))
		} else if _, ok := m.Block2(); ok {
			t.Errorf("2.31 with Block2: %v", show(m))
		}
		m := post(block(1, false, 0), "and more")
		if b2, _ := m.Block2(); codeAndBlock1(m) != "2.04 1/0/16" || b2.String() != "0/1/16" || string(m.Payload) != "SIXTEEN BYTES..." {
			t.Errorf("last: %v", show(m))
		}
		m = p.ask(request(CON, POST, 0, Token{}, "/soap").with(Block2, block(1, false, 0).value()))
		if b2, _ := m.Block2(); b2.String() != "1/0/16" || string(m.Payload) != "AND MORE" {
			t.Errorf("rest: %v", show(m))
		}
		idle(t, c)
	})
}

// closeCounter is a Body that is read in pieces and counts how often it is closed.
type closeCounter struct {
	io.ReaderAt
	size   int64
	closed int
	fail   bool
}

func (c *closeCounter) Size() int64 { return c.size }

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

func (c *closeCounter) ReadAt(p []byte, off int64) (int, error) {
	if c.fail {
		return 0, errors.New("the disk is gone")
	}
	return c.ReaderAt.ReadAt(p, off)
}

func TestStreamedBody(t *testing.T) {
	tests := []struct {
		name string
		size int64 // as announced; the content has 100 bytes
		play func(t *testing.T, p *blockPeer, c *Conn, body *closeCounter)
	}{
		{"in one", 10, func(*testing.T, *blockPeer, *Conn, *closeCounter) {}},
		{"to the end", 100, func(t *testing.T, p *blockPeer, _ *Conn, body *closeCounter) {
			t.Helper()
			if body.closed > 0 {
				t.Error("closed too early")
			}
			m, _ := p.get("/r", block(1, false, 2))
			if string(m.Payload) != string(numbered(100)[64:]) {
				t.Errorf("got %q", m.Payload)
			}
		}},
		{"given up", 100, func(_ *testing.T, _ *blockPeer, _ *Conn, _ *closeCounter) { elapse(248 * time.Second) }},
		{"closed", 100, func(_ *testing.T, _ *blockPeer, c *Conn, _ *closeCounter) { _ = c.Close() }},
		{"asked anew", 100, func(t *testing.T, p *blockPeer, _ *Conn, body *closeCounter) {
			t.Helper()
			p.get("/r", block(0, false, 2)) // the handler answers with a body of its own
		}},
		{"fails on the way", 100, func(t *testing.T, p *blockPeer, _ *Conn, body *closeCounter) {
			t.Helper()
			body.fail = true
			if _, got := p.get("/r", block(1, false, 2)); got != "5.00" {
				t.Errorf("got %s", got)
			}
		}},
		{"shorter than it said", 200, func(t *testing.T, p *blockPeer, _ *Conn, _ *closeCounter) {
			t.Helper()
			if _, got := p.get("/r", block(1, false, 2)); got != "5.00" {
				t.Errorf("got %s", got)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := &closeCounter{ReaderAt: bytes.NewReader(numbered(100)), size: tt.size}
				answers := []*Message{{Code: Content, Body: body}, {Code: Content, Body: strings.NewReader("x")}}
				c, peer := scripted(t, func(x *Exchange) {
					_ = x.Respond(answers[0])
					answers = answers[1:]
				}, Options{})
				p := &blockPeer{t: t, peer: peer}
				m, _ := p.get("/r", block(0, false, 2))
				if n := min(tt.size, 64); string(m.Payload) != string(numbered(100)[:n]) {
					t.Errorf("first block %q", m.Payload)
				}
				tt.play(t, p, c, body)
				synctest.Wait()
				if body.closed != 1 {
					t.Errorf("closed %d times", body.closed)
				}
			})
		})
	}
}

func TestLargeRepresentationIsKeptAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := representations{body: payload(1000)}
		c, peer := scripted(t, r.handle, Options{Limits: Limits{MaxTransferBytes: 1500, MaxTransfers: 3}})
		p := blockPeer{t: t, peer: peer}
		p.get("/a", block(0, false, 4))
		p.get("/b", block(0, false, 4)) // 2,000 bytes: a is given up
		p.get("/b", block(1, false, 4))
		if r.runs != 2 {
			t.Errorf("%d runs", r.runs)
		}
		p.get("/a", block(1, false, 4)) // made anew
		if r.runs != 3 || c.transfers.bytes != 1000 {
			t.Errorf("%d runs, %d bytes", r.runs, c.transfers.bytes)
		}
	})
}
