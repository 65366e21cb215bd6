package host

import (
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"net/netip"
	"sort"
	"strconv"
	"strings"
)

// Route is a default route.
type Route struct {
	Interface string
	Gateway   netip.Addr // not valid for a point-to-point link
	Metric    uint32
	IPv6      bool
}

// The flags of a route (the kernel's linux/route.h).
const (
	rtfUp      = 0x0001
	rtfGateway = 0x0002
	rtfReject  = 0x0200
)

// defaultRoutes reads the default routes of /proc/net/route and
// /proc/net/ipv6_route, the preferred first.
func defaultRoutes(root fs.FS) []Route {
	var four, six []Route
	for line := range strings.Lines(text(root, "proc/net/route")) {
		if r, ok := parseRoute4(strings.Fields(line)); ok {
			four = append(four, r)
		}
	}
	for line := range strings.Lines(text(root, "proc/net/ipv6_route")) {
		if r, ok := parseRoute6(strings.Fields(line)); ok {
			six = append(six, r)
		}
	}
	for _, routes := range [][]Route{four, six} {
		sort.SliceStable(routes, func(i, j int) bool { return routes[i].Metric < routes[j].Metric })
	}
	return append(four, six...)
}

// parseRoute4 reads "Iface Destination Gateway Flags RefCnt Use Metric Mask …":
// addresses are hexadecimal numbers in the byte order of the machine.
func parseRoute4(f []string) (Route, bool) {
	if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
		return Route{}, false
	}
	gateway, err1 := strconv.ParseUint(f[2], 16, 32)
	flags, err2 := strconv.ParseUint(f[3], 16, 32)
	metric, err3 := strconv.ParseUint(f[6], 10, 32)
	if err1 != nil || err2 != nil || err3 != nil || flags&rtfUp == 0 || flags&rtfReject != 0 {
		return Route{}, false
	}
	r := Route{Interface: f[0], Metric: uint32(metric)}
	if flags&rtfGateway != 0 {
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(gateway))
		r.Gateway = netip.AddrFrom4(b)
	}
	return r, true
}

// parseRoute6 reads "destination length source length gateway metric refcnt use
// flags interface", all numbers hexadecimal.
func parseRoute6(f []string) (Route, bool) {
	const zero = "00000000000000000000000000000000"
	if len(f) < 10 || f[0] != zero || f[1] != "00" || f[9] == "lo" {
		return Route{}, false
	}
	gateway, err1 := hex.DecodeString(f[4])
	metric, err2 := strconv.ParseUint(f[5], 16, 32)
	flags, err3 := strconv.ParseUint(f[8], 16, 32)
	if err1 != nil || err2 != nil || err3 != nil || len(gateway) != 16 || flags&rtfUp == 0 || flags&rtfReject != 0 {
		return Route{}, false
	}
	r := Route{Interface: f[9], Metric: uint32(metric), IPv6: true}
	if flags&rtfGateway != 0 {
		r.Gateway = netip.AddrFrom16([16]byte(gateway))
		if r.Gateway.IsLinkLocalUnicast() {
			r.Gateway = r.Gateway.WithZone(f[9])
		}
	}
	return r, true
}
