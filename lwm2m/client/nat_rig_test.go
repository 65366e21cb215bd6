//go:build rig

package client

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
)

// natLab is a client, a router that translates addresses and a server, each in a network
// namespace: 192.168.7.2 and 192.168.8.2 at the client, 10.9.0.2 at the server.
type natLab struct {
	t    *testing.T
	name string // of the namespaces, but for the last letter
}

var natLabs atomic.Int64 // that this process has made

func newNATLab(t *testing.T) *natLab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: network namespaces need root")
	}
	n := &natLab{t, fmt.Sprintf("lwm2m%d-%d", os.Getpid(), natLabs.Add(1))}
	for _, space := range []string{"c", "r", "s"} {
		n.run("ip", "netns", "add", n.name+space)
		t.Cleanup(func() { n.run("ip", "netns", "del", n.name+space) })
		n.run("ip", "netns", "exec", n.name+space, "sysctl", "-qwe", "net.ipv6.conf.default.accept_dad=0") // addresses are of use at once
	}
	n.link("c", "c0", "192.168.7.2/24", "r0", "192.168.7.1/24")
	n.link("c", "c1", "192.168.8.2/24", "r1", "192.168.8.1/24")
	n.link("s", "s0", "10.9.0.2/24", "r2", "10.9.0.1/24")
	n.ip("r", "addr", "add", "10.9.0.99/24", "dev", "r2")
	n.ip("c", "route", "add", "default", "via", "192.168.7.1")
	n.run("ip", "netns", "exec", n.name+"r", "sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.translate(1, "20000-20999")
	return n
}

func (n *natLab) run(program string, args ...string) {
	n.t.Helper()
	n.feed("", program, args...)
}

// feed runs a program with an input.
func (n *natLab) feed(input, program string, args ...string) {
	n.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(n.t.Context()), program, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%s %s: %v: %s; the Debian packages iproute2, nftables and conntrack are needed", program, strings.Join(args, " "), err, out)
	}
}

func (n *natLab) ip(space string, args ...string) {
	n.t.Helper()
	n.run("ip", append([]string{"-n", n.name + space}, args...)...)
}

// link joins a namespace with the router.
func (n *natLab) link(space, device, address, port, portAddress string) {
	n.t.Helper()
	n.run("ip", "link", "add", device, "netns", n.name+space, "type", "veth", "peer", "name", port, "netns", n.name+"r")
	n.ip(space, "addr", "add", address, "dev", device)
	n.ip("r", "addr", "add", portAddress, "dev", port)
	n.ip(space, "link", "set", device, "up")
	n.ip("r", "link", "set", port, "up")
}

// translate has the router forget its mappings and give the client this address and a port
// of these from now on.
func (n *natLab) translate(host int, ports string) {
	n.t.Helper()
	rules := fmt.Sprintf(`flush ruleset
table ip nat {
 chain post {
  type nat hook postrouting priority 100; policy accept;
  oifname "r2" ip protocol udp snat to 10.9.0.%d:%s
 }
}
`, host, ports)
	n.feed(rules, "ip", "netns", "exec", n.name+"r", "nft", "-f", "-")
	n.run("ip", "netns", "exec", n.name+"r", "conntrack", "-F")
}

// in calls f in a namespace: sockets that it makes stay there.
func (n *natLab) in(space string, f func()) {
	n.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		file, err := os.Open("/run/netns/" + n.name + space)
		if err == nil {
			defer file.Close()
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		n.t.Fatal(err)
	}
}

// dialer dials from the client's namespace.
func (n *natLab) dialer() Dialer {
	return natDialer{DefaultDialer{DialUDP: func(ctx context.Context, address string) (nc net.Conn, err error) {
		n.in("c", func() { nc, err = new(net.Dialer).DialContext(ctx, "udp", address) })
		return nc, err
	}}, n}
}

type natDialer struct {
	DefaultDialer
	lab *natLab
}

func (d natDialer) Local(ctx context.Context, to Server, remote string) (addr net.Addr, err error) {
	d.lab.in("c", func() { addr, err = d.DefaultDialer.Local(ctx, to, remote) })
	return addr, err
}

// natCases are how a server may be reached.
var natCases = map[string]struct {
	secure bool
	cid    int
}{"UDP": {}, "DTLS": {true, -1}, "DTLS with Connection ID": {true, 6}}

// listen starts a server at an address of its namespace.
func (n *natLab) listen(s *scripted, address string, secure bool, cid int) (uri string, security func(*model.Batch), stop func()) {
	n.t.Helper()
	n.in("s", func() {
		if secure {
			uri, stop = s.listenDTLS(address, dtlstest.Config{PSK: dtlstest.Key("gw-17", psk), CIDLength: cid})
			security = pskAccount(psk)
			return
		}
		uri, stop = s.listenUDP(address)
	})
	return uri, security, stop
}

