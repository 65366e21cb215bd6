package coap

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// oneWay is how long a datagram takes in these tests.
const oneWay = 100 * time.Millisecond

// depot serves a body, and counts.
type depot struct {
	body  []byte
	etag  string
	runs  int      // of the handler
	asked []uint32 // numbers, as they come
}

func (d *depot) handle(x *Exchange) {
	d.runs++
	m := &Message{Code: Content, Body: bytes.NewReader(d.body)}
	if d.etag != "" {
		m.SetETag([]byte(d.etag))
	}
	_ = x.Respond(m)
}

// far returns a client whose peer is the depot, at a distance, with at most a number of
// requests at a time. fate may lose datagrams of the client.
func far(t *testing.T, d *depot, nstart int, lost func(n int) bool) *Conn {
	t.Helper()
	client, _, near, distant := pair(t, nil, d.handle, Options{Params: Params{NStart: nstart}})
	near.disturb(func(n int, b []byte) []time.Duration {
		m, err := Parse(b)
		if err != nil {
			t.Error(err)
			return nil
		}
		if lost != nil && lost(n) {
			return nil
		}
		block, _ := m.Block2()
		d.asked = append(d.asked, block.Number)
		return []time.Duration{oneWay}
	})
	distant.disturb(func(int, []byte) []time.Duration { return []time.Duration{oneWay} })
	return client
}

// fetch downloads and returns how many round trips that took.
func fetch(t *testing.T, c *Conn, d *depot, from int) (roundTrips int) {
	t.Helper()
	var got bytes.Buffer
	began := time.Now()
	m, err := c.Download(t.Context(), get("/fw"), Resume{Offset: int64(from)}, &got)
	if err != nil || m.Code != Content || !bytes.Equal(got.Bytes(), d.body[from:]) {
		t.Fatalf("got %d bytes, %v, %v", got.Len(), m, err)
	}
	idle(t, c)
	return int(time.Since(began) / (2 * oneWay))
}

func TestDownloadAsksAhead(t *testing.T) {
	tests := []struct {
		name         string
		nstart, from int
		want         int // round trips at most, of 100 blocks
	}{
		{"one at a time", 1, 0, 100},
		{"four", 4, 0, 32},
		{"eight", 8, 0, 24},
		{"on from within a block", 8, 50_100, 18},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &depot{body: numbered(100 << 10)}
				took := fetch(t, far(t, d, tt.nstart, nil), d, tt.from)
				if took > tt.want || took < (tt.want-tt.nstart)/2 {
					t.Errorf("%d round trips, want at most %d", took, tt.want)
				}
				if d.runs != 1 {
					t.Errorf("the handler ran %d times: the representation was forgotten on the way", d.runs)
				}
				if i := slices.Index(d.asked, 99); i != len(d.asked)-1 || i != 99-tt.from>>10 {
					t.Errorf("the last block was asked for as number %d of %d", i, len(d.asked))
				}
			})
		})
	}
}

// TestDownloadAsksAheadWithinReason shows that half as many are asked for at a time when a
// request was lost, and more again with time.
func TestDownloadAsksAheadWithinReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &depot{body: numbered(200 << 10)}
		client := far(t, d, 8, func(n int) bool { return n == 40 })
		done := make(chan struct{})
		go func() {
			defer close(done)
			fetch(t, client, d, 0)
		}()
		var most [3]int // requests at a time: before the loss, in the rounds after it, then
		for after := 0; ; {
			select {
			case <-done:
				if most[0] != 8 || most[1] > 6 || most[2] != 8 || d.runs != 1 {
					t.Errorf("%v at a time, the handler ran %d times", most, d.runs)
				}
				return
			case <-time.After(oneWay / 2):
			}
			synctest.Wait()
			if client.Counters().Retransmissions > 0 {
				after++
			}
			client.mu.Lock()
			when := min((after+7)/8, 2) // what is repeated takes a round
			most[when] = max(most[when], client.outstanding)
			client.mu.Unlock()
		}
	})
}

// TestDownloadFromASimpleServer shows that one that bears no more than one request at a
// time is asked one at a time, once that is seen.
func TestDownloadFromASimpleServer(t *testing.T) {
	for name, refusal := range map[string]*Message{
		"refuses":             {Code: RequestEntityIncomplete},
		"is busy":             {Code: ServiceUnavailable},
		"answers another one": {Code: Content, Payload: make([]byte, 1024)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body, next, refused := numbered(100<<10), uint32(0), 0
				d := &depot{body: body}
				c := simple(t, d, &next, &refused, refusal)
				fetch(t, c, d, 0)
				if refused == 0 || refused > 10 {
					t.Errorf("%d requests were refused", refused)
				}
			})
		})
	}
}

// simple returns a client of a server that answers the block after the last one, and that
// one again.
func simple(t *testing.T, d *depot, next *uint32, refused *int, refusal *Message) *Conn {
	t.Helper()
	a, b := pipe()
	slow := func(int, []byte) []time.Duration { return []time.Duration{oneWay} }
	a.disturb(slow)
	b.disturb(slow)
	c := New(a, nil, Options{Params: Params{NStart: 8}})
	run(t, c)
	var busy time.Time // until then
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		for {
			var datagram []byte
			select {
			case <-stop:
				return
			case datagram = <-b.in:
			}
			req, err := Parse(datagram)
			if err != nil {
				t.Error(err)
				return
			}
			block, _ := req.Block2()
			block.SZX = maxSZX
			m := refusal.Clone()
			if block.Number <= *next && time.Now().After(busy) {
				*next = block.Number + 1
				m = &Message{Code: Content, Payload: d.body[block.Offset():][:1024]}
				block.More = block.Offset()+1024 < int64(len(d.body))
				m.SetOptionUint(Size2, uint32(len(d.body)))
				busy = time.Now().Add(oneWay)
			} else {
				*refused++
				block = Block{Number: 0, More: true, SZX: maxSZX}
			}
			if m.Code == Content {
				m.SetOptionUint(Block2, block.value())
			}
			m.Type, m.ID, m.Token = ACK, req.ID, req.Token
			b.send(t, m)
		}
	}()
	return c
}

// TestDownloadAheadOfChanges has the peer go over to smaller blocks, and to another
// representation, while blocks are asked for ahead.
func TestDownloadAheadOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &depot{body: numbered(100 << 10), etag: "1"}
		client, server, near, distant := pair(t, nil, d.handle, Options{Params: Params{NStart: 8}})
		asked := 0
		near.disturb(func(int, []byte) []time.Duration {
			if asked++; asked == 50 {
				server.SetParams(Params{NStart: 8, BlockSize: 256})
			}
			return []time.Duration{oneWay}
		})
		distant.disturb(func(int, []byte) []time.Duration { return []time.Duration{oneWay} })
		fetch(t, client, d, 0)
		if asked < 200 {
			t.Errorf("%d requests: the blocks did not become smaller", asked)
		}
		server.SetParams(Params{NStart: 8})
		asked = 0
		near.disturb(func(int, []byte) []time.Duration {
			if asked++; asked == 50 {
				d.etag = "2"
				server.mu.Lock()
				server.transfers.dropAll(ErrTimeout)
				server.mu.Unlock()
			}
			return []time.Duration{oneWay}
		})
		var got bytes.Buffer
		if _, err := client.Download(t.Context(), get("/fw"), Resume{}, &got); !errors.Is(err, ErrChanged) || !bytes.HasPrefix(d.body, got.Bytes()) {
			t.Errorf("%d bytes, %v", got.Len(), err)
		}
		idle(t, client)
	})
}
