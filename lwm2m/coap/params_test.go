package coap

import (
	"testing"
	"time"
)

// The figures of RFC 7252 section 4.8.2.
func TestDefaultParams(t *testing.T) {
	p := DefaultParams()
	for name, v := range map[string][2]time.Duration{
		"MAX_TRANSMIT_SPAN": {p.MaxTransmitSpan(), 45 * time.Second},
		"MAX_TRANSMIT_WAIT": {p.MaxTransmitWait(), 93 * time.Second},
		"EXCHANGE_LIFETIME": {p.ExchangeLifetime(), 247 * time.Second},
		"NON_LIFETIME":      {p.NonLifetime(), 145 * time.Second},
		"ResponseWait":      {p.ResponseWait, 247 * time.Second},
		"AckDelay":          {p.AckDelay, 500 * time.Millisecond},
	} {
		if v[0] != v[1] {
			t.Errorf("%s = %v, want %v", name, v[0], v[1])
		}
	}
	if p.NStart != 1 || p.BlockSize != 1024 || p.MaxRetransmit != 4 {
		t.Errorf("got %+v", p)
	}
}

func TestParamsAreMadeUsable(t *testing.T) {
	p := Params{AckRandomFactor: 0.5, MaxRetransmit: 1000, NStart: -1, BlockSize: 1000}.WithDefaults()
	if p.AckRandomFactor != 1.5 || p.MaxRetransmit != maxRetransmit || p.NStart != 1 || p.BlockSize != 512 {
		t.Errorf("got %+v", p)
	}
	if p := (Params{MaxRetransmit: -1}).WithDefaults(); p.MaxTransmitSpan() != 0 || p.MaxTransmitWait() != 3*time.Second {
		t.Errorf("without retransmission: span %v, wait %v", p.MaxTransmitSpan(), p.MaxTransmitWait())
	}
}
