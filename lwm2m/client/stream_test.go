package client

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

// firmware is an owner that takes /5/0/0 in pieces.
type firmware struct {
	model.Plain
	size    int64
	begun   int
	got     bytes.Buffer
	pieces  int
	closed  bool
	aborted error
	refuse  error         // of Stream
	full    int           // bytes from which on Write fails; 0: never
	busy    chan struct{} // Write waits for its end; nil: it does not
}

func (f *firmware) Streams(rid uint16) bool { return rid == 0 }

func (f *firmware) Stream(_ context.Context, _ model.Origin, _ lwm2m.Path, size int64) (model.Stream, error) {
	f.size = size
	f.begun++
	f.got.Reset()
	return f, f.refuse
}

func (f *firmware) Write(_ context.Context, b []byte) error {
	if f.busy != nil {
		<-f.busy
	}
	f.pieces++
	f.got.Write(b)
	if f.full > 0 && f.got.Len() > f.full {
		return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "the disk is full")
	}
	return nil
}

func (f *firmware) Close(context.Context) error { f.closed = true; return nil }
func (f *firmware) Abort(err error)             { f.aborted = err }

// simulateFirmware is simulate with object 5.
func simulateFirmware(t *testing.T, do func(l *lab, f *firmware)) {
	t.Helper()
	simulate(t, nil, func(l *lab) {
		f := &firmware{}
		p, err := l.tree.AddRegistered(5, f)
		if err != nil {
			t.Fatal(err)
		}
		l.publish(p, func(b *model.Batch) {
			b.Create(0)
			b.Declare(0, 0)
			b.Set(0, 1, lwm2m.String(""))
		})
		l.run()
		do(l, f)
	})
}

func TestLargeValuesAreHandedOnInPieces(t *testing.T) {
	content := strings.Repeat("firmware", 3<<17) // 3 MiB, more than may be assembled
	for _, format := range []lwm2m.Format{lwm2m.FormatOpaque, lwm2m.FormatTLV, lwm2m.FormatCBOR} {
		t.Run(format.String(), func(t *testing.T) {
			simulateFirmware(t, func(l *lab, f *firmware) {
				p := lwm2m.MustPath("/5/0/0")
				body, err := wire.Append(nil, format, p, []lwm2m.Node{{Path: p, Value: lwm2m.Opaque([]byte(content))}})
				if err != nil {
					t.Fatal(err)
				}
				l.wantCode(l.send(coap.PUT, "/5/0/0", format, string(body)), coap.Changed)
				if f.got.String() != content || !f.closed || f.size < int64(len(content)) || f.pieces < 1000 {
					t.Errorf("got %d bytes of %d in %d pieces, %d announced, closed: %v", f.got.Len(), len(content), f.pieces, f.size, f.closed)
				}
			})
		})
	}
}

func TestSmallAndOtherValuesAreNotStreamed(t *testing.T) {
	simulateFirmware(t, func(l *lab, f *firmware) {
		l.wantCode(l.send(coap.PUT, "/5/0/0", lwm2m.FormatOpaque, "small"), coap.Changed)
		l.wantCode(l.send(coap.PUT, "/5/0/0", lwm2m.FormatSenMLJSON, `[{"n":"/5/0/0","vd":"`+strings.Repeat("AAAA", 1000)+`"}]`), coap.Changed)
		l.wantCode(l.send(coap.PUT, "/3/0/15", lwm2m.FormatOpaque, strings.Repeat("x", 3000)), coap.UnsupportedContentFormat)
		if f.begun > 0 {
			t.Error("something was taken in pieces")
		}
	})
}

func TestStreamsAreRefused(t *testing.T) {
	long := strings.Repeat("x", 5000)
	simulateFirmware(t, func(l *lab, f *firmware) {
		f.refuse = lwm2m.Errorf(lwm2m.MethodNotAllowed, "there is a package")
		l.wantCode(l.send(coap.PUT, "/5/0/0", lwm2m.FormatOpaque, long), coap.MethodNotAllowed)
		f.refuse, f.full = nil, 2000
		l.wantCode(l.send(coap.PUT, "/5/0/0", lwm2m.FormatOpaque, long), coap.RequestEntityTooLarge)
		f.full = 0
		l.wantCode(l.send(coap.PUT, "/5/0/0", lwm2m.FormatCBOR, "\x59\x10\x00"+long), coap.BadRequest)
		l.wantCode(l.send(coap.PUT, "/5/0/0", lwm2m.FormatCBOR, "\x59\xff\xff"+long), coap.BadRequest)
		if !errors.Is(f.aborted, errWrongLength) || f.closed {
			t.Errorf("aborted with %v, closed: %v", f.aborted, f.closed)
		}
		l.wantCode(l.sendBlock(8, "0123456789abcdef"), coap.Continue)
		begun := f.begun
		l.client.bootstrap.busy.Store(true) // as while a bootstrap server writes
		l.wantCode(l.sendBlock(1<<4, "end"), coap.ServiceUnavailable)
		l.wantCode(l.send(coap.PUT, "/5/0/0", lwm2m.FormatOpaque, long), coap.ServiceUnavailable)
		if f.begun != begun || f.closed || !errors.Is(f.aborted, errBootstrapping) {
			t.Errorf("during a bootstrap begun %d times, closed: %v, aborted with %v", f.begun-begun, f.closed, f.aborted)
		}
	})
}

