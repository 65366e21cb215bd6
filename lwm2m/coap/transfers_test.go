package coap

import (
	"testing"
	"time"
)

// TestVictim: what can be asked for again is given up first, then what is told once, then what the peer sends; of the same worth what was
// not used for the longest time.
func TestVictim(t *testing.T) {
	made := func(w worth, minutes int) *held { return &held{worth: w, used: time.Unix(int64(60*minutes), 0)} }
	newer, older := made(askedAgain, 3), made(askedAgain, 2)
	told, sent, sentNow := made(toldOnce, 1), made(sentOnce, 0), made(sentOnce, 4)
	for _, c := range []struct {
		all     []*held
		h, want *held
	}{
		{[]*held{sent, told, newer, older}, newer, older},
		{[]*held{sent, told, older}, older, older}, // it comes last
		{[]*held{told, older}, told, older},
		{[]*held{sent, told}, told, told},
		{[]*held{told, sent, sentNow}, sentNow, told},
		{[]*held{sent, sentNow}, sentNow, sent},
	} {
		ts := transfers{all: c.all}
		if got := ts.victim(c.h); got != c.want {
			t.Errorf("%+v is given up, want %+v", got, c.want)
		}
	}
}
