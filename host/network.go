package host

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
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
	Addresses []netip.Prefix
	Signal    *int64 // dBm, of a WLAN that is connected, where the kernel says so

	permanent bool // it is hardware, and the MAC its own
	counters
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

// PermanentMACs returns the hardware addresses that makers gave to interfaces of this machine, the one
// that best names it first: wired ones before wireless ones, by name.
func (n *Network) PermanentMACs() []net.HardwareAddr {
	var own []*Interface
	for i := range n.Interfaces {
		in := &n.Interfaces[i]
		if in.permanent && len(in.MAC) == 6 && in.MAC[0]&2 == 0 && in.MAC.String() != "00:00:00:00:00:00" {
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

// ReadLinks reads the interfaces (/sys/class/net), and no addresses and routes.
func ReadLinks(root fs.FS) Network { return Network{Interfaces: readLinks(root, readMAC, readState)} }

// ReadNetwork reads interfaces (/sys/class/net), their addresses (netlink) and
// default routes (/proc/net).
func ReadNetwork(root fs.FS) (Network, error) { return readNetwork(root, systemAddresses) }

// systemAddresses returns the addresses of all interfaces by their index.
func systemAddresses() (map[int][]netip.Prefix, error) {
	table, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil, err
	}
	out := make(map[int][]netip.Prefix)
	for i := range messages {
		if index, p, ok := address(&messages[i]); ok {
			out[index] = append(out[index], p)
		}
	}
	return out, nil
}

// address reads a message of the kernel about an address (rtnetlink(7): struct ifaddrmsg, then attributes).
func address(m *syscall.NetlinkMessage) (index int, p netip.Prefix, ok bool) {
	if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg {
		return 0, p, false
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return 0, p, false
	}
	var own netip.Addr
	for _, a := range attributes {
		// IFA_ADDRESS is the other end's where there is an IFA_LOCAL
		if local := a.Attr.Type == syscall.IFA_LOCAL; local || a.Attr.Type == syscall.IFA_ADDRESS && !own.IsValid() {
			own, _ = netip.AddrFromSlice(a.Value)
		}
	}
	p = netip.PrefixFrom(own, int(m.Data[1]))
	return int(binary.NativeEndian.Uint32(m.Data[4:])), p, p.IsValid()
}

const links = "sys/class/net"

func readNetwork(root fs.FS, addresses func() (map[int][]netip.Prefix, error)) (Network, error) {
	n := ReadLinks(root)
	n.Defaults = defaultRoutes(root)
	own, err := addresses()
	if err != nil {
		return n, fmt.Errorf("read the addresses of the interfaces: %w", err)
	}
	signals := wirelessSignals(root)
	for i := range n.Interfaces {
		in := &n.Interfaces[i]
		in.Addresses, in.Signal = own[in.Index], signals[in.Name]
	}
	return n, nil
}

// readLinks reads what /sys says of the interfaces: what they are, and what is asked for.
func readLinks(root fs.FS, parts ...func(root fs.FS, dir string, in *Interface)) []Interface {
	var out []Interface
	for _, name := range names(root, links) {
		dir := path.Join(links, name)
		index := integer(root, dir+"/ifindex")
		if index == nil { // bonding_masters is a file; an interface may have gone meanwhile
			continue
		}
		in := Interface{Name: name, Index: int(*index), Kind: linkKind(root, dir)}
		for _, part := range parts {
			part(root, dir, &in)
		}
		out = append(out, in)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Index < out[j].Index })
	return out
}

func readMAC(root fs.FS, dir string, in *Interface) {
	in.MAC, _ = net.ParseMAC(text(root, dir+"/address"))
	in.permanent = in.Kind.physical() && text(root, dir+"/addr_assign_type") == "0"
}

func readState(root fs.FS, dir string, in *Interface) {
	flags, _ := strconv.ParseUint(text(root, dir+"/flags"), 0, 32)
	if in.Up = flags&uint64(net.FlagUp) != 0; !in.Up { // IFF_UP has the same value
		return
	}
	state := text(root, dir+"/operstate")
	in.Running = state == "up" || state == "unknown" && text(root, dir+"/carrier") == "1"
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
		if exists(root, dir+"/device") {
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
