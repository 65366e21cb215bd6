package dtlstest

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// Socket returns a net.Conn over an unconnected UDP socket to a single client, the
// one that sent the datagram read last. No goroutine stands between the socket and
// its reader, so that it serves measurements.
func Socket(conn *net.UDPConn) net.Conn { return &socket{UDPConn: conn} }

type socket struct {
	*net.UDPConn

	peer atomic.Pointer[netip.AddrPort]
}

func (s *socket) Read(b []byte) (int, error) {
	n, from, err := s.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, err
	}
	if old := s.peer.Load(); old == nil || *old != from {
		peer := from // only this one goes to the heap
		s.peer.Store(&peer)
	}
	return n, nil
}

func (s *socket) Write(b []byte) (int, error) {
	peer := s.peer.Load()
	if peer == nil {
		return 0, errors.New("dtlstest: nobody has sent yet")
	}
	return s.WriteToUDPAddrPort(b, *peer)
}

func (s *socket) RemoteAddr() net.Addr {
	if peer := s.peer.Load(); peer != nil {
		return net.UDPAddrFromAddrPort(*peer)
	}
	return nil
}
