package coap

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// answers plays a server: for each request in turn a function makes the answer. It returns
// what was asked, as "method block1 block2 n bytes".
func answers(t *testing.T, peer *end, script ...func(req *Message) *Message) <-chan []string {
	t.Helper()
	done := make(chan []string, 1)
	go func() {
		var asked []string
		for _, answer := range script {
			req, err := Parse(<-peer.in)
			if err != nil {
				t.Error(err)
				break
			}
			asked = append(asked, describe(req))
			m := answer(req)
			m.Type, m.ID, m.Token = ACK, req.ID, req.Token
			if _, err := peer.Write(wire(t, m)); err != nil {
				t.Error(err)
			}
		}
		done <- asked
	}()
	return done
}

func describe(m *Message) string {
	s := m.Code.String()
	if b, ok := m.Block1(); ok {
		s += " up " + b.String()
	}
	if b, ok := m.Block2(); ok {
		s += " down " + b.String()
	}
	if _, ok := m.Observe(); ok {
		s += " observe"
	}
	if echo, ok := m.Option(Echo); ok {
		s += " echo " + string(echo)
	}
	if len(m.Payload) > 0 {
		s += " " + string(m.Payload)
	}
	return s
}

// reply makes an answer with a code, and a block option if b is not nil.
func reply(code Code, id OptionID, b *Block, payload string) func(*Message) *Message {
	return func(*Message) *Message {
		m := &Message{Code: code, Payload: []byte(payload)}
		if b != nil {
			m.SetOptionUint(id, b.value())
		}
		return m
	}
}

func up(code Code, number uint32, more bool, szx uint8) func(*Message) *Message {
	return reply(code, Block1, &Block{Number: number, More: more, SZX: szx}, "")
}

func down(number uint32, more bool, szx uint8, payload, etag string) func(*Message) *Message {
	return func(*Message) *Message {
		m := reply(Content, Block2, &Block{Number: number, More: more, SZX: szx}, payload)(nil)
		if etag != "" {
			m.SetETag([]byte(etag))
		}
		return m
	}
}

const (
	sixteenA = "aaaaaaaaaaaaaaaa"
	sixteenB = "bbbbbbbbbbbbbbbb"
	sixteenC = "cccccccccccccccc"
)

