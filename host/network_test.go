package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// gateway is a machine with wire, WLAN, a modem, a bridge with a port, a VLAN,
// VPN and loopback.
var gateway = map[string]string{
	"sys/class/net/bonding_masters": "\n",

	"sys/class/net/eth0/ifindex": "2\n", "sys/class/net/eth0/type": "1\n", "sys/class/net/eth0/flags": "0x1003\n",
	"sys/class/net/eth0/operstate": "up\n", "sys/class/net/eth0/mtu": "1500\n", "sys/class/net/eth0/speed": "1000\n",
	"sys/class/net/eth0/address": "00:1b:21:aa:bb:cc\n", "sys/class/net/eth0/addr_assign_type": "0\n", "sys/class/net/eth0/device/x": "",
	"sys/class/net/eth0/statistics/rx_bytes": "10140\n", "sys/class/net/eth0/statistics/rx_packets": "10\n",
	"sys/class/net/eth0/statistics/tx_bytes": "5070\n", "sys/class/net/eth0/statistics/tx_packets": "5\n",

	"sys/class/net/eth1/ifindex": "3\n", "sys/class/net/eth1/type": "1\n", "sys/class/net/eth1/flags": "0x1002\n",
	"sys/class/net/eth1/operstate": "down\n", "sys/class/net/eth1/speed": "-1\n", "sys/class/net/eth1/device/x": "",
	"sys/class/net/eth1/address": "02:1b:21:aa:bb:cd\n", "sys/class/net/eth1/addr_assign_type": "0\n",

	"sys/class/net/wlan0/ifindex": "4\n", "sys/class/net/wlan0/type": "1\n", "sys/class/net/wlan0/flags": "0x1003\n",
	"sys/class/net/wlan0/operstate": "dormant\n", "sys/class/net/wlan0/uevent": "DEVTYPE=wlan\nINTERFACE=wlan0\n",
	"sys/class/net/wlan0/address": "00:0c:43:11:22:33\n", "sys/class/net/wlan0/addr_assign_type": "0\n",

	"sys/class/net/wwan0/ifindex": "5\n", "sys/class/net/wwan0/type": "519\n", "sys/class/net/wwan0/flags": "0x1003\n",
	"sys/class/net/wwan0/operstate": "unknown\n", "sys/class/net/wwan0/carrier": "1\n", "sys/class/net/wwan0/statistics/rx_bytes": "700\n",
	"sys/class/net/wwan0/statistics/rx_packets": "7\n", "sys/class/net/wwan0/statistics/tx_bytes": "300\n",

	"sys/class/net/br0/ifindex": "6\n", "sys/class/net/br0/type": "1\n", "sys/class/net/br0/uevent": "DEVTYPE=bridge\n",
	"sys/class/net/br0/lower_eth1": "x", "sys/class/net/br0/statistics/rx_bytes": "99999\n",
	"sys/class/net/eth0.7/ifindex": "7\n", "sys/class/net/eth0.7/type": "1\n", "sys/class/net/eth0.7/uevent": "DEVTYPE=vlan\n",
	"sys/class/net/eth0.7/lower_eth0": "x", "sys/class/net/eth0.7/statistics/rx_bytes": "99999\n",
	"sys/class/net/wg0/ifindex": "8\n", "sys/class/net/wg0/type": "65534\n",
	"sys/class/net/veth0/ifindex": "9\n", "sys/class/net/veth0/type": "1\n", "sys/class/net/veth0/statistics/rx_bytes": "99999\n",
	"sys/class/net/lo/ifindex": "1\n", "sys/class/net/lo/type": "772\n", "sys/class/net/lo/statistics/rx_bytes": "99999\n",
	"sys/class/net/wpan0/ifindex": "10\n", "sys/class/net/wpan0/type": "804\n",
	"sys/class/net/can0/ifindex": "11\n", "sys/class/net/can0/type": "280\n",
	"sys/class/net/ppp0/ifindex": "12\n", "sys/class/net/ppp0/type": "512\n",
	"sys/class/net/old0/ifindex": "13\n", "sys/class/net/old0/type": "1\n", "sys/class/net/old0/wireless/x": "",

	"proc/net/wireless": "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n" +
		" face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n" +
		" wlan0: 0000   54.  -56.  -256        0      0      0      0      0        0\n" +
		"  old0: 0000    0.    0     0         0      0      0      0      0        0\n",
	"proc/net/ipv6_route": "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000003 00000000 00000003     eth0\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n" +
		"20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 00000200 00000001 00000000 00000001    wwan0\n",
}

