package client

import (
	"cmp"
	"sync"
	"time"
)

// nats knows, for each network, how long its address translation keeps a mapping that is not
// used. It learns from Updates without answer that a new handshake follows at once: then
// the server was there, but took the records from another port for a stranger's. With a
// Connection ID it does not, and nothing is to be learned.
type nats struct {
	mu       sync.Mutex
	shortest time.Duration            // silence that says something; zero: shortestMapping
	lost     map[string]time.Duration // the shortest silence after which a mapping was gone
}

// shortestMapping bounds what is taken for the time-out of an address translation (RFC 4787,
// section 4.3, has 2 minutes as the least; routers with 30 s are about).
const shortestMapping = 20 * time.Second

// expired notes that a mapping was gone after a silence.
func (n *nats) expired(network string, silence time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known, ok := n.lost[network]; silence < cmp.Or(n.shortest, shortestMapping) || ok && known <= silence {
		return
	}
	if n.lost == nil {
		n.lost = make(map[string]time.Duration)
	}
	n.lost[network] = silence
}

// forget drops what is known of a network: it is another one of the same kind now.
func (n *nats) forget(network string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.lost, network)
}

// keepAlive returns after which silence something has to be sent, zero: nothing is known.
func (n *nats) keepAlive(network string) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost[network] / 2
}

// heardAt returns when something was sent or received last.
func (a *account) heardAt() time.Time { return latest(a.spokeAt, a.connection.conn.LastReceived()) }

// translated reports whether an address translation can come between: the server knows the
// client by its address.
func (a *account) translated() bool {
	s, ok := a.connection.nc.(secured)
	return ok && len(s.Parameters().RemoteCID) == 0
}

// keepAliveAt returns when an Update has to go out so that the server's requests find their
// way; zero: never.
func (a *account) keepAliveAt() time.Time {
	if !a.params.KeepAlive || a.queueMode() || !a.translated() {
		return time.Time{}
	}
	after := a.client.nats.keepAlive(a.params.Network)
	if after == 0 {
		return time.Time{}
	}
	return a.heardAt().Add(after)
}