func TestClientBlock1(t *testing.T) {
	body := sixteenA + sixteenB + "cc"
	tests := []struct {
		name   string
		size   int // preferred
		script []func(*Message) *Message
		want   []string
		code   Code
		err    error
	}{
		{
			"three blocks", 16,
			[]func(*Message) *Message{up(Continue, 0, true, 0), up(Continue, 1, true, 0), up(Changed, 2, false, 0)},
			[]string{"PUT up 0/1/16 " + sixteenA, "PUT up 1/1/16 " + sixteenB, "PUT up 2/0/16 cc"},
			Changed, nil,
		},
		{"fits", 64, []func(*Message) *Message{reply(Changed, 0, nil, "")}, []string{"PUT down 0/0/64 " + body}, Changed, nil},
		{
			"smaller blocks wanted", 32,
			[]func(*Message) *Message{up(Continue, 0, true, 0), up(Changed, 2, false, 0)},
			[]string{"PUT up 0/1/32 " + sixteenA + sixteenB, "PUT up 2/0/16 cc"},
			Changed, nil,
		},
		{
			"larger blocks are not taken", 16,
			[]func(*Message) *Message{up(Continue, 0, true, 3), up(Continue, 1, true, 3), up(Changed, 2, false, 3)},
			[]string{"PUT up 0/1/16 " + sixteenA, "PUT up 1/1/16 " + sixteenB, "PUT up 2/0/16 cc"},
			Changed, nil,
		},
		{
			"first block too large", 32,
			[]func(*Message) *Message{up(RequestEntityTooLarge, 0, true, 0), up(Continue, 0, true, 0), up(Continue, 1, true, 0), up(Changed, 2, false, 0)},
			[]string{"PUT up 0/1/32 " + sixteenA + sixteenB, "PUT up 0/1/16 " + sixteenA, "PUT up 1/1/16 " + sixteenB, "PUT up 2/0/16 cc"},
			Changed, nil,
		},
		{
			"message too large", 64,
			[]func(*Message) *Message{up(RequestEntityTooLarge, 0, false, 1), up(Continue, 0, true, 1), up(Changed, 1, false, 1)},
			[]string{"PUT down 0/0/64 " + body, "PUT up 0/1/32 " + sixteenA + sixteenB, "PUT up 1/0/32 cc"},
			Changed, nil,
		},
		{"body too large", 16, []func(*Message) *Message{up(RequestEntityTooLarge, 0, true, 0)}, []string{"PUT up 0/1/16 " + sixteenA}, RequestEntityTooLarge, nil},
		{
			"refused on the way", 16,
			[]func(*Message) *Message{up(Continue, 0, true, 0), reply(Unauthorized, 0, nil, "")},
			[]string{"PUT up 0/1/16 " + sixteenA, "PUT up 1/1/16 " + sixteenB},
			Unauthorized, nil,
		},
		{
			"the server lost it", 16,
			[]func(*Message) *Message{up(Continue, 0, true, 0), up(RequestEntityIncomplete, 1, true, 0), up(Continue, 0, true, 0), up(Continue, 1, true, 0), up(Changed, 2, false, 0)},
			[]string{"PUT up 0/1/16 " + sixteenA, "PUT up 1/1/16 " + sixteenB, "PUT up 0/1/16 " + sixteenA, "PUT up 1/1/16 " + sixteenB, "PUT up 2/0/16 cc"},
			Changed, nil,
		},
		{
			"each block is enacted", 16,
			[]func(*Message) *Message{up(Changed, 0, false, 0), up(Changed, 1, true, 0), up(Created, 2, false, 0)},
			[]string{"PUT up 0/1/16 " + sixteenA, "PUT up 1/1/16 " + sixteenB, "PUT up 2/0/16 cc"},
			Created, nil,
		},
		{
			"success to the first block", 16,
			[]func(*Message) *Message{reply(Changed, 0, nil, "")},
			[]string{"PUT up 0/1/16 " + sixteenA},
			0, ErrBlock,
		},
		{
			"2.31 to the last", 16,
			[]func(*Message) *Message{up(Continue, 0, true, 0), up(Continue, 1, true, 0), up(Continue, 2, false, 0)},
			[]string{"PUT up 0/1/16 " + sixteenA, "PUT up 1/1/16 " + sixteenB, "PUT up 2/0/16 cc"},
			0, ErrBlock,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := scripted(t, nil, Options{Params: Params{BlockSize: tt.size}})
				for _, req := range []*Message{{Code: PUT, Payload: []byte(body)}, {Code: PUT, Body: strings.NewReader(body)}} {
					asked := answers(t, peer, tt.script...)
					m, err := c.Do(t.Context(), req)
					if !errors.Is(err, tt.err) || err == nil && m.Code != tt.code {
						t.Errorf("got %v, %v", m, err)
					}
					if diff := cmp.Diff(tt.want, <-asked); diff != "" {
						t.Errorf("-want +got\n%s", diff)
					}
				}
			})
		})
	}
}

func TestClientBlock1IsBegunAnewOnlySoOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{Params: Params{BlockSize: 16}})
		script := make([]func(*Message) *Message, 0, 2*(maxRestarts+1))
		for range maxRestarts + 1 {
			script = append(script, up(Continue, 0, true, 0), up(RequestEntityIncomplete, 1, true, 0))
		}
		asked := answers(t, peer, script...)
		m, err := c.Do(t.Context(), &Message{Code: PUT, Payload: make([]byte, 40)})
		if err != nil || m.Code != RequestEntityIncomplete {
			t.Errorf("got %v, %v", m, err)
		}
		<-asked
	})
}

