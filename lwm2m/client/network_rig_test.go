//go:build rig

package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
)

// names is a server of the domain name system (RFC 1035, section 4.1) that gives every name the
// same addresses, for no time.
type names struct {
	socket net.PacketConn

	mu    sync.Mutex
	addrs []netip.Addr
	asked int
}

func (n *names) set(addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs = nil
	for _, a := range addrs {
		n.addrs = append(n.addrs, netip.MustParseAddr(a))
	}
}

func (n *names) serve() {
	query := make([]byte, 512)
	for {
		size, from, err := n.socket.ReadFrom(query)
		if err != nil {
			return
		}
		_, _ = n.socket.WriteTo(n.answer(query[:size]), from)
	}
}

// answer answers a query of one question.
func (n *names) answer(query []byte) []byte {
	const header, kindA, kindAAAA, pointer = 12, 1, 28, 0xc00c
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	end := header
	for query[end] != 0 { // a label
		end += 1 + int(query[end])
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	end += 5
	var records []byte
	count := uint16(0)
	for _, a := range n.addrs {
		if kind == kindA && a.Is4() || kind == kindAAAA && a.Is6() {
			records = binary.BigEndian.AppendUint16(records, pointer) // to the question's name
			records = binary.BigEndian.AppendUint16(records, kind)
			records = append(records, 0, 1, 0, 0, 0, 0) // IN, for no time
			records = binary.BigEndian.AppendUint16(records, uint16(a.BitLen()/8))
			records = append(records, a.AsSlice()...)
			count++
		}
	}
	out := append([]byte{query[0], query[1], 0x84, 0, 0, 1}, 0, 0, 0, 0, 0, 0) // an authoritative answer
	binary.BigEndian.PutUint16(out[6:], count)
	return append(append(out, query[header:end]...), records...)
}

// port returns the port of a URI.
func port(uri string) string { return uri[strings.LastIndex(uri, ":")+1:] }

// asked is a resolver that gives IPv6 addresses first. The system's order (RFC 6724) is not the
// client's namespace's: Go looks for routes where the process is.
type asked struct{ net.Resolver }

func (r *asked) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	found, err := r.Resolver.LookupNetIP(ctx, network, host)
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return b.BitLen() - a.BitLen() })
	return found, err
}

// named starts a name server beside the server, and returns it with a dialer that asks it from the
// client's namespace, as the program does where it is in /etc/resolv.conf.
func (n *natLab) named() (*names, Dialer) {
	n.t.Helper()
	s := &names{}
	var err error
	n.in("s", func() { s.socket, err = net.ListenPacket("udp", "10.9.0.2:53") })
	if err != nil {
		n.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.serve()
	}()
	n.t.Cleanup(func() { _ = s.socket.Close(); <-ended })
	d := n.dialer().(natDialer) //nolint:forcetypeassert // made so
	d.Resolver = &asked{net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (nc net.Conn, err error) {
		n.in("c", func() { nc, err = new(net.Dialer).DialContext(ctx, "udp", "10.9.0.2:53") })
		return nc, err
	}}}
	return s, d
}

// TestNameChanged shows that a server that is gone from its address is asked for by its name anew,
// and found at the other one.
func TestNameChanged(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("DTLS ", secure), func(t *testing.T) {
			t.Parallel()
			n := newNATLab(t)
			n.ip("s", "addr", "add", "10.9.0.3/24", "dev", "s0")
			dns, dialer := n.named()
			dns.set("10.9.0.2")
			s := &scripted{t: t}
			uri, security, stop := n.listen(s, "10.9.0.2:0", secure, 6)
			l, changed := networked(t, dialer, strings.Replace(uri, "10.9.0.2", "lwm2m.example.com", 1), security)
			l.server = s
			l.await(changed, "registered", isRegistered)
			l.exercise()
			dns.set("10.9.0.3")
			other := &scripted{t: t}
			_, _, stopOther := n.listen(other, "10.9.0.3:"+port(uri), secure, 6)
			t.Cleanup(stopOther)
			l.wantCalls(register)
			if err := l.client.Update(101); err != nil {
				t.Fatal(err)
			}
			l.awaitCalls("POST /rd/1 []") // what answers stays
			stop()
			if err := l.client.Update(101); err != nil {
				t.Fatal(err)
			}
			l.server = other
			l.await(changed, "registered at the other address", func(s AccountStatus) bool { return isRegistered(s) && other.connection() != nil })
			l.awaitCalls(register)
			l.exercise()
		})
	}
}

// TestOneFamilyLeadsNowhere shows that a server with addresses of both families is registered with
// in the first attempt, whichever of them a router on the way drops without a word.
func TestOneFamilyLeadsNowhere(t *testing.T) {
	t.Parallel()
	for dropped, want := range map[string]string{"ip6": "192.168.7.2:", "ip": "[2001:db8:7::2]:"} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s dropped, DTLS %v", dropped, secure), func(t *testing.T) {
				t.Parallel()
				n := newNATLab(t)
				n.sixth()
				dns, dialer := n.named()
				dns.set("10.9.0.2", "2001:db8:9::2")
				fourth, sixth := &scripted{t: t}, &scripted{t: t}
				uri, security, stop := n.listen(fourth, "10.9.0.2:0", secure, 6)
				t.Cleanup(stop)
				_, _, stop = n.listen(sixth, "[2001:db8:9::2]:"+port(uri), secure, 6)
				t.Cleanup(stop)
				n.feed(fmt.Sprintf("table %s lost { chain forward { type filter hook forward priority 0; udp dport %s drop; }\n}\n", dropped, port(uri)),
					"ip", "netns", "exec", n.name+"r", "nft", "-f", "-")
				l, changed := networked(t, dialer, strings.Replace(uri, "10.9.0.2", "lwm2m.example.com", 1), security)
				l.server = map[string]*scripted{"ip6": fourth, "ip": sixth}[dropped]
				status := l.await(changed, "registered", isRegistered)
				if !strings.HasPrefix(status.Local, want) || status.Attempts > 0 {
					t.Errorf("registered from %s after %d attempts, want one from %s", status.Local, status.Attempts, want)
				}
				l.exercise()
				l.wantCalls(register)
			})
		}
	}
}

// sixth gives the lab IPv6 too, without translation.
func (n *natLab) sixth() {
	n.t.Helper()
	for _, a := range []struct{ space, address, device string }{
		{"c", "2001:db8:7::2/64", "c0"}, {"r", "2001:db8:7::1/64", "r0"}, {"s", "2001:db8:9::2/64", "s0"}, {"r", "2001:db8:9::1/64", "r2"},
	} {
		n.ip(a.space, "addr", "add", a.address, "dev", a.device, "nodad")
	}
	n.ip("c", "-6", "route", "add", "default", "via", "2001:db8:7::1")
	n.ip("s", "-6", "route", "add", "default", "via", "2001:db8:9::1")
	n.run("ip", "netns", "exec", n.name+"r", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
}
