package handshake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	pion "github.com/pion/dtls/v3/pkg/crypto/prf"
)

// The vector for P_SHA256 that the TLS working group's list has used since 2007.
func TestPRF(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	want := unhex("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9a" +
		"f0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66")
	for size := range len(want) + 1 { // broken and whole blocks
		got := make([]byte, size)
		prf(got, unhex("9bbe436ba940f017b17652849a71db35"), "test label", unhex("a0ba9f936cda311827a6f796ffd5198c"))
		if !bytes.Equal(got, want[:size]) {
			t.Errorf("%d bytes: %x", size, got)
		}
	}
}

func TestSecretsAgainstPion(t *testing.T) {
	premaster := PSKPremaster([]byte("key"))
	if want := []byte{0, 3, 0, 0, 0, 0, 3, 'k', 'e', 'y'}; !bytes.Equal(premaster, want) {
		t.Errorf("premaster secret %x, want %x", premaster, want)
	}
	client, server := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	sum := sha256.Sum256([]byte("messages"))

	master := MasterSecret(premaster, client, server)
	want, err := pion.MasterSecret(premaster, client, server, sha256.New)
	if err != nil || !bytes.Equal(master, want) {
		t.Errorf("master secret %x, want %x, %v", master, want, err)
	}
	extended := ExtendedMasterSecret(premaster, sum[:])
	want, err = pion.ExtendedMasterSecret(premaster, sum[:], sha256.New)
	if err != nil || !bytes.Equal(extended, want) {
		t.Errorf("extended master secret %x, want %x, %v", extended, want, err)
	}
	want, err = pion.VerifyDataClient(master, []byte("messages"), sha256.New)
	if got := ClientFinished(master, sum[:]); err != nil || !bytes.Equal(got, want) {
		t.Errorf("client's verify_data %x, want %x, %v", got, want, err)
	}
	want, err = pion.VerifyDataServer(master, []byte("messages"), sha256.New)
	if got := ServerFinished(master, sum[:]); err != nil || !bytes.Equal(got, want) {
		t.Errorf("server's verify_data %x, want %x, %v", got, want, err)
	}
}

func TestTranscript(t *testing.T) {
	var tr Transcript
	tr.Reset()
	tr.Add(Message{Type: ClientHello, Body: []byte("forgotten")})
	tr.Reset()
	tr.Add(Message{Type: ClientHello, Seq: 1, Body: []byte("ab")})
	tr.Add(Message{Type: ServerHelloDone, Seq: 258})
	want := sha256.Sum256([]byte{1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 2, 'a', 'b', 14, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0})
	for range 2 { // Sum leaves the transcript as it is
		if got := tr.Sum(); !bytes.Equal(got, want[:]) {
			t.Errorf("%x, want %x", got, want)
		}
	}
}
