package dtls

import (
	"bytes"
	"testing"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
)

// The premaster secret is gone once the keys are made.
func TestPremasterIsErased(t *testing.T) {
	for _, extended := range []bool{false, true} {
		h := &handshaker{
			link:    handshake.NewLink(nil, handshake.Timing{}),
			offered: clientHello{random: make([]byte, handshake.RandomSize)},
			server: &serverHello{
				suite: PSKWithAES128CCM8, random: make([]byte, handshake.RandomSize), extendedMasterSecret: extended,
			},
		}
		h.transcript.Reset()
		premaster := handshake.PSKPremaster([]byte("a key"))
		if err := h.derive(premaster); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(premaster, make([]byte, len(premaster))) {
			t.Errorf("extended %v: premaster secret %x is left", extended, premaster)
		}
	}
}