func TestStreamEndsWithItsConnection(t *testing.T) {
	simulateFirmware(t, func(l *lab, f *firmware) {
		m := &coap.Message{Code: coap.PUT, Payload: bytes.Repeat([]byte("x"), 16)}
		m.SetPath("/5/0/0")
		m.SetContentFormat(uint16(lwm2m.FormatOpaque))
		m.SetOptionUint(coap.Block1, 8) // 0/1/16
		l.wantCode(l.do(m), coap.Continue)
		l.stop()
		l.stop = nil
		synctest.Wait()
		if f.aborted == nil || f.closed {
			t.Errorf("aborted with %v, closed: %v", f.aborted, f.closed)
		}
	})
}

// TestStreamEndsWithItsAccount shows that nothing goes on taking blocks once the account has ended.
func TestStreamEndsWithItsAccount(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &firmware{}
	s := &inflow{account: &account{ctx: ctx}, over: make(chan struct{}), stream: f}
	cancel()
	s.run()
	if !errors.Is(f.aborted, coap.ErrClosed) {
		t.Errorf("aborted with %v", f.aborted)
	}
}

// sendBlock sends a block of a package with a value of Block1.
func (l *lab) sendBlock(value uint32, payload string) *coap.Message {
	return l.sendBlockIn(lwm2m.FormatOpaque, value, payload)
}

func (l *lab) sendBlockIn(format lwm2m.Format, value uint32, payload string) *coap.Message {
	m := &coap.Message{Code: coap.PUT, Payload: []byte(payload)}
	m.SetPath("/5/0/0")
	m.SetContentFormat(uint16(format))
	m.SetOptionUint(coap.Block1, value)
	return l.do(m)
}

// TestBlocksAreAnsweredAhead shows that blocks are taken while their owner is busy, as many
// as there is room for, and that one that comes after the owner has refused is refused.
func TestBlocksAreAnsweredAhead(t *testing.T) {
	const piece, more = "0123456789abcdef", 8
	simulateFirmware(t, func(l *lab, f *firmware) {
		l.wantCode(l.sendBlock(more, piece), coap.Continue)
		f.busy = make(chan struct{})
		n := uint32(1)
		for ; n <= blocksAhead; n++ {
			l.wantCode(l.sendBlock(n<<4|more, piece), coap.Continue)
		}
		if f.pieces != 1 {
			t.Errorf("the owner has got %d pieces", f.pieces)
		}
		answered := make(chan *coap.Message)
		go func() { answered <- l.sendBlock(n<<4|more, piece) }()
		synctest.Wait()
		select {
		case <-answered:
			t.Error("a block was taken for which there is no room")
		default:
		}
		close(f.busy)
		l.wantCode(<-answered, coap.Continue)
		n++
		l.wantCode(l.sendBlock(n<<4, "end"), coap.Changed)
		if f.got.String() != strings.Repeat(piece, blocksAhead+2)+"end" || !f.closed {
			t.Errorf("the owner has got %d bytes, closed: %v", f.got.Len(), f.closed)
		}

		f.busy, f.full = nil, 2*len(piece)
		l.wantCode(l.sendBlock(more, piece), coap.Continue)
		for n := uint32(1); n < 3; n++ {
			l.wantCode(l.sendBlock(n<<4|more, piece), coap.Continue)
		}
		synctest.Wait()
		l.wantCode(l.sendBlock(3<<4|more, piece), coap.RequestEntityTooLarge)
	})
}

func TestFirstBlockBeginsAnew(t *testing.T) {
	simulateFirmware(t, func(l *lab, f *firmware) {
		block := l.sendBlock
		l.wantCode(block(8, "0123456789abcdef"), coap.Continue)
		l.wantCode(block(16+8, "0123456789abcdef"), coap.Continue)
		l.wantCode(block(8, "fedcba9876543210"), coap.Continue)
		l.wantCode(block(2*16, "x"), coap.RequestEntityIncomplete)
		l.wantCode(block(16, "end"), coap.Changed)
		if f.begun != 2 || f.got.String() != "fedcba9876543210end" {
			t.Errorf("begun %d times, got %q", f.begun, f.got.String())
		}
	})
}

// TestAnotherUploadTakesThePlaceOfOne has a server begin anew in another format, which is another transfer to the message layer.
func TestAnotherUploadTakesThePlaceOfOne(t *testing.T) {
	const piece, more = "0123456789abcdef", 8
	simulateFirmware(t, func(l *lab, f *firmware) {
		began := time.Now()
		l.wantCode(l.sendBlock(more, piece), coap.Continue)
		l.wantCode(l.sendBlockIn(lwm2m.FormatCBOR, more, "\x59\x00\x1dabcdefghijklm"), coap.Continue)
		l.wantCode(l.sendBlock(16|more, piece), coap.RequestEntityIncomplete)
		l.wantCode(l.sendBlockIn(lwm2m.FormatCBOR, 16, piece), coap.Changed)
		if took := time.Since(began); f.begun != 2 || f.got.String() != "abcdefghijklm"+piece || took > time.Second {
			t.Errorf("begun %d times, got %q after %v", f.begun, f.got.String(), took)
		}
	})
}
