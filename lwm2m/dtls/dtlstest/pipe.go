package dtlstest

import (
	"bytes"
	"net"
)

// Route is one direction of a network: it gets each datagram that is sent and
// returns those that arrive then. It may change and keep what it gets. It is called
// by the sender.
type Route func(datagram []byte) [][]byte

// Pipe returns both ends of a datagram connection in memory. A nil route loses and
// changes nothing.
func Pipe(toServer, toClient Route) (client, server net.Conn) {
	c, s := newQueue(address("client"), address("server")), newQueue(address("server"), address("client"))
	c.send, s.send = toServer.into(s), toClient.into(c)
	return c, s
}

func (r Route) into(q *queue) func([]byte, net.Addr) error {
	return func(b []byte, _ net.Addr) error {
		arriving := [][]byte{bytes.Clone(b)}
		if r != nil {
			arriving = r(arriving[0])
		}
		for _, d := range arriving {
			q.put(packet{d, q.RemoteAddr()})
		}
		return nil
	}
}

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

// Lose returns a route that loses the datagrams with the given numbers, counted
// from 0.
func Lose(numbers ...int) Route {
	lost := make(map[int]bool)
	for _, n := range numbers {
		lost[n] = true
	}
	count := -1
	return func(d []byte) [][]byte {
		if count++; lost[count] {
			return nil
		}
		return [][]byte{d}
	}
}

// Double returns a route that delivers everything twice.
func Double() Route {
	return func(d []byte) [][]byte { return [][]byte{d, bytes.Clone(d)} }
}

// Swap returns a route that delivers the datagram with the given number, counted
// from 0, behind the one that follows it.
func Swap(number int) Route {
	var kept []byte
	count := -1
	return func(d []byte) [][]byte {
		count++
		switch {
		case count == number:
			kept = d
			return nil
		case kept != nil:
			both := [][]byte{d, kept}
			kept = nil
			return both
		}
		return [][]byte{d}
	}
}