// start registers a client through the router.
func (n *natLab) start(t *testing.T, secure bool, cid int, more ...func(*Config)) (*lab, chan struct{}) {
	t.Helper()
	s := &scripted{t: t}
	uri, security, stop := n.listen(s, "10.9.0.2:0", secure, cid)
	t.Cleanup(stop)
	l, changed := networked(t, n.dialer(), uri, security, more...)
	l.server = s
	l.await(changed, "registered", isRegistered)
	l.exercise()
	l.wantCalls(register)
	return l, changed
}

// TestNATRebinding shows what a new address in the eyes of the server costs: nothing with a
// Connection ID, the next Update without security, a handshake and a Register else.
func TestNATRebinding(t *testing.T) {
	for name, c := range natCases {
		t.Run(name, func(t *testing.T) {
			n := newNATLab(t)
			l, changed := n.start(t, c.secure, c.cid)
			n.translate(99, "30000-30999")
			if c.cid > 0 {
				l.temperature(0, 99) // a notification of the observation that there is
				l.exercise()
				l.wantCalls()
				l.cameFrom("10.9.0.99:30")
				return
			}
			if err := l.client.Update(101); err != nil {
				t.Fatal(err)
			}
			if !c.secure {
				l.awaitCalls("POST /rd/1 []")
				l.exercise()
				l.cameFrom("10.9.0.99:30")
				return
			}
			l.await(changed, "registered anew", func(s AccountStatus) bool { return isRegistered(s) && s.Location == "/rd/2" })
			l.awaitCalls(register)
			l.exercise()
		})
	}
}

// cameFrom compares where the server has the client.
func (l *lab) cameFrom(want string) {
	l.t.Helper()
	if from := l.server.connection().RemoteAddr().String(); !strings.HasPrefix(from, want) {
		l.t.Errorf("the server has the client at %s, want %s…", from, want)
	}
}

// TestInterfaceSwitched shows what another interface of the client costs: an Update with a
// Connection ID, else a Register.
func TestInterfaceSwitched(t *testing.T) {
	for name, c := range natCases {
		t.Run(name, func(t *testing.T) {
			n := newNATLab(t)
			l, changed := n.start(t, c.secure, c.cid)
			n.ip("c", "route", "replace", "default", "via", "192.168.8.1")
			n.ip("c", "link", "set", "c0", "down")
			l.client.NetworkChanged()
			l.await(changed, "registered from the other interface", func(s AccountStatus) bool {
				return isRegistered(s) && strings.HasPrefix(s.Local, "192.168.8.2:")
			})
			want := register
			if c.cid > 0 {
				want = "POST /rd/1 []"
			}
			l.awaitCalls(want)
			l.exercise()
		})
	}
}

// TestMappingIsKept shows that a router which forgets a mapping after a second of silence costs
// new sessions until the client has learned it; then its Updates keep the mapping, and requests of
// the server get through at any time. On a bearer where that is not allowed nothing is sent, and the
// next Update makes a new session.
func TestMappingIsKept(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{true, false} {
		t.Run(fmt.Sprint("allowed ", allowed), func(t *testing.T) {
			t.Parallel()
			n := newNATLab(t)
			for _, kind := range []string{"udp_timeout", "udp_timeout_stream"} {
				n.run("ip", "netns", "exec", n.name+"r", "sysctl", "-qw", "net.netfilter.nf_conntrack_"+kind+"=1")
			}
			n.translate(1, "20000-29999 random") // the next mapping has another port
			l, changed := n.start(t, true, -1, func(c *Config) {
				c.Params = func(uint16) Params {
					p := quick(101)
					p.CIDLength, p.KeepAlive, p.Network = -1, allowed, "lte"
					return p
				}
			})
			l.client.nats.mu.Lock()
			l.client.nats.shortest = time.Second
			l.client.nats.mu.Unlock()
			anew := 1
			for learned := false; !learned; anew++ {
				n.forgets()
				if err := l.client.Update(101); err != nil {
					t.Fatal(err)
				}
				at := fmt.Sprintf("/rd/%d", anew+1)
				l.await(changed, "registered anew", func(s AccountStatus) bool { return isRegistered(s) && s.Location == at })
				d := l.client.nats.keepAlive("lte")
				learned = d > 0 && (d < time.Second || !allowed)
			}
			l.server.take()
			if !allowed {
				n.forgets()
				l.wantCalls()
				return
			}
			update := fmt.Sprintf("POST /rd/%d []", anew)
			l.awaitCalls(update, update, update)
			l.exercise()
		})
	}
}

// forgets waits until the router knows no mapping any more.
func (n *natLab) forgets() {
	n.t.Helper()
	for end := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		out, err := exec.CommandContext(n.t.Context(), "ip", "netns", "exec", n.name+"r", "conntrack", "-L", "-p", "udp").Output()
		if err != nil || time.Now().After(end) {
			n.t.Fatalf("the router still knows %q, %v", out, err)
		}
		if len(out) == 0 {
			return
		}
	}
}
