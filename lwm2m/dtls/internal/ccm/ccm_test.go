package ccm

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"

	pion "github.com/pion/dtls/v3/pkg/crypto/ccm"
)

func newCCM(tb testing.TB, key []byte, nonceSize, tagSize int) *CCM {
	tb.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := New(block, nonceSize, tagSize)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// count returns the bytes 0, 1, … n-1.
func count(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// Packet vectors 1 to 4 and 7 of RFC 3610, section 8: whole and broken blocks,
// two lengths of additional data, two of tags.
func TestRFC3610(t *testing.T) {
	key := "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
	for _, v := range []struct {
		nonce          string
		packet, header int // lengths
		tag            int
		sealed         string
	}{
		{"00000003020100a0a1a2a3a4a5", 31, 8, 8, "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"},
		{"00000004030201a0a1a2a3a4a5", 32, 8, 8, "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916"},
		{"00000005040302a0a1a2a3a4a5", 33, 8, 8, "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5"},
		{"00000006050403a0a1a2a3a4a5", 31, 12, 8, "a28c6865939a9a79faaa5c4c2a9d4a91cdac8c96c861b9c9e61ef1"},
		{"00000009080706a0a1a2a3a4a5", 31, 8, 10, "0135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490"},
	} {
		c := newCCM(t, unhex(t, key), 13, v.tag)
		packet := count(v.packet)
		header, payload := packet[:v.header], packet[v.header:]
		nonce, want := unhex(t, v.nonce), unhex(t, v.sealed)
		if got := c.Seal(nil, nonce, payload, header); !bytes.Equal(got, want) {
			t.Errorf("Seal with nonce %s: %x, want %x", v.nonce, got, want)
		}
		if got, err := c.Open(nil, nonce, want, header); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("Open with nonce %s: %x, %v", v.nonce, got, err)
		}
	}
}

// Lengths around the blocks, for all nonce and tag sizes of the profile and those at
// the bounds, agree with pion's implementation; so do results in place.
func TestAgainstPion(t *testing.T) {
	key := count(16)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, nonceSize := range []int{7, 12, 13} {
		for _, tagSize := range []int{4, 8, 16} {
			c := newCCM(t, key, nonceSize, tagSize)
			reference, err := pion.NewCCM(block, tagSize, nonceSize)
			if err != nil {
				t.Fatal(err)
			}
			nonce := count(nonceSize)
			for _, size := range []int{0, 1, 15, 16, 17, 31, 32, 33, 100, 255 * 16, 256*16 + 1} {
				for _, additional := range []int{0, 1, 13, 14, 15, 30, 31, 300} {
					compare(t, c, reference, nonce, size, additional)
				}
			}
		}
	}
}

func compare(t *testing.T, c *CCM, reference pion.CCM, nonce []byte, size, additional int) {
	t.Helper()
	plain, data := count(size), count(additional)
	want := reference.Seal(nil, nonce, plain, data)
	name := fmt.Sprintf("nonce %d, tag %d, %d bytes with %d", c.NonceSize(), c.Overhead(), size, additional)

	prefix := []byte("prefix")
	if got := c.Seal(prefix, nonce, plain, data); !bytes.Equal(got, append([]byte("prefix"), want...)) {
		t.Errorf("%s: Seal differs", name)
	}
	buf := append(make([]byte, 0, size+c.Overhead()), plain...)
	sealed := c.Seal(buf[:0], nonce, buf, data)
	if !bytes.Equal(sealed, want) || size > 0 && &sealed[0] != &buf[0] {
		t.Errorf("%s: Seal in place differs", name)
	}
	if got, err := c.Open(prefix, nonce, sealed, data); err != nil || !bytes.Equal(got, append([]byte("prefix"), plain...)) {
		t.Errorf("%s: Open: %v", name, err)
	}
	if got, err := c.Open(sealed[:0], nonce, sealed, data); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%s: Open in place: %v", name, err)
	}
}

