package coap

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/tcp/coder"
)

// streamSeeds are what peers send, at the limits of the format.
var streamSeeds = []string{
	"", "00", "0000", "09", "00e1", "20e1 23 0fa0", "30e1 21ff 20", "00e1 0001", "00e1 10e2 20", "00e1 01e2 55", "00e1 01e3 55", "00e1 00e4", "00e1 20e5 ff 6e",
	"20e1 91 01", "00e1 10e2 91", "00e1 00e9", "d0", "d000", "e00000", "f000000000", "f0ffffffff", "00e1 1045 ff",
	"00e1 2101 07 b1 78", "00e1 2101 07 b1 6c 2101 08 b1 6e", "00e1 0145 08", "00e1 2145 07 60", "40e1 2107d0 20 2101 08 b162 5101 09 b162 c1 07",
	"00e1 d00c03 b1 61 d1 0e 0f ff 00000000000000 00e1",
}

// FuzzFrames: frames are read as go-coap reads them, and written as they were.
func FuzzFrames(f *testing.F) {
	for _, s := range streamSeeds {
		f.Add(seed(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &byteStream{in: newReader(b)}
		in := &inbox{}
		n, size, err := s.next(in, 100_000)
		var header coder.MessageHeader
		_, peerErr := coder.DefaultCoder.DecodeHeader(b, &header)
		if errors.Is(peerErr, message.ErrShortRead) && errors.Is(err, errTooLarge) {
			return // known before the end of the header
		}
		if fits := peerErr == nil && int(header.MessageLength) <= min(len(b), 100_000); fits != (err == nil) {
			t.Fatalf("%x: %v, go-coap %+v, %v", b, err, header, peerErr)
		}
		if err != nil {
			return
		}
		if size != int(header.MessageLength) || Code(in.buf[1]) != Code(header.Code) {
			t.Fatalf("%x: %d bytes, go-coap %+v", b, size, header)
		}
		again, size2, err := (&byteStream{in: newReader(appendFrame(nil, in.buf[:n]))}).next(&inbox{}, 100_000)
		if err != nil || again != n || size2 > size {
			t.Fatalf("%x: again %d bytes, %v", b, size2, err)
		}
	})
}

// source is a stream whose peer has sent all there is, and takes whatever comes.
type source struct {
	blackHole
	in *bytes.Reader
}

func (s *source) Read(b []byte) (int, error) { return s.in.Read(b) }

// FuzzStream feeds bytes to a connection with requests, notifications and an observation of
// its own: whatever comes, it ends with the bytes or before, and all limits hold.
func FuzzStream(f *testing.F) {
	var all []byte
	for _, s := range streamSeeds {
		f.Add(seed(s))
		if !bytes.Contains(seed(s), []byte{0xff, 0xff}) {
			all = append(all, seed(s)...)
		}
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, data []byte) {
		var held []*Exchange
		nc := &source{in: bytes.NewReader(data)}
		limits := Limits{MaxBody: 200, MaxTransfers: 3, MaxTransferBytes: 2000, MaxDeferred: 4, MaxMessage: 2000}
		c := NewStream(nc, fuzzHandler(&held), Options{Limits: limits, Params: Params{AckTimeout: time.Hour}})
		c.stream.peer = capabilities{maxMessage: 600, blockwise: true}
		fuzzOutgoing(t, c)
		in := &inbox{}
		for {
			n, size, err := c.stream.next(in, c.options.Limits.MaxMessage)
			var taken bool
			if err == nil {
				taken, err = c.receiveFrame(in, n, size)
			}
			if taken {
				in = &inbox{}
			}
			if err != nil {
				if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrAborted) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				break
			}
			if len(held) > 2 {
				_ = held[0].Reply(Content)
				held = held[1:]
			}
			checkLimits(t, c, limits)
		}
		_ = c.Close()
		c.timers.Wait()
	})
}
