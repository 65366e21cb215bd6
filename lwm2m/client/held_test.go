package client

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
)

// vault holds a pre-shared key, when it is open.
type vault struct {
	mu     sync.Mutex
	closed bool
	given  [][]byte
}

const reference = "\x00where the key is"

func (v *vault) psk(secret []byte) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case string(secret) != reference:
		return nil, nil
	case v.closed:
		return nil, fmt.Errorf("%w: the vault is closed", ErrKey)
	}
	v.given = append(v.given, bytes.Clone(psk))
	return v.given[len(v.given)-1], nil
}

func (v *vault) open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = false
}

// TestHeldPSK: a pre-shared key is asked for when a session is made, is in memory no
// longer than that, and what keeps it from being used is told until it is gone.
func TestHeldPSK(t *testing.T) {
	s := &scripted{t: t}
	uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{PSK: dtlstest.Key("gw-17", psk), CIDLength: 6})
	defer stop()
	v := &vault{closed: true}
	l, changed := networked(t, DefaultDialer{PSK: v.psk}, uri, pskAccount([]byte(reference)))
	l.server = s
	status := l.await(changed, "in trouble", func(s AccountStatus) bool { return s.LastError != "" })
	if status.Cause != Mistrusted || !strings.Contains(status.LastError, "the vault is closed") || !strings.Contains(status.Remedy, "where it is held") {
		t.Errorf("status says %q, %q", status.LastError, status.Remedy)
	}
	v.open()
	l.await(changed, "registered", isRegistered)
	l.exercise()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, key := range v.given {
		if !bytes.Equal(key, make([]byte, len(psk))) {
			t.Error("the key is still in memory")
		}
	}
}

// TestOwnPSK: a key that refers to nothing is the key itself.
func TestOwnPSK(t *testing.T) {
	s := &scripted{t: t}
	uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{PSK: dtlstest.Key("gw-17", psk)})
	defer stop()
	l, changed := networked(t, DefaultDialer{PSK: new(vault).psk, Key: noKey}, uri, pskAccount(psk))
	l.server = s
	l.await(changed, "registered", isRegistered)
	l.exercise()
}

func noKey([]byte) (crypto.Signer, error) { return nil, nil }

// broken is a key that does not sign any more.
type broken struct{ crypto.Signer }

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, fmt.Errorf("%w: it was taken away", ErrKey)
}

// TestKeyFailsToSign: a key that fails in the middle of a handshake ends that, and the
// status says what is wrong and not that the server is silent.
func TestKeyFailsToSign(t *testing.T) {
	ours, theirs := key(t), key(t)
	s := &scripted{t: t}
	uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{Key: theirs, ClientKey: spki(t, ours)})
	defer stop()
	dialer := DefaultDialer{Key: func([]byte) (crypto.Signer, error) { return broken{ours}, nil }}
	l, changed := networked(t, dialer, uri, func(b *model.Batch) {
		b.Set(0, 2, lwm2m.Integer(int64(SecurityRPK)))
		b.Set(0, 4, lwm2m.Opaque(spki(t, theirs)))
		b.Set(0, 5, lwm2m.Opaque([]byte(reference)))
	})
	status := l.await(changed, "in trouble", func(s AccountStatus) bool { return s.LastError != "" })
	if status.Cause != Mistrusted || !strings.Contains(status.LastError, "taken away") || status.Remedy == "" {
		t.Errorf("status says %q (cause %d), %q", status.LastError, status.Cause, status.Remedy)
	}
}

// TestKeyCause: a key that cannot be used is no silent server.
func TestKeyCause(t *testing.T) {
	if err := fmt.Errorf("wrapped: %w", ErrKey); causeOf(err) != Mistrusted || remedy(err) == "" {
		t.Errorf("cause %d, remedy %q", causeOf(err), remedy(err))
	}
	if errors.Is(ErrKey, ErrAccount) {
		t.Error("one is the other")
	}
}