func TestReadNetwork(t *testing.T) {
	addresses := map[int][]netip.Prefix{2: {netip.MustParsePrefix("192.0.2.7/24"), netip.MustParsePrefix("fe80::1/64")}}
	n, err := readNetwork(files(gateway), func() (map[int][]netip.Prefix, error) { return addresses, nil })
	if err != nil {
		t.Fatal(err)
	}
	mac := func(s string) net.HardwareAddr {
		m, _ := net.ParseMAC(s)
		return m
	}
	want := []Interface{
		{Name: "lo", Index: 1, Kind: LinkLoopback},
		{
			Name: "eth0", Index: 2, Kind: LinkEthernet, MAC: mac("00:1b:21:aa:bb:cc"), Up: true, Running: true,
			Addresses: addresses[2],
		},
		{Name: "eth1", Index: 3, Kind: LinkEthernet, MAC: mac("02:1b:21:aa:bb:cd")},
		{Name: "wlan0", Index: 4, Kind: LinkWLAN, MAC: mac("00:0c:43:11:22:33"), Up: true, Signal: new(int64(-56))},
		{Name: "wwan0", Index: 5, Kind: LinkWWAN, Up: true, Running: true},
		{Name: "br0", Index: 6, Kind: LinkBridge},
		{Name: "eth0.7", Index: 7, Kind: LinkVirtual},
		{Name: "wg0", Index: 8, Kind: LinkTunnel},
		{Name: "veth0", Index: 9, Kind: LinkVirtual},
		{Name: "wpan0", Index: 10, Kind: Link802154},
		{Name: "can0", Index: 11, Kind: LinkOther},
		{Name: "ppp0", Index: 12, Kind: LinkWWAN},
		{Name: "old0", Index: 13, Kind: LinkWLAN},
	}
	if d := cmp.Diff(want, n.Interfaces, cmpopts.IgnoreUnexported(Interface{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if tx, rx := outside(files(gateway)); tx != 5300 || rx != 10700 { // without 14 bytes for each packet of Ethernet
		t.Errorf("sent %d, received %d", tx, rx)
	}
	if got := fmt.Sprint(n.PermanentMACs()); got != "[00:1b:21:aa:bb:cc 00:0c:43:11:22:33]" {
		t.Errorf("the MACs are %s", got)
	}
	if p := n.Primary(); p == nil || p.Name != "wwan0" { // the smallest metric; there is no IPv4 route
		t.Errorf("primary is %+v", p)
	}
	boom := errors.New("gone")
	if _, err := readNetwork(files(gateway), func() (map[int][]netip.Prefix, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
}

// outside is what went over the interfaces that lead out of the machine.
func outside(root fs.FS) (tx, rx uint64) {
	for _, t := range ReadTraffic(root) {
		if t.Outside {
			tx, rx = tx+t.Tx.Payload(), rx+t.Rx.Payload()
		}
	}
	return tx, rx
}

// vanishing is a machine whose wwan0 goes while its counters are read.
type vanishing struct{ fs.FS }

func (v *vanishing) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "sys/class/net/wwan0/statistics/") {
		rest := maps.Clone(gateway)
		maps.DeleteFunc(rest, func(name, _ string) bool { return strings.HasPrefix(name, "sys/class/net/wwan0/") })
		v.FS = files(rest)
	}
	return v.FS.Open(name)
}

// TestTrafficOfWhatGoes: an interface that goes while it is read is left out, and not taken for one that begins anew.
func TestTrafficOfWhatGoes(t *testing.T) {
	const wwan0 = 5
	known := func(root fs.FS) bool {
		return slices.ContainsFunc(ReadTraffic(root), func(t Traffic) bool { return t.Index == wwan0 })
	}
	if !known(files(gateway)) || known(&vanishing{files(gateway)}) {
		t.Error("it is known only if it does not go")
	}
}

func permanentMACs(root fs.FS) []net.HardwareAddr { return new(ReadLinks(root)).PermanentMACs() }

// TestContainer: where there is no hardware, what has none counts.
func TestContainer(t *testing.T) {
	root := files(map[string]string{
		"sys/class/net/lo/ifindex": "1\n", "sys/class/net/lo/type": "772\n", "sys/class/net/lo/statistics/rx_bytes": "9\n",
		"sys/class/net/eth0/ifindex": "2\n", "sys/class/net/eth0/type": "1\n", "sys/class/net/eth0/statistics/rx_bytes": "114\n",
		"sys/class/net/eth0/statistics/rx_packets": "1\n", "sys/class/net/eth0/address": "02:42:ac:11:00:02\n", "sys/class/net/eth0/addr_assign_type": "3\n",
	})
	if tx, rx := outside(root); tx != 0 || rx != 100 {
		t.Errorf("sent %d, received %d", tx, rx)
	}
	if got := permanentMACs(root); len(got) > 0 {
		t.Errorf("the MAC is %s, which was made up", got)
	}
	if got := permanentMACs(files(map[string]string{"sys/class/net/wlan0/ifindex": "1", "sys/class/net/wlan0/uevent": "DEVTYPE=wlan", "sys/class/net/wlan0/address": "00:0c:43:11:22:33", "sys/class/net/wlan0/addr_assign_type": "0"})); len(got) != 1 || got[0].String() != "00:0c:43:11:22:33" {
		t.Errorf("the MAC is %s", got)
	}
}

func TestDefaultRoutes(t *testing.T) {
	// As a little-endian machine writes them; 192.0.2.1 is 010200C0.
	const heading = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	root := files(map[string]string{
		"proc/net/route": heading +
			"eth0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n" +
			"ppp0\t00000000\t00000000\t0001\t0\t0\t100\t00000000\t0\t0\t0\n" +
			"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
			"*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n" +
			"eth1\t00000000\tzzzzzzzz\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
			"cut\t00000000\n",
		"proc/net/ipv6_route": gateway["proc/net/ipv6_route"] + "x y z\n",
	})
	want := []Route{
		{Interface: "ppp0", Metric: 100},
		{Interface: "eth0", Metric: 600, Gateway: netip.MustParseAddr("192.0.2.1")},
		{Interface: "wwan0", Metric: 0x200, IPv6: true},
		{Interface: "eth0", Metric: 0x400, IPv6: true, Gateway: netip.MustParseAddr("fe80::1%eth0")},
	}
	if d := cmp.Diff(want, defaultRoutes(root), cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNetworkChangesAreCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var changed []time.Duration
		began := time.Now()
		w := NetworkWatch{Changed: func() { changed = append(changed, time.Since(began)) }}
		events := make(chan struct{}, 1)
		go w.collect(ctx, events)
		send := func(after time.Duration) {
			<-time.After(after)
			select {
			case events <- struct{}{}:
			default:
			}
		}
		send(time.Second)
		send(50 * time.Millisecond)
		send(50 * time.Millisecond)
		send(time.Hour)
		<-time.After(time.Hour)
		synctest.Wait()
		want := []time.Duration{1200 * time.Millisecond, time.Hour + 1300*time.Millisecond}
		diff(t, "calls", want, changed)
	})
}

// TestWatchEnds: the watches end with their context, and say what is wrong.
func TestWatchEnds(t *testing.T) {
	for name, watch := range map[string]func(context.Context) error{
		"network": (&NetworkWatch{Changed: func() {}}).Run,
		"power":   func(ctx context.Context) error { return WatchPower(ctx, func() {}) },
		"WLAN":    func(ctx context.Context) error { return WatchWLAN(ctx, func() {}) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := watch(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	if err := listen(t.Context(), 9999, 1, nil); !errors.Is(err, unix.EPROTONOSUPPORT) {
		t.Errorf("a protocol that there is not: %v", err)
	}
}

// TestFlappingNetwork: a route that comes and goes ten times a second is told of ever more rarely, its last change in any case, and after some quiet the next
// one at once.
func TestFlappingNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes, events := make(chan time.Time, 100), make(chan struct{}, 1)
		w := NetworkWatch{Changed: func() { changes <- time.Now() }}
		var told []time.Time
		look := func() {
			synctest.Wait()
			for len(changes) > 0 {
				told = append(told, <-changes)
			}
		}
		go w.collect(t.Context(), events)
		began := time.Now()
		for range 6000 { // ten minutes
			select {
			case events <- struct{}{}:
			default:
			}
			<-time.After(100 * time.Millisecond)
		}
		look()
		if first := told[0].Sub(began); first != defaultSettle || len(told) < 55 || len(told) > 70 {
			t.Errorf("told after %v, and %d times in ten minutes", first, len(told))
		}
		last := time.Now()
		<-time.After(longestSettle)
		look()
		if n := len(told); !told[n-1].After(last.Add(-100 * time.Millisecond)) {
			t.Errorf("the last change is not told: %v before it", last.Sub(told[n-1]))
		}
		<-time.After(quietTime)
		look()
		n := len(told)
		events <- struct{}{}
		<-time.After(defaultSettle + time.Millisecond)
		look()
		if len(told) != n+1 {
			t.Error("a change after some quiet is told late")
		}
	})
}
