//go:build !small

package keys

import (
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// deaf is a TPM that answers every command with the same bytes.
func deaf(t *testing.T, answer []byte) *Holder {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				command := make([]byte, maxResponse)
				for {
					if _, err := conn.Read(command); err != nil {
						return
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return &Holder{Device: path}
}

// TestSilentTPM: what is wanted of a TPM that does not answer ends by its deadline, also
// for those who wait for their turn.
func TestSilentTPM(t *testing.T) {
	h := deaf(t, nil)
	began := time.Now()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			err := h.withTPM(100*time.Millisecond, func(d transport.TPM) error { return new(tpmKey).read(d) })
			if !errors.Is(err, errSilent) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

var brokenAnswers = []string{
	"80010000000a00000101",                             // TPM_RC_FAILURE
	"80010000000900000000", "800100001001000000000000", // sizes that cannot be
	"80010000000a00000000", // success without content
	"80010000000c000000000000", "8001000000160000000000080001000b00000001000400000000",
	"80010000000a0000018b", // TPM_RC_HANDLE
}

// TestBrokenTPM: whatever a TPM answers, using it ends with an error.
func TestBrokenTPM(t *testing.T) {
	for _, answer := range brokenAnswers {
		b, err := hex.DecodeString(answer)
		if err != nil {
			t.Fatal(err)
		}
		h := deaf(t, b)
		if _, err := h.Signer(Place{Kind: TPM, Handle: handle}); err == nil || !strings.Contains(err.Error(), h.Device) {
			t.Errorf("%s: %v", answer, err)
		}
		if _, err := h.Seal([]byte("key")); err == nil {
			t.Errorf("%s: sealed", answer)
		}
		if _, err := h.Persistent(); err == nil && answer[20:] == "" {
			t.Errorf("%s: listed", answer)
		}
	}
}

func TestNoTPM(t *testing.T) {
	h := &Holder{Device: filepath.Join(t.TempDir(), "none")}
	if _, err := h.Signer(Place{Kind: TPM, Handle: handle}); err == nil || !strings.Contains(err.Error(), "there is no such device") {
		t.Error(err)
	}
	h.Device = t.TempDir() // no device either
	if _, err := h.Make(handle, false); err == nil {
		t.Error("made a key in a folder")
	}
}

func FuzzParseSealed(f *testing.F) {
	block := func(b string) []byte { return pem.EncodeToMemory(&pem.Block{Type: sealedType, Bytes: []byte(b)}) }
	f.Add([]byte(nil))
	f.Add(block(""))
	f.Add(block("\x00\x01a\x00\x02bc"))
	f.Add(block("\x00\x01a\x00\x02bcd"))
	f.Add(block("\x00\x00\x00\x00"))
	f.Add(block("\xff\xffa"))
	f.Fuzz(func(t *testing.T, text []byte) {
		public, private, err := parseSealed(text)
		if err == nil && (len(public) == 0 || len(private) == 0 || len(public)+len(private) > len(text)) {
			t.Errorf("%d and %d bytes of %d", len(public), len(private), len(text))
		}
	})
}

// answering is a TPM that answers every command with the same bytes.
type answering []byte

func (a answering) Send([]byte) ([]byte, error) { return a, nil }

// FuzzAnswers: no answer of a TPM brings the agent down.
func FuzzAnswers(f *testing.F) {
	for _, answer := range brokenAnswers {
		b, _ := hex.DecodeString(answer)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		d := answering(answer)
		k := new(tpmKey)
		if k.read(d) == nil && k.public == nil {
			t.Error("a key without a public half")
		}
		_, _ = tpm2.Sign{}.Execute(d)
		_, _ = tpm2.GetCapability{}.Execute(d)
		_, _ = tpm2.Unseal{ItemHandle: tpm2.TPMHandle(1)}.Execute(d)
		if parent, flush, err := storageKey(d); err == nil {
			_, _ = create(d, parent, signingKey, nil)
			_ = flush()
		}
	})
}
