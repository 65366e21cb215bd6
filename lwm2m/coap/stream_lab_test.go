package coap

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/tcp/coder"
)

// framed is the end of a stream that a test plays the peer at. Its frames are go-coap's.
type framed struct {
	nc    net.Conn
	in    chan *Message
	ended chan struct{} // nothing comes any more
}

// scriptedStream runs one Conn over a stream and returns it with its peer, which has got a
// CSM and sent none. ended tells what Run returned.
func scriptedStream(t *testing.T, h Handler, o Options) (c *Conn, peer *framed, ended <-chan error) {
	t.Helper()
	a, b := net.Pipe()
	c = NewStream(a, h, o)
	result := make(chan error, 1)
	peer = &framed{nc: b, in: make(chan *Message, 4096), ended: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() { result <- c.Run(t.Context()) })
	running.Go(peer.read)
	t.Cleanup(func() {
		_ = c.Close()
		_ = b.Close()
		running.Wait()
	})
	peer.expect(t, csm)
	return c, peer, result
}

func (p *framed) read() {
	defer close(p.ended)
	var have []byte
	buf := make([]byte, 4096)
	for {
		n, err := p.nc.Read(buf)
		have = append(have, buf[:n]...)
		for {
			var header coder.MessageHeader
			if _, headerErr := coder.DefaultCoder.DecodeHeader(have, &header); headerErr != nil || len(have) < int(header.MessageLength) {
				break
			}
			m := message.Message{Options: make(message.Options, 0, 64)}
			if _, decodeErr := coder.DefaultCoder.Decode(have[:header.MessageLength], &m); decodeErr == nil {
				p.in <- fromPeer(m)
			}
			have = have[header.MessageLength:]
		}
		if err != nil {
			return
		}
	}
}

func fromPeer(m message.Message) *Message {
	n := &Message{Type: NON, Code: Code(m.Code), Payload: append([]byte(nil), m.Payload...)}
	n.Token, _ = MakeToken(m.Token)
	for _, o := range m.Options {
		n.AddOption(OptionID(o.ID), o.Value)
	}
	return n
}

// frame encodes a message as go-coap does.
func frame(tb testing.TB, m *Message) []byte {
	tb.Helper()
	out := message.Message{Code: codes.Code(m.Code), Token: m.Token.Bytes(), Payload: m.Payload, Options: m.options}
	size, err := coder.DefaultCoder.Size(out)
	if err != nil {
		tb.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := coder.DefaultCoder.Encode(out, b); err != nil {
		tb.Fatal(err)
	}
	return b
}

func (p *framed) send(t *testing.T, messages ...*Message) {
	t.Helper()
	for _, m := range messages {
		p.write(t, frame(t, m))
	}
}

func (p *framed) write(t *testing.T, b []byte) {
	t.Helper()
	if _, err := p.nc.Write(b); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
}

// receive returns the next message, nil if none comes within a time of the bubble.
func (p *framed) receive(within time.Duration) *Message {
	select {
	case m := <-p.in:
		return m
	case <-after(within):
		synctest.Wait() // for what happens at the same instant
		select {
		case m := <-p.in:
			return m
		default:
			return nil
		}
	}
}

// expect is receive of a message that has to come at once, with a code.
func (p *framed) expect(t *testing.T, code Code) *Message {
	t.Helper()
	m := p.receive(0)
	if m == nil {
		t.Fatalf("nothing came, want %v", code)
	}
	if m.Code != code {
		t.Fatalf("got %v, want %v", show(m), code)
	}
	return m
}

// capable is the CSM of a peer.
func capable(size uint32, blockwise bool) *Message {
	m := (&Message{Code: csm}).with(maxMessageSize, size)
	if blockwise {
		m.AddOption(blockWiseTransfer, nil)
	}
	return m
}

func newReader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

// streamPairOf is streamPair with the largest messages that each end takes.
func streamPairOf(tb testing.TB, client, server int, h Handler) (near, far *Conn) {
	tb.Helper()
	a, b := net.Pipe()
	near = NewStream(a, nil, Options{Limits: Limits{MaxMessage: client}})
	far = NewStream(b, h, Options{Limits: Limits{MaxMessage: server}})
	run(tb, near)
	run(tb, far)
	return near, far
}
