package host

import (
	"context"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// LinkKind is what a network interface is.
type LinkKind string

// The kinds of interface.
const (
	LinkEthernet LinkKind = "ethernet"
	LinkWLAN     LinkKind = "wlan"
	LinkWWAN     LinkKind = "wwan" // cellular, also raw IP and PPP
	LinkBridge   LinkKind = "bridge"
	LinkTunnel   LinkKind = "tunnel"
	LinkLoopback LinkKind = "loopback"
	Link802154   LinkKind = "802.15.4"
	LinkVirtual  LinkKind = "virtual"
	LinkOther    LinkKind = "other"
)

// Interface is one network interface.
type Interface struct {
	Name      string
	Index     int
	Kind      LinkKind
	MAC       net.HardwareAddr
	Up        bool // switched on
	Running   bool // and there is a carrier
	MTU       int
	Speed     int64 // Mbit/s, 0 if unknown
	Addresses []netip.Prefix
	Signal    *int64 // dBm, of a WLAN that is connected
	RxBytes   uint64 // since the kernel made the interface
	TxBytes   uint64
}

// Route is a default route.
type Route struct {
	Interface string
	Gateway   netip.Addr // not valid for a point-to-point link
	Metric    uint32
	IPv6      bool
}

// Network is a picture of the network at one moment.
type Network struct {
	Interfaces []Interface
	Defaults   []Route // default routes, the preferred first, IPv4 before IPv6
}

// Primary returns the interface of the first default route, or nil.
func (n *Network) Primary() *Interface { return nil }

// ReadNetwork reads interfaces, addresses and default routes.
func ReadNetwork(root fs.FS) (Network, error) { return Network{}, nil }

// ReadTraffic returns the bytes sent and received on the interfaces that lead
// out of the machine: all but loopback, bridges, tunnels and what hangs below
// another one.
func ReadTraffic(root fs.FS) (tx, rx uint64, err error) { return 0, 0, nil }

// PermanentMAC returns the hardware address that best names this machine: of the
// first wired interface with a universal address, else of the first wireless
// one; nil if there is none.
func PermanentMAC(root fs.FS) net.HardwareAddr { return nil }

// NetworkWatch tells when links, addresses or routes change. It implements a
// task of the agent.
type NetworkWatch struct {
	Changed func()        // called from Run, once for changes that come together
	Settle  time.Duration // how long changes are collected; 200 ms
	Log     *slog.Logger  // nil: none
}

// Run watches until the context ends, which gives nil.
func (w *NetworkWatch) Run(ctx context.Context) error { <-ctx.Done(); return nil }
