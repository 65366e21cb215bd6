package coap

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

// Bodies of every size that matters go both ways between ends of different capability.
func TestStreamBodies(t *testing.T) {
	for _, limits := range []struct {
		client, server int // Max-Message-Size
		messages       uint64
	}{
		{1 << 16, 1 << 16, 17}, // BERT
		{1152, 1152, 1025},     // blocks of 1024
		{1 << 16, 5000, 260},
		{2000, 1 << 16, 1027},
	} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kept := map[string][]byte{}
				near, far := streamPairOf(t, limits.client, limits.server, func(x *Exchange) {
					m := &Message{Code: Content, Payload: kept[x.Request.Path()]}
					if x.Request.Code == PUT {
						kept[x.Request.Path()] = bytes.Clone(x.Request.Payload)
						m = &Message{Code: Changed}
					}
					if x.Request.Code == FETCH {
						m.Payload = append([]byte("re: "), x.Request.Payload...)
					}
					_ = x.Respond(m)
				})
				for _, size := range []int{0, 1, 1000, 1024, 1025, 1152, 2048, 4900, 5000, 65_000, 66_000, 1 << 20} {
					body := megabyte[:size]
					put := get("/x")
					put.Code, put.Body = PUT, bytes.NewReader(body)
					before := far.Counters().ReceivedDatagrams
					if m, err := near.Do(t.Context(), put); err != nil || m.Code != Changed || !bytes.Equal(kept["/x"], body) {
						t.Fatalf("PUT of %d: %v, %v", size, m, err)
					}
					if n := far.Counters().ReceivedDatagrams - before; size == 1<<20 && n > limits.messages {
						t.Errorf("1 MB up in %d messages", n)
					}
					m, err := near.Do(t.Context(), get("/x"))
					if err != nil || m.Code != Content || !bytes.Equal(m.Payload, body) {
						t.Fatalf("GET of %d: %d bytes, %v", size, len(m.Payload), err)
					}
				}
				fetch := get("/x")
				fetch.Code, fetch.Payload = FETCH, megabyte[:3000]
				if m, err := near.Do(t.Context(), fetch); err != nil || len(m.Payload) != 3004 {
					t.Errorf("FETCH: %v, %v", m, err)
				}
				var half bytes.Buffer
				if _, err := near.Download(t.Context(), get("/x"), Resume{Offset: 1<<19 + 5}, &half); err != nil || !bytes.Equal(half.Bytes(), megabyte[1<<19+5:]) {
					t.Errorf("resumed: %d bytes, %v", half.Len(), err)
				}
				idle(t, near)
				idle(t, far)
			})
		})
	}
}

// A peer asks for blocks of its own size, and gets them.
func TestStreamBlocksAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, _ := scriptedStream(t, func(x *Exchange) {
			_ = x.Respond(&Message{Code: Content, Payload: megabyte[:5000]})
		}, Options{})
		peer.send(t, capable(4000, true))
		for _, tt := range []struct {
			ask, want Block
			bytes     int
		}{
			{Block{SZX: bert}, Block{More: true, SZX: bert}, 3072},
			{Block{Number: 3, SZX: bert}, Block{Number: 3, SZX: bert}, 1928},
			{Block{SZX: 6}, Block{More: true, SZX: 6}, 1024},
			{Block{Number: 1, SZX: 4}, Block{Number: 1, More: true, SZX: 4}, 256},
		} {
			peer.send(t, request(NON, GET, 0, token(1), "/x").with(Block2, tt.ask.value()))
			m := peer.expect(t, Content)
			if b, ok := m.Block2(); !ok || b != tt.want || len(m.Payload) != tt.bytes || !bytes.Equal(m.Payload, megabyte[b.Offset():][:tt.bytes]) {
				t.Errorf("asked for %v, got %v with %d bytes", tt.ask, b, len(m.Payload))
			}
		}
		peer.send(t, request(NON, PUT, 0, token(2), "/x").with(Block1, Block{More: true, SZX: bert}.value()).carrying(megabyte[:1500]))
		peer.expect(t, BadRequest) // no whole units
	})
}

// Without Block-Wise-Transfer a body goes in one message or not at all.
func TestStreamPeerTakesNoBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := scriptedStream(t, func(x *Exchange) {
			_ = x.Respond(&Message{Code: Content, Payload: megabyte[:5000]})
		}, Options{})
		peer.send(t, capable(4000, false), request(NON, GET, 0, token(1), "/x"))
		peer.expect(t, InternalServerError)
		put := get("/x")
		put.Code, put.Payload = PUT, megabyte[:5000]
		if _, err := c.Do(t.Context(), put); !errors.Is(err, ErrTooLong) {
			t.Errorf("PUT: %v", err)
		}
		peer.send(t, capable(200_000, false)) // it has changed its mind
		synctest.Wait()
		put.Payload = megabyte[:150_000]
		go func() { _, _ = c.Do(t.Context(), put) }()
		if m := peer.expect(t, PUT); len(m.Payload) != 150_000 {
			t.Errorf("got %v", show(m))
		}
	})
}
