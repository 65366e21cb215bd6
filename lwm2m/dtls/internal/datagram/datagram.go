// Package datagram says what the errors of a datagram socket mean.
//
// A connected UDP socket reports ICMP messages as errors of the next read or write.
// Anyone can forge one, and a server that restarts causes them, so they count as
// loss and never end a session.
package datagram

import (
	"errors"
	"net"
	"slices"
	"syscall"
)

// IsLoss reports whether an ICMP message, or a route that is not there for the
// moment, can cause the error.
func IsLoss(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	return slices.Contains(losses, errno)
}

// losses are what Linux turns ICMP messages into (net/ipv4/icmp.c, net/ipv6/icmp.c),
// and what sending reports without a route or an interface.
var losses = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN,
	syscall.EMSGSIZE, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EPROTO, syscall.EACCES, syscall.ENONET,
}

// Write sends one datagram. A write that reports an earlier ICMP message has sent
// nothing (Linux, net/core/sock.c), so it is done once more.
func Write(conn net.Conn, b []byte) error {
	_, err := conn.Write(b)
	if err != nil && IsLoss(err) {
		_, err = conn.Write(b)
	}
	return err
}
