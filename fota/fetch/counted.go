package fetch

import (
	"context"
	"net"
)

// spender is told the bytes of connections that are dialled with a context.
type spender struct{}

func withSpender(ctx context.Context, spent func(n int)) context.Context {
	return context.WithValue(ctx, spender{}, spent)
}

// dialCounted dials, and has what goes over the connection counted. net/http hands the values of a request's context on.
func dialCounted(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	spent, ok := ctx.Value(spender{}).(func(n int))
	if err != nil || !ok {
		return conn, err
	}
	c := &counted{conn, spent, ipv4Header}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok && a.IP.To4() == nil {
		c.header = ipv6Header
	}
	spent(openAndClose * c.header)
	return c, nil
}

// The sizes of the headers of IP and TCP with timestamps (RFC 791, RFC 8200, RFC 9293, RFC 7323), in bytes; what of the content is in a segment over Ethernet at
// most; and the segments without content that open a connection and close it.
const (
	ipv4Header   = 20 + 32
	ipv6Header   = 40 + 32
	segment      = 1500 - ipv4Header
	openAndClose = 3 + 4
)

// counted is a connection whose bytes are told, with the headers of the segments that they take, and of acknowledgements for every other one.
type counted struct {
	net.Conn
	spent  func(n int)
	header int
}

func (c *counted) tell(n int) {
	if n > 0 {
		segments := (n + segment - 1) / segment
		c.spent(n + (segments+(segments+1)/2)*c.header)
	}
}

// Read implements net.Conn.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tell(n)
	return n, err
}

// Write implements net.Conn.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.tell(n)
	return n, err
}
