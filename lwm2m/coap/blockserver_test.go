package coap

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// numbered returns n bytes that tell where they belong.
func numbered(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i += 16 {
		b = fmt.Appendf(b, "%015d ", i)
	}
	return b[:n]
}

// blockPeer plays the client of a block-wise transfer message by message.
type blockPeer struct {
	t    *testing.T
	peer *end
	id   uint16
}

// ask sends one request with a new message ID and a new token and returns the answer.
func (p *blockPeer) ask(m *Message) *Message {
	p.t.Helper()
	p.id++
	m.ID, m.Token = p.id, token(byte(p.id>>8), byte(p.id))
	p.peer.send(p.t, m)
	answer := p.peer.receive(p.t, 0)
	if answer == nil {
		p.t.Fatalf("no answer to %v", show(m))
	}
	if answer.Token != m.Token || answer.ID != m.ID && m.Type == CON {
		p.t.Fatalf("answer %v to %v", show(answer), show(m))
	}
	return answer
}

// put sends one block of an upload and returns the answer as "code block1".
func (p *blockPeer) put(path string, b Block, payload []byte) string {
	p.t.Helper()
	m := request(CON, PUT, 0, Token{}, path).with(Block1, b.value()).carrying(payload)
	return codeAndBlock1(p.ask(m))
}

func codeAndBlock1(m *Message) string {
	s := m.Code.String()
	if b, ok := m.Block1(); ok {
		s += " " + b.String()
	}
	if n, ok := m.Size1(); ok {
		s += fmt.Sprintf(" size %d", n)
	}
	return s
}

// get asks for one block and returns the answer and "code block2".
func (p *blockPeer) get(path string, b Block) (*Message, string) {
	p.t.Helper()
	m := p.ask(request(CON, GET, 0, Token{}, path).with(Block2, b.value()))
	s := m.Code.String()
	if b, ok := m.Block2(); ok {
		s += " " + b.String()
	}
	return m, s
}

// uploads collects the bodies that reach the handler.
type uploads struct{ bodies []string }

func (u *uploads) handle(x *Exchange) {
	u.bodies = append(u.bodies, x.Request.Path()+" "+string(x.Request.Payload))
	_ = x.Reply(Changed)
}

func block(number uint32, more bool, szx uint8) Block {
	return Block{Number: number, More: more, SZX: szx}
}

