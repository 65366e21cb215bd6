package handshake

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// part returns a fragment as the payload of a record.
func part(typ Type, seq uint16, body string, from, to int) []byte {
	return Message{typ, seq, []byte(body)}.appendFragment(nil, from, to)
}

func whole(typ Type, seq uint16, body string) []byte { return part(typ, seq, body, 0, len(body)) }

// popAll returns what is due.
func popAll(in *Inbox) (got []string) {
	for {
		m, ok := in.Pop()
		if !ok {
			return got
		}
		got = append(got, fmt.Sprintf("%v %d %s", m.Type, m.Seq, m.Body))
	}
}

func TestInboxOrder(t *testing.T) {
	want := []string{"Certificate 1 key", "ServerKeyExchange 2 share", "ServerHelloDone 3 "}
	parts := [][]byte{
		part(Certificate, 1, "key", 0, 1), part(Certificate, 1, "key", 1, 3), part(Certificate, 1, "key", 0, 2),
		whole(ServerKeyExchange, 2, "share"), whole(ServerHelloDone, 3, ""),
	}
	for shift := range parts { // every rotation, and each backwards
		for _, backwards := range []bool{false, true} {
			order := slices.Concat(parts[shift:], parts[:shift])
			if backwards {
				slices.Reverse(order)
			}
			in := NewInbox(ServerHello)
			in.Number(1)
			var got []string
			for _, p := range order {
				if _, err := in.Push(0, p); err != nil {
					t.Fatal(err)
				}
				got = append(got, popAll(&in)...)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("rotated by %d, backwards %v: %s", shift, backwards, d)
			}
			if len(in.pending) != 0 {
				t.Errorf("%d messages left", len(in.pending))
			}
		}
	}
}

// Before numbering starts any number will do, the ServerHello before a
// HelloVerifyRequest and nothing else.
func TestInboxHello(t *testing.T) {
	in := NewInbox(ServerHello, HelloVerifyRequest)
	push := func(payload []byte) {
		t.Helper()
		if _, err := in.Push(0, payload); err != nil {
			t.Fatal(err)
		}
	}
	push(whole(ServerHelloDone, 9, ""))
	push(whole(HelloVerifyRequest, 0, "cookie"))
	push(part(ServerHello, 7, "hello", 0, 3))
	if d := cmp.Diff([]string{"HelloVerifyRequest 0 cookie"}, popAll(&in)); d != "" {
		t.Error(d)
	}
	push(part(ServerHello, 7, "hello", 3, 5))
	push(whole(HelloVerifyRequest, 0, "again"))
	m, _ := in.Pop()
	if m.Type != ServerHello {
		t.Fatalf("popped %v", m.Type)
	}
	in.Number(m.Seq + 1)
	push(whole(Certificate, 8, ""))
	if d := cmp.Diff([]string{"Certificate 8 ", "ServerHelloDone 9 "}, popAll(&in)); d != "" {
		t.Error(d)
	}
}

func TestInboxRepeated(t *testing.T) {
	in := NewInbox(ServerHello)
	in.Number(3)
	if _, err := in.Push(0, whole(ServerHelloDone, 3, "")); err != nil {
		t.Fatal(err)
	}
	popAll(&in)
	for _, v := range []struct {
		payload []byte
		want    bool
	}{
		{whole(ServerHello, 1, ""), false},
		{whole(ServerHelloDone, 3, ""), true},
		{append(whole(ServerHello, 1, ""), whole(ServerHelloDone, 3, "")...), true},
	} {
		if repeated, err := in.Push(0, v.payload); repeated != v.want || err != nil {
			t.Errorf("%x: %v, %v", v.payload, repeated, err)
		}
	}
}

