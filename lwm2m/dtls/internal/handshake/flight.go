package handshake

import (
	"net"

	"lwm2m-agent/lwm2m/dtls/internal/datagram"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Flight is what one side sends before it waits for the other.
type Flight []Message

// MinMTU is the smallest datagram that a Flight can be split into: the longest
// header and connection ID and a useful part of a message.
const MinMTU = 228

// smallMTU is what a sender falls back to when full-sized datagrams get no answer
// (RFC 6347, section 4.1.1.1).
const smallMTU = 256

// changeCipherSpec is the payload of that record (RFC 5246, section 7.1).
var changeCipherSpec = []byte{1}

// sender packs the records of a flight into datagrams.
type sender struct {
	conn     net.Conn
	sealer   *record.Sealer
	mtu      int
	datagram []byte
	scratch  []byte
	trouble  error // of the last write that failed
}

// Send transmits the flight, each record under a number of its own. A failed write
// is a lost datagram, since routes and interfaces come back: it is returned as the
// trouble. The error is that of a record that cannot be made.
//
// A ClientHello is never split, since a server without state cannot put it
// together; a Finished goes behind a ChangeCipherSpec and into epoch 1.
func (f Flight) Send(conn net.Conn, sealer *record.Sealer, mtu int) (trouble, err error) {
	s := sender{conn: conn, sealer: sealer, mtu: max(mtu, MinMTU)}
	for _, m := range f {
		epoch := uint16(0)
		if m.Type == Finished {
			if err := s.put(0, record.ChangeCipherSpec, changeCipherSpec); err != nil {
				return s.trouble, err
			}
			epoch = 1
		}
		size := max(s.mtu-sealer.Overhead(epoch)-HeaderSize, 1)
		if m.Type == ClientHello {
			size = MaxBody
		}
		for from := 0; from == 0 || from < len(m.Body); from += size {
			s.scratch = m.appendFragment(s.scratch[:0], from, min(from+size, len(m.Body)))
			if err := s.put(epoch, record.Handshake, s.scratch); err != nil {
				return s.trouble, err
			}
		}
	}
	s.flush()
	return s.trouble, nil
}

// put appends a record to the datagram, which it sends first if it is full.
func (s *sender) put(epoch uint16, typ record.Type, payload []byte) error {
	if len(s.datagram)+s.sealer.Overhead(epoch)+len(payload) > s.mtu {
		s.flush()
	}
	d, err := s.sealer.Append(s.datagram, epoch, typ, payload)
	s.datagram = d
	return err
}

func (s *sender) flush() {
	if len(s.datagram) == 0 {
		return
	}
	if err := datagram.Write(s.conn, s.datagram); err != nil {
		s.trouble = err
	}
	s.datagram = s.datagram[:0]
}
