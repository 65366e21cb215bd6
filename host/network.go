package host

import (
	"cmp"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
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
	LinkVirtual  LinkKind = "virtual" // without a device: veth, dummy, VLAN, bond
	LinkOther    LinkKind = "other"
)

// physical reports whether an interface of the kind is hardware of its own.
func (k LinkKind) physical() bool {
	switch k {
	case LinkEthernet, LinkWLAN, LinkWWAN, Link802154:
		return true
	case LinkBridge, LinkTunnel, LinkLoopback, LinkVirtual, LinkOther:
	}
	return false
}

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
	Signal    *int64 // dBm, of a WLAN that is connected, where the kernel says so
	RxBytes   uint64 // since the kernel made the interface, from the IP header on
	TxBytes   uint64

	lower     bool // stands on other interfaces
	permanent bool // the MAC is the hardware's own
}

// Network is a picture of the network at one moment.
type Network struct {
	Interfaces []Interface // in order of index
	Defaults   []Route     // default routes, the preferred first, IPv4 before IPv6
}

// Interface returns an interface by its name, or nil.
func (n *Network) Interface(name string) *Interface {
	for i := range n.Interfaces {
		if n.Interfaces[i].Name == name {
			return &n.Interfaces[i]
		}
	}
	return nil
}

// Primary returns the interface of the first default route, or nil.
func (n *Network) Primary() *Interface {
	if len(n.Defaults) == 0 {
		return nil
	}
	return n.Interface(n.Defaults[0].Interface)
}

// Traffic returns the bytes sent and received over the interfaces that lead out
// of the machine, from the IP header on: those that are hardware, or, if there
// are none (in a container), those that stand on no other.
func (n *Network) Traffic() (tx, rx uint64) {
	outside := func(in *Interface) bool { return in.Kind.physical() && !in.lower }
	if !slices.ContainsFunc(n.Interfaces, func(in Interface) bool { return outside(&in) }) {
		outside = func(in *Interface) bool { return in.Kind == LinkVirtual && !in.lower }
	}
	for i := range n.Interfaces {
		if in := &n.Interfaces[i]; outside(in) {
			tx, rx = tx+in.TxBytes, rx+in.RxBytes
		}
	}
	return tx, rx
}

// PermanentMACs returns the hardware addresses that makers gave to interfaces of this machine, the one
// that best names it first: wired ones before wireless ones, by name.
func (n *Network) PermanentMACs() []net.HardwareAddr {
	var own []*Interface
	for i := range n.Interfaces {
		in := &n.Interfaces[i]
		if in.permanent && in.Kind.physical() && len(in.MAC) == 6 && in.MAC[0]&2 == 0 && in.MAC.String() != "00:00:00:00:00:00" {
			own = append(own, in)
		}
	}
	rank := func(in *Interface) string {
		return strconv.FormatBool(in.Kind != LinkEthernet) + in.Name // false sorts before true
	}
	slices.SortFunc(own, func(a, b *Interface) int { return strings.Compare(rank(a), rank(b)) })
	out := make([]net.HardwareAddr, 0, len(own))
	for _, in := range own {
		out = append(out, in.MAC)
	}
	return out
}

// ReadTraffic reads what Network.Traffic returns, without addresses and routes.
func ReadTraffic(root fs.FS) (tx, rx uint64, err error) {
	n, err := readNetwork(root, noAddresses)
	tx, rx = n.Traffic()
	return tx, rx, err
}

// PermanentMACs reads what Network.PermanentMACs returns.
func PermanentMACs(root fs.FS) []net.HardwareAddr {
	n, err := readNetwork(root, noAddresses)
	if err != nil {
		return nil
	}
	return n.PermanentMACs()
}

func noAddresses(int) ([]netip.Prefix, error) { return nil, nil }

// ReadNetwork reads interfaces (/sys/class/net), their addresses (netlink) and
// default routes (/proc/net).
func ReadNetwork(root fs.FS) (Network, error) { return readNetwork(root, systemAddresses) }

// systemAddresses returns the addresses of an interface.
func systemAddresses(index int) ([]netip.Prefix, error) {
	addrs, err := (&net.Interface{Index: index}).Addrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p)
		}
	}
	return out, nil
}

const links = "sys/class/net"

