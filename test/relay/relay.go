// Package relay is a network that a test takes away and gives back: what lies between a client and a
// server on this machine. It must not know what it carries.
package relay

import (
	"net"
	"sync"
	"sync/atomic"

	"lwm2m-agent/test/workspace"
)

// UDP carries datagrams to a server and back unless it is deaf, until the test ends, and returns its address.
func UDP(t workspace.T, to string, deaf *atomic.Bool) string {
	t.Helper()
	near, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	target, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	var running sync.WaitGroup
	far := make(map[string]*net.UDPConn)
	back := func(client net.Addr, conn *net.UDPConn) {
		for buf := make([]byte, 2048); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if !deaf.Load() {
				_, _ = near.WriteTo(buf[:n], client) // it may have gone
			}
		}
	}
	running.Go(func() {
		for buf := make([]byte, 2048); ; {
			n, client, err := near.ReadFrom(buf)
			if err != nil {
				for _, conn := range far {
					conn.Close()
				}
				return
			}
			conn := far[client.String()]
			if conn == nil {
				if conn, err = net.DialUDP("udp", nil, target); err != nil {
					continue
				}
				far[client.String()] = conn
				running.Go(func() { back(client, conn) })
			}
			if !deaf.Load() {
				_, _ = conn.Write(buf[:n])
			}
		}
	})
	t.Cleanup(func() {
		near.Close()
		running.Wait()
	})
	return near.LocalAddr().String()
}