func TestBlock1(t *testing.T) {
	body := numbered(160)
	a, b, c := body[:16], body[16:32], body[32:40]
	type step struct {
		block   Block
		payload []byte
		want    string
	}
	tests := []struct {
		name  string
		steps []step
		want  []string // bodies
	}{
		{"three blocks", []step{
			{block(0, true, 0), a, "2.31 0/1/16"}, {block(1, true, 0), b, "2.31 1/1/16"}, {block(2, false, 0), c, "2.04 2/0/16"},
		}, []string{"/p " + string(body[:40])}},
		{"a single block", []step{{block(0, false, 0), c, "2.04 0/0/16"}}, []string{"/p " + string(c)}},
		{"the last block is empty", []step{{block(0, true, 0), a, "2.31 0/1/16"}, {block(1, false, 0), nil, "2.04 1/0/16"}}, []string{"/p " + string(a)}},
		{"begins in the middle", []step{{block(1, true, 0), b, "4.08 1/1/16"}}, nil},
		{"a gap", []step{{block(0, true, 0), a, "2.31 0/1/16"}, {block(2, false, 0), c, "4.08 2/0/16"}}, nil},
		{"a gap, then the right block", []step{
			{block(0, true, 0), a, "2.31 0/1/16"},
			{block(2, false, 0), c, "4.08 2/0/16"},
			{block(1, true, 0), b, "2.31 1/1/16"},
			{block(2, false, 0), c, "2.04 2/0/16"},
		}, []string{"/p " + string(body[:40])}},
		{"a block twice", []step{{block(0, true, 0), a, "2.31 0/1/16"}, {block(1, true, 0), b, "2.31 1/1/16"}, {block(1, true, 0), b, "4.08 1/1/16"}}, nil},
		{"block 0 begins anew", []step{
			{block(0, true, 0), b, "2.31 0/1/16"},
			{block(1, true, 0), b, "2.31 1/1/16"},
			{block(0, true, 0), a, "2.31 0/1/16"},
			{block(1, true, 0), b, "2.31 1/1/16"},
			{block(2, false, 0), c, "2.04 2/0/16"},
		}, []string{"/p " + string(body[:40])}},
		{"a single block in place of an upload", []step{
			{block(0, true, 0), a, "2.31 0/1/16"}, {block(0, false, 0), c, "2.04 0/0/16"}, {block(1, false, 0), c, "4.08 1/0/16"},
		}, []string{"/p " + string(c)}},
		{"after the last block", []step{
			{block(0, true, 0), a, "2.31 0/1/16"}, {block(1, false, 0), c, "2.04 1/0/16"}, {block(1, false, 0), c, "4.08 1/0/16"},
		}, []string{"/p " + string(a) + string(c)}},
		{"smaller blocks on the way", []step{
			{block(0, true, 1), body[:32], "2.31 0/1/32"}, {block(2, true, 0), body[32:48], "2.31 2/1/16"}, {block(3, false, 0), body[48:50], "2.04 3/0/16"},
		}, []string{"/p " + string(body[:50])}},
		{"too short but more follow", []step{{block(0, true, 0), a[:15], "4.00 0/1/16"}}, nil},
		{"too long", []step{{block(0, true, 0), body[:17], "4.00 0/1/16"}}, nil},
		{"last too long", []step{{block(0, true, 0), a, "2.31 0/1/16"}, {block(1, false, 0), body[:17], "4.00 1/0/16"}}, nil},
		{"larger blocks than preferred", []step{
			{block(0, true, 4), numbered(256), "2.31 0/1/128"}, {block(2, false, 3), c, "2.04 2/0/128"},
		}, []string{"/p " + string(numbered(256)) + string(c)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var u uploads
				_, peer := scripted(t, u.handle, Options{Params: Params{BlockSize: 128}})
				p := blockPeer{t: t, peer: peer}
				for i, s := range tt.steps {
					if got := p.put("/p", s.block, s.payload); got != s.want {
						t.Errorf("step %d: got %s, want %s", i, got, s.want)
					}
				}
				if diff := cmp.Diff(tt.want, u.bodies); diff != "" {
					t.Errorf("bodies: -want +got\n%s", diff)
				}
			})
		})
	}
}

// Uploads to different paths, and with different options, do not mix.
func TestBlock1TransfersAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u uploads
		c, peer := scripted(t, u.handle, Options{})
		p := blockPeer{t: t, peer: peer}
		p.put("/a", block(0, true, 0), []byte("aaaaaaaaaaaaaaaa"))
		p.put("/b", block(0, true, 0), []byte("bbbbbbbbbbbbbbbb"))
		tagged := request(CON, PUT, 0, Token{}, "/a").with(Block1, block(0, true, 0).value()).with(RequestTag, 7)
		p.ask(tagged.carrying([]byte("cccccccccccccccc")))
		p.put("/b", block(1, false, 0), []byte("2"))
		p.put("/a", block(1, false, 0), []byte("1"))
		last := request(CON, PUT, 0, Token{}, "/a").with(Block1, block(1, false, 0).value()).with(RequestTag, 7)
		p.ask(last.carrying([]byte("3")))
		want := []string{"/b bbbbbbbbbbbbbbbb2", "/a aaaaaaaaaaaaaaaa1", "/a cccccccccccccccc3"}
		if diff := cmp.Diff(want, u.bodies); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		idle(t, c)
	})
}

