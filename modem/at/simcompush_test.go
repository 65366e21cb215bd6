package at

import (
	"slices"
	"testing"
)

// TestPushedBytes has a module hand over a datagram that looks like answers, at each place of an answer, byte by byte.
func TestPushedBytes(t *testing.T) {
	const answer = "\r\n+CSQ: 17,99\r\n\r\nOK\r\n"
	for _, tt := range []struct {
		family *udp
		said   string
	}{
		{&simcomOldUDP, "\r\n+RECEIVE,0,6:\r\n\r\nOK\r\n\r\n"},
		{&simcomLTEUDP, "\r\nRECV FROM:192.0.2.1:5684\r\n+IPD6\r\n\r\nOK\r\n\r\n"},
	} {
		for _, at := range []int{0, len("\r\n+CSQ: 17,99\r\n"), len(answer)} {
			h, got := newHand(), ""
			h.Push(tt.family.pushes, func(datagram string) { got += datagram })
			r := h.start(t, Command{Text: "+CSQ", Prefix: "+CSQ:"})
			stream := answer[:at] + tt.said + answer[at:]
			for i := range stream {
				if err := h.take([]byte{stream[i]}); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-r.result; err != nil || !slices.Equal(r.lines, []string{"+CSQ: 17,99"}) || got != "\r\nOK\r\n" {
				t.Errorf("%q: %q, %v, datagram %q", stream, r.lines, err, got)
			}
		}
	}
}

// TestPushedOutlivesCommand has a command end in the middle of a datagram.
func TestPushedOutlivesCommand(t *testing.T) {
	h, got := newHand(), ""
	h.Push(simcomOldPushes, func(datagram string) { got += datagram })
	r := h.start(t, Command{Text: "+CSQ", Prefix: "+CSQ:"})
	if err := h.take([]byte("\r\n+RECEIVE,0,6:\r\nabc")); err != nil {
		t.Fatal(err)
	}
	h.giveUp(ErrSilent)
	<-r.result
	if err := h.take([]byte("def")); err != nil || got != "abcdef" {
		t.Errorf("%q, %v", got, err)
	}
}