func TestClientBlock2(t *testing.T) {
	tests := []struct {
		name   string
		code   Code
		script []func(*Message) *Message
		want   []string
		body   string
		result Code
		err    error
	}{
		{
			"three blocks", GET,
			[]func(*Message) *Message{down(0, true, 0, sixteenA, "x"), down(1, true, 0, sixteenB, "x"), down(2, false, 0, "cc", "x")},
			[]string{"GET", "GET down 1/0/16", "GET down 2/0/16"},
			sixteenA + sixteenB + "cc", Content, nil,
		},
		{"one block", GET, []func(*Message) *Message{down(0, false, 0, "a", "")}, []string{"GET"}, "a", Content, nil},
		{"no Block2", GET, []func(*Message) *Message{reply(Content, 0, nil, sixteenA+sixteenB)}, []string{"GET"}, sixteenA + sixteenB, Content, nil},
		{
			"smaller on the way", GET,
			[]func(*Message) *Message{down(0, true, 1, sixteenA+sixteenB, ""), down(2, true, 0, sixteenC, ""), down(3, false, 0, "d", "")},
			[]string{"GET", "GET down 1/0/32", "GET down 3/0/16"},
			sixteenA + sixteenB + sixteenC + "d", Content, nil,
		},
		{
			"the ETag changes once", GET,
			[]func(*Message) *Message{down(0, true, 0, sixteenA, "x"), down(1, true, 0, sixteenB, "y"), down(0, true, 0, sixteenC, "y"), down(1, false, 0, "b", "y")},
			[]string{"GET", "GET down 1/0/16", "GET down 0/0/1024", "GET down 1/0/16"},
			sixteenC + "b", Content, nil,
		},
		{
			"an ETag appears", GET,
			[]func(*Message) *Message{down(0, true, 0, sixteenA, ""), down(1, false, 0, "b", "y"), down(0, false, 6, "c", "y")},
			[]string{"GET", "GET down 1/0/16", "GET down 0/0/1024"},
			"c", Content, nil,
		},
		{
			"it vanishes on the way", GET,
			[]func(*Message) *Message{down(0, true, 0, sixteenA, "x"), reply(NotFound, 0, nil, "")},
			[]string{"GET", "GET down 1/0/16"},
			"", NotFound, nil,
		},
		{
			"wrong number", GET,
			[]func(*Message) *Message{down(0, true, 0, sixteenA, ""), down(2, false, 0, "c", "")},
			[]string{"GET", "GET down 1/0/16"},
			"", 0, ErrBlock,
		},
		{"first is not the first", GET, []func(*Message) *Message{down(1, true, 0, sixteenA, "")}, []string{"GET"}, "", 0, ErrBlock},
		{"too short but more follow", GET, []func(*Message) *Message{down(0, true, 0, sixteenA[1:], "")}, []string{"GET"}, "", 0, ErrBlock},
		{"reserved SZX", GET, []func(*Message) *Message{down(0, true, 7, sixteenA, "")}, []string{"GET"}, "", 0, ErrBlock},
		{"too long, announced", GET, []func(*Message) *Message{func(m *Message) *Message {
			return down(0, true, 0, sixteenA, "")(m).with(Size2, 101)
		}}, []string{"GET"}, "", 0, ErrBodyTooLarge},
		{
			"too long", GET,
			[]func(*Message) *Message{down(0, true, 2, strings.Repeat("a", 64), ""), down(1, false, 2, strings.Repeat("a", 37), "")},
			[]string{"GET", "GET down 1/0/64"},
			"", 0, ErrBodyTooLarge,
		},
		{
			"a POST says its body once", POST,
			[]func(*Message) *Message{down(0, true, 0, sixteenA, ""), down(1, false, 0, "b", "")},
			[]string{"POST what", "POST down 1/0/16"},
			sixteenA + "b", Content, nil,
		},
		{
			"a FETCH says again what it asks for", FETCH,
			[]func(*Message) *Message{down(0, true, 0, sixteenA, ""), down(1, false, 0, "b", "")},
			[]string{"FETCH what", "FETCH down 1/0/16 what"},
			sixteenA + "b", Content, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := scripted(t, nil, Options{Limits: Limits{MaxBody: 100}})
				asked := answers(t, peer, tt.script...)
				req := &Message{Code: tt.code}
				if tt.code != GET {
					req.Payload = []byte("what")
				}
				m, err := c.Do(t.Context(), req)
				if !errors.Is(err, tt.err) {
					t.Errorf("got %v, %v", m, err)
				}
				if err == nil && (m.Code != tt.result || string(m.Payload) != tt.body) {
					t.Errorf("got %v with %q", m.Code, m.Payload)
				}
				if diff := cmp.Diff(tt.want, <-asked); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

func TestClientGivesUpOnARepresentationThatAlwaysChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		script := make([]func(*Message) *Message, 0, 2*(maxRestarts+1))
		for range maxRestarts + 1 {
			script = append(script, down(0, true, 0, sixteenA, "x"), down(1, true, 0, sixteenB, "y"))
		}
		asked := answers(t, peer, script...)
		if _, err := c.Do(t.Context(), get("/a")); !errors.Is(err, ErrChanged) {
			t.Errorf("got %v", err)
		}
		<-asked
	})
}

