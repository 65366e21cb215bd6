package coap

import (
	"math"
	"time"
)

// Params are the transmission parameters (RFC 7252 section 4.8). They may be
// changed while a connection is in use ([Conn.SetParams]) and then hold for what
// is sent from then on. A zero field means its default.
type Params struct {
	AckTimeout      time.Duration // ACK_TIMEOUT, 2 s
	AckRandomFactor float64       // ACK_RANDOM_FACTOR, at least 1; 1.5
	MaxRetransmit   int           // MAX_RETRANSMIT, 4; negative: none
	NStart          int           // NSTART: CON messages and requests outstanding at a time, 1
	MaxLatency      time.Duration // MAX_LATENCY, 100 s

	// AckDelay is how long an answer may take before an empty ACK announces a
	// separate response; a quarter of AckTimeout.
	AckDelay time.Duration

	// ResponseWait is how long the response is awaited: after the empty ACK of a
	// CON request, after sending a NON one; EXCHANGE_LIFETIME.
	ResponseWait time.Duration

	// BlockSize is the preferred size of a block, and what is sent in one piece:
	// 16 to 1024 bytes, a power of two (others are rounded down); 1024.
	BlockSize int
}

// DefaultParams returns the defaults of RFC 7252 section 4.8.
func DefaultParams() Params { return Params{}.WithDefaults() }

// WithDefaults returns p with the defaults of RFC 7252 section 4.8 for what is zero.
func (p Params) WithDefaults() Params {
	if p.AckTimeout <= 0 {
		p.AckTimeout = 2 * time.Second
	}
	if p.AckRandomFactor < 1 {
		p.AckRandomFactor = 1.5
	}
	switch {
	case p.MaxRetransmit == 0:
		p.MaxRetransmit = 4
	case p.MaxRetransmit > maxRetransmit:
		p.MaxRetransmit = maxRetransmit
	}
	if p.NStart <= 0 {
		p.NStart = 1
	}
	if p.MaxLatency <= 0 {
		p.MaxLatency = 100 * time.Second
	}
	if p.AckDelay <= 0 {
		p.AckDelay = p.AckTimeout / 4
	}
	if p.BlockSize <= 0 {
		p.BlockSize = 1024
	}
	p.BlockSize = 16 << szxOf(p.BlockSize)
	if p.ResponseWait <= 0 {
		p.ResponseWait = p.ExchangeLifetime()
	}
	return p
}

// maxRetransmit bounds the exponent of the back-off.
const maxRetransmit = 20

func (p Params) retransmissions() int { return max(p.MaxRetransmit, 0) }

// MaxTransmitSpan is MAX_TRANSMIT_SPAN, from the first transmission of a CON to
// its last: 45 s (RFC 7252 section 4.8.2).
func (p Params) MaxTransmitSpan() time.Duration { return p.backoff(p.retransmissions()) }

// MaxTransmitWait is MAX_TRANSMIT_WAIT, from the first transmission of a CON to
// giving up: 93 s.
func (p Params) MaxTransmitWait() time.Duration { return p.backoff(p.retransmissions() + 1) }

// ExchangeLifetime is EXCHANGE_LIFETIME, after which the message ID of a CON may
// be used again: 247 s.
func (p Params) ExchangeLifetime() time.Duration {
	return p.MaxTransmitSpan() + 2*p.MaxLatency + p.AckTimeout
}

// NonLifetime is NON_LIFETIME, after which the message ID of a NON may be used
// again: 145 s.
func (p Params) NonLifetime() time.Duration { return p.MaxTransmitSpan() + p.MaxLatency }

func (p Params) backoff(doublings int) time.Duration {
	return time.Duration(math.Ldexp(1, doublings)-1) * time.Duration(float64(p.AckTimeout)*p.AckRandomFactor)
}

// Limits bound what a peer can make a connection hold. A zero field means its default.
type Limits struct {
	MaxDatagram      int           // bytes of a received message; larger ones are refused, not cut; 2048
	MaxMessage       int           // bytes of a message on a stream, told to the peer (Max-Message-Size); 65,536, at least 1,152
	MaxUnsent        int           // bytes that wait for the peer of a stream to read; more end the connection; 4 MiB
	MaxBody          int           // bytes of a body assembled in memory, received in either role; 1 MiB
	MaxTransfers     int           // block-wise transfers kept for the peer at a time, uploads and downloads; 8
	MaxTransferBytes int           // bytes that those transfers hold; 2 MiB
	TransferTimeout  time.Duration // an unfinished transfer is forgotten after; EXCHANGE_LIFETIME
	MaxDeferred      int           // requests of the peer that wait for their answer; more are refused with 5.03; 64
	MaxQueued        int           // requests and notifications of ours that wait for NSTART; 256
	MaxNotifications int           // notifications that wait in an Observation, the oldest is dropped; 64
	Deduplication    int           // received messages remembered, the oldest is forgotten; 128
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	set(&l.MaxDatagram, 2048)
	set(&l.MaxMessage, 1<<16)
	l.MaxMessage = max(l.MaxMessage, baseMessage)
	set(&l.MaxUnsent, 4<<20)
	set(&l.MaxBody, 1<<20)
	set(&l.MaxTransfers, 8)
	set(&l.MaxTransferBytes, 2<<20)
	set(&l.MaxDeferred, 64)
	set(&l.MaxQueued, 256)
	set(&l.MaxNotifications, 64)
	set(&l.Deduplication, 128)
	return l
}
