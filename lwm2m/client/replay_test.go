package client

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// slow has each datagram take its time, and none overtake another.
func (l *lab) slow() {
	var n atomic.Int64
	l.server.relay = func() []time.Duration {
		return []time.Duration{20*time.Millisecond + time.Duration(n.Add(1))*time.Microsecond}
	}
}

// TestManyStoredAreReplayed shows that many go in few messages, in order, whatever fits into
// one by format and size of blocks, and that the server has time to fetch what does not.
func TestManyStoredAreReplayed(t *testing.T) {
	for _, c := range []struct{ format, ours, theirs, most int }{
		{senmlCBOR, 1024, 1024, 20},
		{senmlJSON, 1024, 1024, 50},
		{senmlCBOR, 256, 1024, 100},
		{senmlCBOR, 1024, 256, 100},
		{senmlJSON, 32, 1024, 500}, // each in several blocks
	} {
		var fetched atomic.Int32
		blocks := func(k *Config) {
			k.Params = func(uint16) Params { return Params{CoAP: coap.Params{BlockSize: c.ours}} }
			k.Trace = func(_ *Link, d coap.Direction, b []byte) {
				if m, err := coap.Parse(b); err == nil && d == coap.Received {
					if block, ok := m.Block2(); ok && block.Number > 0 {
						fetched.Add(1)
					}
				}
			}
		}
		simulate(t, blocks, func(l *lab) {
			l.slow()
			l.run()
			l.after(time.Second)
			began := time.Now()
			l.observe(temperature, -1)
			values := make([]float64, 500)
			for i := range values {
				values[i] = float64(i)
			}
			l.long(values...)
			l.wantQueued(500)
			m := &coap.Message{Code: coap.GET}
			m.SetPath(temperature)
			m.SetAccept(uint16(c.format))
			if c.theirs == 256 {
				m.SetOptionUint(coap.Block2, 4) // 16 << 4
			}
			w := l.watch(m)
			l.after(10 * time.Minute)
			payloads := w.payloads()
			got := datedAll(l.t, began, c.format, payloads)
			for i, s := range got {
				if _, value, _ := strings.Cut(s, "="); value != fmt.Sprint(values[i]) {
					l.t.Fatalf("%+v: %d is %s", c, i, s)
				}
			}
			if len(got) != 500 || len(payloads) > c.most {
				l.t.Errorf("%+v: %d notifications in %d messages", c, len(got), len(payloads))
			}
			if n := fetched.Load(); n > 0 == (c.ours > 32) {
				l.t.Errorf("%+v: the server fetched %d blocks", c, n)
			}
			l.wantQueued(0)
		})
	}
}

// TestStoredInBlocks shows that one notification that is longer than a block counts as told
// when the server has fetched its last block, and that one which the server does not fetch is
// told again, a few times: it holds up what is new.
func TestStoredInBlocks(t *testing.T) {
	for _, fetches := range []bool{true, false} {
		var firsts atomic.Int32
		count := func(c *Config) {
			c.Trace = func(_ *Link, d coap.Direction, b []byte) {
				if m, err := coap.Parse(b); err == nil && d == coap.Sent && m.Type == coap.CON && m.Code == coap.Content {
					firsts.Add(1)
				}
			}
		}
		simulate(t, count, func(l *lab) {
			l.slow()
			for iid := range uint16(100) {
				l.temperature(iid, 20)
			}
			l.run()
			l.after(time.Minute)
			m := &coap.Message{Code: coap.GET}
			m.SetPath("/3303")
			m.SetAccept(uint16(senmlCBOR))
			w := &watcher{lab: l}
			if fetches {
				w = l.watch(m)
			} else if _, _, err := l.server.connection().Observe(l.t.Context(), m); err != nil {
				l.t.Fatal(err)
			}
			l.outage(func() { l.warm(10*time.Second, 21, 22) })
			l.after(time.Minute)
			if got := len(w.payloads()); fetches && (got != 2 || firsts.Load() != 2) {
				l.t.Errorf("%d notifications in %d messages", got, firsts.Load())
			}
			if !fetches {
				l.wantQueued(2)
				l.after(time.Hour)
				if n := firsts.Load(); n != 2*maxUnfetched {
					l.t.Errorf("told %d times", n)
				}
			}
			l.wantQueued(0)
			l.wantState(Registered)
		})
	}
}

// TestStoredInBlocksWait shows that stored notifications in blocks are told one after the other, and again when others, that are
// told meanwhile, have taken their place: that is not the server's fault.
func TestStoredInBlocksWait(t *testing.T) {
	small := func(c *Config) {
		c.Params = func(uint16) Params {
			return Params{CoAP: coap.Params{BlockSize: 16}, Limits: coap.Limits{MaxTransfers: 2}}
		}
	}
	simulate(t, small, func(l *lab) {
		var transit atomic.Int64
		transit.Store(int64(time.Millisecond))
		l.server.relay = func() []time.Duration { return []time.Duration{time.Duration(transit.Load())} }
		const stored, busy = 4, 3
		for iid := range uint16(stored + busy) {
			l.temperature(iid, 20)
		}
		l.run()
		l.after(time.Minute)
		watchers := make([]*watcher, 0, stored+busy)
		for iid := range stored + busy {
			watchers = append(watchers, l.observe(fmt.Sprintf("/3303/%d", iid), senmlJSON))
		}
		l.outage(func() {
			for iid := range uint16(stored) {
				l.temperature(iid, 30)
			}
			l.after(time.Second)
		})
		transit.Store(int64(700 * time.Millisecond))
		for i := range 100 {
			l.after(2 * time.Second)
			for iid := range uint16(busy) {
				l.temperature(stored+iid, float64(40+i))
			}
		}
		l.after(2 * time.Hour)
		for iid, w := range watchers[:stored] {
			if got := strings.Join(w.payloads(), " "); strings.Count(got, `"v":30`) != 1 {
				l.t.Errorf("%d: told %s", iid, got)
			}
		}
		l.wantQueued(0)
	})
}
