package restart

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/test/workspace"
)

// DTLS records (RFC 6347, section 4.1; RFC 9146, section 4).
const (
	headerSize   = 13
	cidSize      = 8 // of the server's Connection IDs
	typeHello    = 22
	typeWithCID  = 25
	clientHello  = 1
	kept         = 64              // datagrams that can be sent again
	betweenLoss  = 3 * time.Second // a datagram that is repeated is not lost again
	lossPerMille = 30
)

// relay stands between the agent and its server and notes what passes.
type relay struct {
	front  *net.UDPConn
	server *net.UDPAddr
	wg     sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
	lossy  bool
	cut    bool
	lost   time.Time               // the last one
	back   map[string]*net.UDPConn // towards the server, by the agent's address
	agent  *net.UDPAddr            // where it was last
	used   map[string]bool         // Connection ID, epoch and number of each record of the agent
	twice  []string                // of those that came twice
	hellos int
	sealed int      // records under a Connection ID
	down   [][]byte // what the server sent last
}

func startRelay(t workspace.T, server *net.UDPAddr, seed uint64) *relay {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	r := &relay{front: front, server: server, random: rand.New(rand.NewPCG(seed, 1)), back: make(map[string]*net.UDPConn), used: make(map[string]bool)}
	r.wg.Go(r.forward)
	t.Cleanup(func() {
		_ = front.Close()
		r.mu.Lock()
		for _, c := range r.back {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.wg.Wait()
	})
	return r
}

// forward takes what the agent sends to the server.
func (r *relay) forward() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := r.front.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if back := r.note(buf[:n], from); back != nil {
			_, _ = back.Write(buf[:n]) // what is not sent is lost
		}
	}
}

// note notes a datagram of the agent and returns where it goes on, nil if it is lost.
func (r *relay) note(datagram []byte, from *net.UDPAddr) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	for rest := datagram; len(rest) >= headerSize; {
		rest = r.record(rest)
	}
	r.agent = from
	c := r.back[from.String()]
	if c == nil {
		var err error
		if c, err = net.DialUDP("udp", nil, r.server); err != nil {
			return nil
		}
		r.back[from.String()] = c
		r.wg.Go(func() { r.backward(c, from) })
	}
	if r.loses() {
		return nil
	}
	return c
}

// record notes the first record of b and returns what follows.
func (r *relay) record(b []byte) []byte {
	size := headerSize
	switch {
	case b[0] == typeHello && binary.BigEndian.Uint16(b[3:]) == 0 && len(b) > headerSize && b[headerSize] == clientHello:
		r.hellos++
	case b[0] == typeWithCID && len(b) >= headerSize+cidSize:
		size += cidSize
		number := string(b[3 : 11+cidSize])
		if r.used[number] {
			r.twice = append(r.twice, fmt.Sprintf("%x", number))
		}
		r.used[number] = true
		r.sealed++
	}
	end := size + int(binary.BigEndian.Uint16(b[size-2:]))
	return b[min(end, len(b)):]
}

// loses decides whether a datagram is lost. mu is held.
func (r *relay) loses() bool {
	if r.cut {
		return true
	}
	now := time.Now()
	if !r.lossy || now.Sub(r.lost) < betweenLoss || r.random.IntN(1000) >= lossPerMille {
		return false
	}
	r.lost = now
	return true
}

// backward takes what the server sends to the agent.
func (r *relay) backward(from *net.UDPConn, to *net.UDPAddr) {
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		lost := r.loses()
		if r.down = append(r.down, bytes.Clone(buf[:n])); len(r.down) > kept {
			r.down = r.down[1:]
		}
		r.mu.Unlock()
		if !lost {
			_, _ = r.front.WriteToUDP(buf[:n], to)
		}
	}
}

// replay sends what the server sent last once more, as somebody on the way can.
func (r *relay) replay() {
	r.mu.Lock()
	again, to := slices.Clone(r.down), r.agent
	r.mu.Unlock()
	for _, datagram := range again {
		_, _ = r.front.WriteToUDP(datagram, to)
	}
}

// found is what a relay has seen.
type found struct {
	twice          []string
	hellos, sealed int
}

func (r *relay) found() found {
	r.mu.Lock()
	defer r.mu.Unlock()
	return found{r.twice, r.hellos, r.sealed}
}

// lose has datagrams lost from now on.
func (r *relay) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lossy = true
}

// sever has everything lost from now on, or no longer.
func (r *relay) sever(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
}