func TestInboxRefuses(t *testing.T) {
	tooLong := whole(Certificate, 1, "")
	copy(tooLong[1:], []byte{0, 0x20, 0x01}) // a length of 8193
	beyond := part(Certificate, 1, "key", 1, 3)
	beyond[8] = 2 // offset
	disagrees := whole(Certificate, 1, "other")
	for _, v := range []struct {
		name    string
		epoch   uint16
		payload []byte
		want    string
	}{
		{"11 bytes", 0, whole(Certificate, 1, "")[:11], "truncated"},
		{"short fragment", 0, whole(Certificate, 1, "key")[:14], "truncated"},
		{"long message", 0, tooLong, "too long"},
		{"beyond its end", 0, beyond, "beyond its end"},
		{"other length", 0, disagrees, "disagree"},
		{"other type", 0, whole(ServerHelloDone, 1, "key"), "disagree"},
		{"HelloRequest", 0, whole(HelloRequest, 1, ""), "HelloRequest"},
		{"Finished in plaintext", 0, whole(Finished, 1, "x"), "Finished in epoch 0"},
		{"Certificate in epoch 1", 1, whole(Certificate, 1, "key"), "Certificate in epoch 1"},
		{"far ahead", 0, whole(Certificate, 13, "key"), "13, 1 is due"},
	} {
		t.Run(v.name, func(t *testing.T) {
			in := NewInbox(ServerHello)
			in.Number(1)
			if _, err := in.Push(0, part(Certificate, 1, "key", 0, 1)); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Push(v.epoch, v.payload); err == nil || !strings.Contains(err.Error(), v.want) {
				t.Errorf("%v, want %q", err, v.want)
			}
			if _, err := in.Push(0, part(Certificate, 1, "key", 1, 3)); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff([]string{"Certificate 1 key"}, popAll(&in)); d != "" {
				t.Error(d)
			}
		})
	}
}

// What an unauthenticated sender can make us hold is bounded, and never stands in
// the way of the message that is due.
func TestInboxBounds(t *testing.T) {
	held := func(in *Inbox) (n int) {
		for _, p := range in.pending {
			n += len(p.Body)
		}
		return n
	}
	big := strings.Repeat("x", MaxBody)
	for name, number := range map[string]bool{"before the hello": false, "behind it": true} {
		for _, body := range []string{"", "x", big} {
			t.Run(fmt.Sprintf("%s/%d", name, len(body)), func(t *testing.T) {
				in := NewInbox(ServerHello)
				if number {
					in.Number(0)
				}
				refused := 0
				for seq := range uint16(100) {
					if _, err := in.Push(0, part(Certificate, seq+1, body, 0, min(len(body), 1))); err != nil {
						refused++
					}
				}
				if held(&in) > maxBuffered || len(in.pending) > maxPending || refused < 100-maxPending {
					t.Errorf("%d messages of %d bytes held, %d refused", len(in.pending), held(&in), refused)
				}
				if _, err := in.Push(0, whole(ServerHello, 0, big)); err != nil {
					t.Error(err)
				}
				if m, ok := in.Pop(); !ok || !bytes.Equal(m.Body, []byte(big)) {
					t.Error("the message that is due was not delivered")
				}
			})
		}
	}
}

// A forged part of a hello is forgotten by Reset; what is numbered stays.
func TestInboxReset(t *testing.T) {
	in := NewInbox(ServerHello)
	if _, err := in.Push(0, part(ServerHello, 0, "forged", 0, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Push(0, whole(ServerHello, 0, "true")); err == nil {
		t.Error("fragments of two lengths agree")
	}
	in.Reset()
	if _, err := in.Push(0, whole(ServerHello, 0, "true")); err != nil {
		t.Error(err)
	}
	popAll(&in)
	in.Number(1)
	if _, err := in.Push(0, part(Certificate, 1, "key", 0, 1)); err != nil {
		t.Fatal(err)
	}
	in.Reset()
	if _, err := in.Push(0, part(Certificate, 1, "key", 1, 3)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"Certificate 1 key"}, popAll(&in)); d != "" {
		t.Error(d)
	}
}

// Whatever is pushed, the bounds hold and messages come out in order.
func FuzzInbox(f *testing.F) {
	f.Add(slices.Concat(whole(ServerHello, 0, "hello"), part(Certificate, 1, "key", 1, 3), part(Certificate, 1, "key", 0, 2)), false)
	f.Add(slices.Concat(whole(ServerHelloDone, 65535, ""), whole(Certificate, 65534, "")), false)
	f.Add(whole(Finished, 0, "verify_data.."), true)
	f.Fuzz(func(t *testing.T, payload []byte, sealed bool) {
		epoch := uint16(0)
		if sealed {
			epoch = 1
		}
		in := NewInbox(ServerHello, HelloVerifyRequest)
		for len(payload) > 0 { // records of 32 bytes
			n := min(32, len(payload))
			_, _ = in.Push(epoch, payload[:n])
			payload = payload[n:]
			size := 0
			for _, p := range in.pending {
				size += len(p.Body)
			}
			if len(in.pending) > maxPending || size > maxBuffered {
				t.Fatalf("%d messages of %d bytes held", len(in.pending), size)
			}
			next := in.next
			if m, ok := in.Pop(); ok {
				if next >= 0 && int(m.Seq) != next {
					t.Fatalf("message %d when %d was due", m.Seq, next)
				}
				if m.Type == ServerHello && next < 0 {
					in.Number(m.Seq + 1)
				}
			}
		}
	})
}