func readNetwork(root fs.FS, addresses func(index int) ([]netip.Prefix, error)) (Network, error) {
	n := Network{Defaults: defaultRoutes(root)}
	signals := wirelessSignals(root)
	for _, name := range names(root, links) {
		in, ok := readLink(root, name)
		if !ok { // bonding_masters is a file; an interface may have gone meanwhile
			continue
		}
		in.Signal = signals[name]
		var err error
		if in.Addresses, err = addresses(in.Index); err != nil {
			return n, fmt.Errorf("read addresses of %s: %w", name, err)
		}
		n.Interfaces = append(n.Interfaces, in)
	}
	slices.SortStableFunc(n.Interfaces, func(a, b Interface) int { return cmp.Compare(a.Index, b.Index) })
	return n, nil
}

// readLink reads what /sys says of an interface.
func readLink(root fs.FS, name string) (Interface, bool) {
	dir := path.Join(links, name)
	index := integer(root, dir+"/ifindex")
	if index == nil {
		return Interface{}, false
	}
	in := Interface{Name: name, Index: int(*index), Kind: linkKind(root, dir)}
	in.MAC, _ = net.ParseMAC(text(root, dir+"/address"))
	in.permanent = text(root, dir+"/addr_assign_type") == "0"
	flags, _ := strconv.ParseUint(text(root, dir+"/flags"), 0, 32)
	in.Up = flags&uint64(net.FlagUp) != 0 // IFF_UP has the same value
	state := text(root, dir+"/operstate")
	in.Running = in.Up && (state == "up" || state == "unknown" && text(root, dir+"/carrier") == "1")
	if mtu := integer(root, dir+"/mtu"); mtu != nil {
		in.MTU = int(*mtu)
	}
	if speed := integer(root, dir+"/speed"); speed != nil && *speed > 0 {
		in.Speed = *speed
	}
	header := uint64(0)
	if text(root, dir+"/type") == arphrdEther {
		header = 14 // addresses and type, which the kernel counts
	}
	in.RxBytes = payload(root, dir+"/statistics/rx", header)
	in.TxBytes = payload(root, dir+"/statistics/tx", header)
	in.lower = slices.ContainsFunc(names(root, dir), func(s string) bool { return strings.HasPrefix(s, "lower_") })
	return in, true
}

// payload returns the bytes of a direction without the header that each packet
// has below IP.
func payload(root fs.FS, counters string, header uint64) uint64 {
	bytes, headers := counter(root, counters+"_bytes"), counter(root, counters+"_packets")*header
	return bytes - min(bytes, headers)
}

// The hardware types that matter (the kernel's linux/if_arp.h).
const (
	arphrdEther    = "1"
	arphrdPPP      = "512"
	arphrdRawIP    = "519"
	arphrdLoopback = "772"
	arphrd802154   = "804"
)

func linkKind(root fs.FS, dir string) LinkKind {
	b, _ := read(root, dir+"/uevent")
	device := exists(root, dir+"/device")
	switch assignments(b)["DEVTYPE"] {
	case "wlan":
		return LinkWLAN
	case "wwan":
		return LinkWWAN
	case "bridge":
		return LinkBridge
	case "vlan", "bond":
		return LinkVirtual
	}
	switch text(root, dir+"/type") {
	case arphrdLoopback:
		return LinkLoopback
	case arphrdPPP, arphrdRawIP:
		return LinkWWAN
	case arphrd802154:
		return Link802154
	case "65534", "768", "769", "776", "778", "823": // none (tun, WireGuard), tunnels over IPv4 and IPv6, SIT, GRE
		return LinkTunnel
	case arphrdEther:
		if exists(root, dir+"/wireless") || exists(root, dir+"/phy80211") {
			return LinkWLAN
		}
		if device {
			return LinkEthernet
		}
		return LinkVirtual
	}
	return LinkOther
}

// wirelessSignals reads /proc/net/wireless, which not every kernel has: two
// lines of headings, then "wlan0: 0000   54.  -56.  -256 …" with the level, in
// dBm, as the third number.
func wirelessSignals(root fs.FS) map[string]*int64 {
	out := make(map[string]*int64)
	for line := range strings.Lines(text(root, "proc/net/wireless")) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 3 {
			continue
		}
		if level, err := strconv.ParseFloat(fields[2], 64); err == nil && level < 0 && level > -256 {
			out[name] = new(int64(level))
		}
	}
	return out
}
