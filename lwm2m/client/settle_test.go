package client

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// TestSettle: after it, the status is of what objects 0 and 1 say now.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		if err := l.client.Settle(t.Context()); !errors.Is(err, ErrNotRunning) {
			t.Errorf("before Run: %v", err)
		}
		l.run()
		defer l.stop()
		for i := range 50 {
			uri := fmt.Sprintf("coap://other%d.invalid", i)
			l.publish(l.security, func(b *model.Batch) { b.Set(0, 0, lwm2m.String(uri)) })
			if err := l.client.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s := l.client.Status(); s[0].URI != uri {
				t.Fatalf("%s, want %s", s[0].URI, uri)
			}
		}
	})
}