func TestEarlyNegotiation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{Params: Params{BlockSize: 64}})
		asked := answers(t, peer, down(0, true, 1, sixteenA+sixteenB, ""), down(1, false, 1, "c", ""))
		if _, err := c.Do(t.Context(), get("/a")); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"GET down 0/0/64", "GET down 1/0/32"}, <-asked); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestDownload(t *testing.T) {
	body := numbered(5000)
	tests := []struct {
		name string
		from Resume
		want []byte
		err  error
		code Code
	}{
		{"whole", Resume{}, body, nil, Content},
		{"from a block's border", Resume{Offset: 1024, ETag: []byte("v1")}, body[1024:], nil, Content},
		{"from within a block", Resume{Offset: 1500}, body[1500:], nil, Content},
		{"from within the last block", Resume{Offset: 4999}, body[4999:], nil, Content},
		{"of another version", Resume{Offset: 1024, ETag: []byte("v0")}, nil, ErrChanged, 0},
		{"beyond the end", Resume{Offset: 1 << 20}, nil, nil, BadRequest},
		{"far beyond the end", Resume{Offset: 1 << 40}, nil, nil, BadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _, _, _ := pair(t, nil, func(x *Exchange) {
					m := &Message{Code: Content, Body: bytes.NewReader(body)}
					m.SetETag([]byte("v1"))
					m.SetContentFormat(42)
					_ = x.Respond(m)
				}, Options{Limits: Limits{MaxBody: 100}})
				var got bytes.Buffer
				m, err := client.Download(t.Context(), get("/fw"), tt.from, &got)
				if !errors.Is(err, tt.err) || err == nil && m.Code != tt.code {
					t.Fatalf("got %v, %v", m, err)
				}
				if !bytes.Equal(got.Bytes(), tt.want) {
					t.Errorf("got %d bytes, want %d", got.Len(), len(tt.want))
				}
			})
		})
	}
}

// beginning is a writer that looks at the first answer.
type beginning struct {
	bytes.Buffer
	etag string
	err  error
}

func (b *beginning) Begin(first *Message) error {
	if b.Len() > 0 {
		return errors.New("something was written before")
	}
	b.etag = string(first.ETag())
	return b.err
}

func TestDownloadShowsItsFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, _, _ := pair(t, nil, func(x *Exchange) {
			m := &Message{Code: Content, Payload: numbered(5000)}
			m.SetETag([]byte("v1"))
			_ = x.Respond(m)
		}, Options{})
		got := &beginning{}
		if _, err := client.Download(t.Context(), get("/fw"), Resume{}, got); err != nil || got.etag != "v1" || got.Len() != 5000 {
			t.Errorf("got %d bytes of %q, %v", got.Len(), got.etag, err)
		}
		refuses := &beginning{err: errDisk}
		if _, err := client.Download(t.Context(), get("/fw"), Resume{}, refuses); !errors.Is(err, errDisk) || refuses.Len() > 0 {
			t.Errorf("got %d bytes, %v", refuses.Len(), err)
		}
	})
}

type failingWriter struct{ after int }

var errDisk = errors.New("disk full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestDownloadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		client, _, _, _ := pair(t, nil, func(x *Exchange) {
			if runs++; x.Request.Path() == "/gone" {
				_ = x.Respond(&Message{Code: NotFound, Payload: []byte("no such image")})
				return
			}
			_ = x.Respond(&Message{Code: Content, Payload: numbered(5000)})
		}, Options{})
		var got bytes.Buffer
		m, err := client.Download(t.Context(), get("/gone"), Resume{}, &got)
		if err != nil || m.Code != NotFound || string(m.Payload) != "no such image" || got.Len() > 0 {
			t.Errorf("got %v, %v", m, err)
		}
		if _, err := client.Download(t.Context(), get("/fw"), Resume{}, &failingWriter{after: 2000}); !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := client.Download(ctx, get("/fw"), Resume{}, &got); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestBodyThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, _, _ := pair(t, nil, constant(), Options{})
		body := &closeCounter{ReaderAt: bytes.NewReader(numbered(100)), size: 5000}
		if _, err := client.Do(t.Context(), &Message{Code: PUT, Body: body}); err == nil {
			t.Error("a body that is shorter than its size was sent")
		}
	})
}

func TestOversizeResponseFailsTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, b := scripted(t, nil, Options{})
		for i, typ := range []Type{ACK, CON, NON} {
			ended := start(t.Context(), client, get("/a"))
			synctest.Wait()
			client.mu.Lock()
			var m Message
			for tok, o := range client.calls {
				m = Message{Type: typ, Code: Content, ID: o.id + uint16(min(i, 1)*1000), Token: tok, Payload: make([]byte, 3000)}
			}
			client.mu.Unlock()
			b.send(t, &m)
			if o := <-ended; !errors.Is(o.err, ErrBodyTooLarge) {
				t.Errorf("%v: got %v", typ, o.err)
			}
		}
		if n := client.Counters().Oversize; n != 3 {
			t.Errorf("counted %d", n)
		}
	})
}