func TestBlock1Limits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u uploads
		c, peer := scripted(t, u.handle, Options{Limits: Limits{MaxBody: 40, MaxTransfers: 2, MaxTransferBytes: 64}})
		p := blockPeer{t: t, peer: peer}
		sixteen := numbered(16)

		announced := request(CON, PUT, 0, Token{}, "/p").with(Block1, block(0, true, 0).value()).with(Size1, 41)
		if got := codeAndBlock1(p.ask(announced.carrying(sixteen))); got != "4.13 0/1/16 size 40" {
			t.Errorf("announced: %s", got)
		}
		idle(t, c)
		p.put("/p", block(0, true, 0), sixteen)
		p.put("/p", block(1, true, 0), sixteen)
		if got := p.put("/p", block(2, false, 0), sixteen[:9]); got != "4.13 2/0/16 size 40" {
			t.Errorf("too long in the end: %s", got)
		}
		idle(t, c)
		p.put("/p", block(0, true, 0), sixteen)
		p.put("/p", block(1, true, 0), sixteen)
		if got := p.put("/p", block(2, false, 0), sixteen[:8]); got != "2.04 2/0/16" {
			t.Errorf("just within the limit: %s", got)
		}

		for _, path := range []string{"/1", "/2", "/3"} { // one too many: the oldest is given up
			p.put(path, block(0, true, 0), sixteen)
			elapse(time.Second)
		}
		if got := p.put("/1", block(1, false, 0), sixteen); got != "4.08 1/0/16" {
			t.Errorf("oldest of too many: %s", got)
		}
		p.put("/2", block(1, true, 0), sixteen)
		p.put("/3", block(1, true, 0), sixteen) // 64 bytes
		if got := p.put("/3", block(2, false, 0), sixteen[:8]); got != "2.04 2/0/16" {
			t.Errorf("newest: %s", got)
		}
		if got := p.put("/2", block(2, false, 0), sixteen[:8]); got != "2.04 2/0/16" {
			t.Errorf("second: %s", got)
		}
		idle(t, c)
	})
}

// Long notifications, of which the peer may not ask for the rest, take the place of one another and of no upload, and so
// do answers. Uploads take the place of both.
func TestNotificationsEndNoUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{answer: answerAtOnce}
		c, peer := scripted(t, constant(), Options{Upload: func(*Message) Sink { return r }, Limits: Limits{MaxTransfers: 2}})
		p := blockPeer{t: t, peer: peer}
		sixteen := numbered(16)
		notify := func(path string) {
			m := &Message{Type: NON, Code: Content, Payload: numbered(2000)}
			if err := c.Notify(request(NON, GET, 0, token(9), path), m, nil); err != nil {
				t.Fatal(err)
			}
			peer.expect(t, 0, NON, Content)
			elapse(time.Second)
		}
		kept := func() string {
			c.mu.Lock()
			defer c.mu.Unlock()
			ways := make([]byte, 0, len(c.transfers.all))
			for _, h := range c.transfers.all {
				ways = append(ways, h.key[0])
			}
			return string(ways)
		}
		for i, step := range []struct {
			do   func()
			want string
		}{
			{func() { p.put("/up", block(0, true, 0), sixteen) }, "u"},
			{func() { elapse(time.Second); notify("/a") }, "ud"},
			{func() { notify("/b") }, "ud"},
			{func() { p.put("/up2", block(0, true, 0), sixteen) }, "uu"},
			{func() { notify("/c") }, "uu"},
			{func() { p.put("/up2", block(1, false, 0), sixteen) }, "u"},
		} {
			if step.do(); kept() != step.want {
				t.Errorf("step %d: %s is kept, want %s", i, kept(), step.want)
			}
		}
		if got := p.put("/up", block(1, false, 0), sixteen); got != "2.04 1/0/16" {
			t.Errorf("the end of the upload: %s", got)
		}
		idle(t, c)
	})
}

func TestUnfinishedTransfersExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, func(x *Exchange) { _ = x.Respond(&Message{Code: Content, Payload: numbered(100)}) }, Options{})
		p := blockPeer{t: t, peer: peer}
		p.put("/up", block(0, true, 0), numbered(16))
		p.get("/down", block(0, false, 0))
		elapse(200 * time.Second)
		p.put("/up", block(1, true, 0), numbered(16)) // lives longer by that
		elapse(100 * time.Second)
		c.mu.Lock()
		n := c.transfers.count()
		c.mu.Unlock()
		if n != 1 {
			t.Errorf("%d transfers are left, want the upload", n)
		}
		elapse(148 * time.Second)
		idle(t, c)
		if got := p.put("/up", block(2, false, 0), numbered(16)); got != "4.08 2/0/16" {
			t.Errorf("after it expired: %s", got)
		}
	})
}

// recorder is a Sink that keeps what happens.
type recorder struct {
	events []string
	answer func(x *Exchange, last bool)
}

func (r *recorder) Block(x *Exchange, offset int64, last bool) {
	r.events = append(r.events, fmt.Sprintf("%d+%d last=%t", offset, len(x.Request.Payload), last))
	r.answer(x, last)
}

func (r *recorder) Abort(err error) { r.events = append(r.events, "abort: "+err.Error()) }

func answerAtOnce(x *Exchange, last bool) {
	if last {
		_ = x.Reply(Changed)
	} else {
		_ = x.Continue()
	}
}

