//go:build interop

package dtls_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// peer is a program of others that serves, and how it is talked to.
type peer struct {
	cfg      dtls.Config
	command  func(port int) *exec.Cmd
	offset   int // of the port behind DTLS from the one in the command
	exchange func(net.Conn, *process.Process) error
}

// eachDatagramHarmed has each datagram of a handshake with a program lost, doubled, or
// overtaken by the next. Each handshake has a server of its own, since some serve one client at a
// time; all are at once, since most of it is waiting for a retransmission.
func eachDatagramHarmed(t *testing.T, p *peer) {
	t.Helper()
	p.cfg.RetransmitInitial, p.cfg.RetransmitMax = 400*time.Millisecond, time.Second
	sent, received := p.datagrams(t)
	type trial struct {
		name   string
		n      network
		server *process.Process
		port   int
	}
	var trials []trial
	for n := range sent {
		for harm, route := range harms(n) {
			trials = append(trials, trial{name: fmt.Sprintf("%s to server %d", harm, n), n: network{toServer: route}})
		}
	}
	for n := range received {
		for harm, route := range harms(n) {
			trials = append(trials, trial{name: fmt.Sprintf("%s to client %d", harm, n), n: network{toClient: route}})
		}
	}
	for i := range trials { // before a client's socket takes the port that one is to have
		trials[i].server, trials[i].port = p.start(t)
	}
	var all sync.WaitGroup
	for _, v := range trials {
		all.Go(func() {
			start := time.Now()
			if err := p.through(t.Context(), v.server, v.port, v.n); err != nil {
				t.Errorf("%s: %v", v.name, err)
			}
			if after := time.Since(start); after > patience {
				t.Errorf("%s: took %v", v.name, after)
			}
		})
	}
	all.Wait()
	t.Logf("%d datagrams to the server, %d to the client, each harmed", sent, received)
}

// patience bounds a handshake with a harmed datagram: less than the attempt, which another one would follow.
const patience = 20 * time.Second

// start starts the program at a port of its own, and returns the one behind DTLS once it is open.
func (p *peer) start(t *testing.T) (*process.Process, int) {
	t.Helper()
	port := freePort(t)
	cmd := p.command(port)
	server := process.Start(t, cmd, workspace.Artifact(t, fmt.Sprintf("%d.log", port)))
	port += p.offset
	for end := time.Now().Add(time.Minute); !bound(t, port); {
		if time.Now().After(end) {
			t.Fatalf("%s opens no port", cmd)
		}
		<-time.After(5 * time.Millisecond)
	}
	return server, port
}

// bound reports whether a UDP socket of any address has the port (proc_net(5)).
func bound(t *testing.T, port int) bool {
	t.Helper()
	for _, table := range []string{"udp", "udp6"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				return true
			}
		}
	}
	return false
}

// datagrams counts those of a handshake that nothing happens to.
func (p *peer) datagrams(t *testing.T) (sent, received int) {
	t.Helper()
	n := network{counting(&sent), counting(&received)}
	_, port := p.start(t)
	c, err := dtls.Client(t.Context(), &harmedConn{Conn: dialPort(t, port), network: n}, p.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return sent, received
}

// through runs a handshake and an exchange through the network.
func (p *peer) through(ctx context.Context, server *process.Process, port int, n network) error {
	from := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}} // takes no port of 127.0.0.1
	conn, err := from.DialContext(ctx, "udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer conn.Close()
	c, err := dtls.Client(ctx, &harmedConn{Conn: conn, network: n}, p.cfg)
	if err != nil {
		return err
	}
	if err := p.exchange(c, server); err != nil {
		return err
	}
	return c.Close()
}

// asking is an exchange by a request and a text that is in its answer.
func asking(request, answer string) func(net.Conn, *process.Process) error {
	return func(c net.Conn, _ *process.Process) error { return ask(c, request, answer) }
}

// printed is an exchange with s_server: it prints what it receives. It does so once it has the
// client's Finished, which the client knows by then.
func printed(c net.Conn, server *process.Process) error {
	for range 50 {
		if _, err := c.Write([]byte("hello\n")); err != nil {
			return err
		}
		for range 20 {
			if slices.Contains(server.Output(), "hello") {
				return nil
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	return fmt.Errorf("the server prints %q", server.Output())
}
