package dtls_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// TestAhead shows the order that is safe: the numbers are stored before they are used.
func TestAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := dtlstest.Pipe(nil, nil)
		go func() { _ = serveEcho(t.Context(), far, pskServer) }()
		defer far.Close()
		c, err := dtls.Client(t.Context(), near, pskClient)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Session(0)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = dtls.Restore(near, store(t, s)); err != nil {
			t.Fatal(err)
		}
		if s, err = c.Ahead(2); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("not stored yet")); !errors.Is(err, dtls.ErrReserved) {
			t.Errorf("write before Allow: %v", err)
		}
		c.Allow(s.NextSend)
		for range 2 {
			if err := ping(c); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Write([]byte("used up")); !errors.Is(err, dtls.ErrReserved) {
			t.Errorf("write beyond: %v", err)
		}
		if got := c.Received(); got != s.NextReceive+2 {
			t.Errorf("received up to %d, want %d", got, s.NextReceive+2)
		}
	})
}