// Every changed bit of ciphertext, tag, nonce or additional data is found, and what
// was decrypted on the way is wiped.
func TestOpenRefuses(t *testing.T) {
	c := newCCM(t, count(16), 12, 8)
	nonce, data, plain := count(12), count(13), []byte("a message of two blocks")
	sealed := c.Seal(nil, nonce, plain, data)
	for _, part := range [][]byte{sealed, nonce, data} {
		for bit := range 8 * len(part) {
			part[bit/8] ^= 1 << (bit % 8)
			out := make([]byte, 0, len(sealed))
			if got, err := c.Open(out, nonce, sealed, data); err == nil || got != nil {
				t.Errorf("bit %d of %x is not protected", bit, part)
			}
			if !bytes.Equal(out[:len(plain)], make([]byte, len(plain))) {
				t.Errorf("bit %d: plaintext is left behind", bit)
			}
			part[bit/8] ^= 1 << (bit % 8)
		}
	}
	for n := range len(sealed) {
		if _, err := c.Open(nil, nonce, sealed[:n], data); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
	if _, err := c.Open(nil, nonce, sealed, data); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

func TestLimits(t *testing.T) {
	block, err := aes.NewCipher(count(16))
	if err != nil {
		t.Fatal(err)
	}
	for _, sizes := range [][2]int{{6, 8}, {14, 8}, {12, 2}, {12, 18}, {12, 7}} {
		if _, err := New(block, sizes[0], sizes[1]); err == nil {
			t.Errorf("nonce of %d and tag of %d bytes accepted", sizes[0], sizes[1])
		}
	}
	c := newCCM(t, count(16), 13, 8) // two bytes for the length
	panics := func(name string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		f()
	}
	panics("short nonce", func() { c.Seal(nil, count(12), nil, nil) })
	panics("message of 65536 bytes", func() { c.Seal(nil, count(13), count(1<<16), nil) })
	panics("additional data of 65280 bytes", func() { c.Seal(nil, count(13), nil, count(maxAdditional+1)) })
	c.Seal(nil, count(13), count(1<<16-1), count(maxAdditional))
}

func TestNoAllocation(t *testing.T) {
	c := newCCM(t, count(16), 12, 8)
	nonce, data, buf := count(12), count(13), make([]byte, 64, 128)
	if n := testing.AllocsPerRun(100, func() {
		sealed := c.Seal(buf[:0], nonce, buf[:64], data)
		if _, err := c.Open(sealed[:0], nonce, sealed, data); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAgainstPion(f *testing.F) {
	f.Add(count(16), count(12), []byte("hello"), count(13))
	f.Add(count(16), count(12), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, nonce, plain, data []byte) {
		if len(key) != 16 || len(nonce) != 12 || len(plain) > 1<<14 || len(data) > 1<<10 {
			return // sizes that the profile does not have
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		reference, err := pion.NewCCM(block, 8, 12)
		if err != nil {
			t.Fatal(err)
		}
		sealed := newCCM(t, key, 12, 8).Seal(nil, nonce, plain, data)
		if want := reference.Seal(nil, nonce, plain, data); !bytes.Equal(sealed, want) {
			t.Errorf("%x, want %x", sealed, want)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	block, err := aes.NewCipher(count(16))
	if err != nil {
		b.Fatal(err)
	}
	reference, err := pion.NewCCM(block, 8, 12)
	if err != nil {
		b.Fatal(err)
	}
	own := newCCM(b, count(16), 12, 8)
	nonce, data := count(12), count(13)
	for _, size := range []int{16, 64, 1024} {
		buf := make([]byte, size, size+8)
		rand.Read(buf)
		for name, aead := range map[string]interface {
			Seal(dst, nonce, plaintext, additional []byte) []byte
		}{"own": own, "pion": reference} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					aead.Seal(buf[:0], nonce, buf, data)
				}
			})
		}
	}
}
