package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/agent/trace"
	"lwm2m-agent/lwm2m/coap"
)

// TestTrace: a client hears the messages from the moment when it is told that it does, and the
// agent's end.
func TestTrace(t *testing.T) {
	d := newDevice(t)
	s := NewSocketServer(d, SocketOptions{Path: t.TempDir() + "/s"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		if err := s.Run(serving); err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	m := &coap.Message{Code: coap.GET}
	m.SetPath("/3303/0/5700")
	datagram, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	link := &trace.Link{ShortServerID: 101, Local: &net.UDPAddr{Port: 1}, Remote: &net.UDPAddr{Port: 2}}
	note := func() { d.tap.Note(link, coap.Received, datagram, clock) }
	var heard []trace.Message
	err = NewClient(s.opts.Path).Trace(ctx, note, func(m trace.Message) error {
		if heard = append(heard, m); len(heard) == 3 {
			stop() // the stream ends with the agent
		} else {
			note()
		}
		return nil
	})
	if err == nil || err.Error() != "the agent has ended the stream" {
		t.Errorf("ended with %v", err)
	}
	for _, m := range heard {
		if m.Path != "/3303/0/5700" || m.Name != "name of /3303/0/5700" || m.Operation != "Read" || m.ShortServerID != 101 || !m.Time.Equal(clock()) {
			t.Errorf("heard %+v", m)
		}
	}
	d.tap.Note(link, coap.Received, nil, func() time.Time {
		t.Error("somebody listens when all have gone")
		return clock()
	})
}

// TestTraceEnds: a client that goes is listened for no more.
func TestTraceEnds(t *testing.T) {
	d := newDevice(t)
	h := Handler(d, func(*http.Request, Access) error { return nil }, HandlerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/v1/trace", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range maxStreams + 1 {
		h.ServeHTTP(&discard{}, r)
	}
	d.tap.Note(nil, coap.Sent, nil, func() time.Time {
		t.Error("somebody listens when all have gone")
		return clock()
	})
}

// discard is a client that takes everything.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header {
	if d.header == nil {
		d.header = make(http.Header)
	}
	return d.header
}
func (d *discard) Write(b []byte) (int, error)      { return len(b), nil }
func (d *discard) WriteHeader(code int)             { d.Header().Set("Code", http.StatusText(code)) }
func (d *discard) Flush()                           {}
func (d *discard) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (d *discard) SetWriteDeadline(time.Time) error { return nil }