func TestSink(t *testing.T) {
	sixteen := numbered(16)
	tests := []struct {
		name   string
		answer func(*Exchange, bool)
		play   func(t *testing.T, p *blockPeer, c *Conn)
		want   []string
	}{
		{"whole", answerAtOnce, func(t *testing.T, p *blockPeer, c *Conn) {
			t.Helper()
			for i := range uint32(3) {
				if got, want := p.put("/p", block(i, true, 0), sixteen), fmt.Sprintf("2.31 %d/1/16", i); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			if got := p.put("/p", block(3, false, 0), sixteen[:4]); got != "2.04 3/0/16" {
				t.Errorf("last: %s", got)
			}
			idle(t, c)
		}, []string{"0+16 last=false", "16+16 last=false", "32+16 last=false", "48+4 last=true"}},
		{"gap", answerAtOnce, func(t *testing.T, p *blockPeer, _ *Conn) {
			t.Helper()
			p.put("/p", block(0, true, 0), sixteen)
			if got := p.put("/p", block(2, true, 0), sixteen); got != "4.08 2/1/16" {
				t.Errorf("got %s", got)
			}
			p.put("/p", block(1, false, 0), sixteen)
		}, []string{"0+16 last=false", "16+16 last=true"}},
		{"begun anew", answerAtOnce, func(t *testing.T, p *blockPeer, _ *Conn) {
			t.Helper()
			p.put("/p", block(0, true, 0), sixteen)
			p.put("/p", block(1, true, 0), sixteen)
			p.put("/p", block(0, true, 0), sixteen)
			p.put("/p", block(1, false, 0), sixteen)
		}, []string{"0+16 last=false", "16+16 last=false", "abort: " + ErrBlock.Error(), "0+16 last=false", "16+16 last=true"}},
		{"silence", answerAtOnce, func(t *testing.T, p *blockPeer, c *Conn) {
			t.Helper()
			p.put("/p", block(0, true, 0), sixteen)
			elapse(248 * time.Second)
			idle(t, c)
		}, []string{"0+16 last=false", "abort: " + ErrTimeout.Error()}},
		{"closed", answerAtOnce, func(t *testing.T, p *blockPeer, c *Conn) {
			t.Helper()
			p.put("/p", block(0, true, 0), sixteen)
			_ = c.Close()
		}, []string{"0+16 last=false", "abort: " + ErrClosed.Error()}},
		{"refused on the way", func(x *Exchange, _ bool) { _ = x.Reply(RequestEntityTooLarge) }, func(t *testing.T, p *blockPeer, c *Conn) {
			t.Helper()
			if got := p.put("/p", block(0, true, 0), sixteen); got != "4.13 0/1/16" {
				t.Errorf("got %s", got)
			}
			if got := p.put("/p", block(1, true, 0), sixteen); got != "4.08 1/1/16" {
				t.Errorf("got %s", got)
			}
			idle(t, c)
		}, []string{"0+16 last=false"}},
		{"closed by the sink", func(x *Exchange, _ bool) { _ = x.Conn().Close() }, func(t *testing.T, p *blockPeer, _ *Conn) {
			t.Helper()
			p.peer.send(t, request(CON, PUT, 1, token(1), "/p").with(Block1, block(0, true, 0).value()).carrying(sixteen))
			p.peer.expectNothing(t, silence)
		}, []string{"0+16 last=false", "abort: " + ErrClosed.Error()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{answer: tt.answer}
				handler := func(*Exchange) { t.Error("the handler was called") }
				c, peer := scripted(t, handler, Options{Upload: func(*Message) Sink { return r }})
				tt.play(t, &blockPeer{t: t, peer: peer}, c)
				synctest.Wait()
				if diff := cmp.Diff(tt.want, r.events); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

// A sink that is made while the connection is closed is told so, and gets no block.
func TestCloseWhileAnUploadBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *Conn
		r := &recorder{answer: answerAtOnce}
		c, peer := scripted(t, constant(), Options{Upload: func(*Message) Sink {
			_ = c.Close()
			return r
		}})
		peer.send(t, request(CON, PUT, 1, token(1), "/p").with(Block1, block(0, true, 0).value()).carrying(numbered(16)))
		<-c.Done()
		synctest.Wait()
		idle(t, c)
		if diff := cmp.Diff([]string{"abort: " + ErrClosed.Error()}, r.events); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// A sink may answer later: an empty ACK, then a separate 2.31. A block that comes before
// is out of order, and an answer after the upload began anew is 4.08.
func TestSinkAnswersLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		r := &recorder{answer: func(x *Exchange, _ bool) { l.handle(x) }}
		c, peer := scripted(t, constant(), Options{Upload: func(*Message) Sink { return r }})
		sixteen := numbered(16)
		put := func(id uint16, b Block) {
			peer.send(t, request(CON, PUT, id, token(byte(id)), "/p").with(Block1, b.value()).carrying(sixteen))
		}
		acknowledge := func(m *Message) { peer.send(t, &Message{Type: ACK, ID: m.ID}) }
		put(1, block(0, true, 0))
		peer.expect(t, time.Second, ACK, Empty)
		put(2, block(1, true, 0))
		peer.expect(t, 0, ACK, RequestEntityIncomplete)
		if x := l.take(t); string(x.Request.Payload) != string(sixteen) || x.Continue() != nil {
			t.Error("the first block was not kept")
		}
		m := peer.expect(t, 0, CON, Continue)
		acknowledge(m)
		if got := codeAndBlock1(m); got != "2.31 0/1/16" {
			t.Errorf("got %s", got)
		}
		put(3, block(1, true, 0))
		stale := l.take(t)
		put(4, block(0, true, 0))
		synctest.Wait()
		if err := stale.Continue(); err != nil {
			t.Error(err)
		}
		if m := peer.expect(t, 0, ACK, RequestEntityIncomplete); m.ID != 3 {
			t.Errorf("answered %d", m.ID)
		}
		if err := l.take(t).Continue(); err != nil {
			t.Error(err)
		}
		peer.expect(t, 0, ACK, Continue)
		put(5, block(1, false, 0))
		x := l.take(t)
		if err := x.Reply(Changed); err != nil {
			t.Error(err)
		}
		peer.expect(t, 0, ACK, Changed)
		idle(t, c)
		want := []string{"0+16 last=false", "16+16 last=false", "abort: " + ErrBlock.Error(), "0+16 last=false", "16+16 last=true"}
		if diff := cmp.Diff(want, r.events); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}
