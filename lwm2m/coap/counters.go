package coap

import "sync/atomic"

// Counters counts what happened on a connection since it was made.
type Counters struct {
	ReceivedBytes, SentBytes         uint64 // of CoAP messages
	ReceivedDatagrams, SentDatagrams uint64
	Retransmissions                  uint64 // sent
	Duplicates                       uint64 // received
	Malformed                        uint64 // received, ignored or rejected
	Oversize                         uint64 // received, larger than Limits.MaxDatagram
	TransportErrors                  uint64 // such as ICMP unreachable; treated as loss
}

type counters struct {
	receivedBytes, sentBytes         atomic.Uint64
	receivedDatagrams, sentDatagrams atomic.Uint64
	retransmissions, duplicates      atomic.Uint64
	malformed, oversize, transport   atomic.Uint64
}

// Counters returns the present counts.
func (c *Conn) Counters() Counters {
	n := &c.counters
	return Counters{
		ReceivedBytes: n.receivedBytes.Load(), SentBytes: n.sentBytes.Load(),
		ReceivedDatagrams: n.receivedDatagrams.Load(), SentDatagrams: n.sentDatagrams.Load(),
		Retransmissions: n.retransmissions.Load(), Duplicates: n.duplicates.Load(),
		Malformed: n.malformed.Load(), Oversize: n.oversize.Load(),
		TransportErrors: n.transport.Load(),
	}
}
