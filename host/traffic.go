package host

import (
	"encoding/binary"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Traffic is what went over a network interface since the kernel made it.
type Traffic struct {
	Index   int  // which no other interface gets
	Outside bool // it leads out of the machine: it is hardware, or, if there is none (in a container), stands on no other
	Tx, Rx  Volume
}

// Volume is what went in one direction. Its numbers only grow, unless a driver begins anew.
type Volume struct {
	Bytes   uint64 // as the kernel counts them
	Headers uint64 // of these, below the IP header
}

// Since returns what came after an earlier state. A number that is behind has begun anew, so all it says came since.
func (v Volume) Since(last Volume) Volume {
	grown := func(last, now uint64) uint64 {
		if now < last {
			return now
		}
		return now - last
	}
	return Volume{grown(last.Bytes, v.Bytes), grown(last.Headers, v.Headers)}
}

// Plus adds what went elsewhere.
func (v Volume) Plus(o Volume) Volume { return Volume{v.Bytes + o.Bytes, v.Headers + o.Headers} }

// Payload returns the bytes from the IP header on.
func (v Volume) Payload() uint64 { return v.Bytes - min(v.Bytes, v.Headers) }

// counters are what ReadTraffic reads of an interface.
type counters struct {
	rx, tx Volume
	lower  bool // it stands on other interfaces
	gone   bool // while it was read
}

// ReadTraffic returns what went over each interface.
func ReadTraffic(root fs.FS) []Traffic {
	all := slices.DeleteFunc(readLinks(root, readCounters), func(in Interface) bool { return in.gone })
	outside := func(in *Interface) bool { return in.Kind.physical() && !in.lower }
	if !slices.ContainsFunc(all, func(in Interface) bool { return outside(&in) }) {
		outside = func(in *Interface) bool { return in.Kind == LinkVirtual && !in.lower }
	}
	out := make([]Traffic, 0, len(all))
	for i := range all {
		in := &all[i]
		out = append(out, Traffic{Index: in.Index, Outside: outside(in), Tx: in.tx, Rx: in.rx})
	}
	return out
}

func readCounters(root fs.FS, dir string, in *Interface) {
	header := headerLength(text(root, dir+"/type"))
	volume := func(direction string) Volume {
		file := dir + "/statistics/" + direction
		return Volume{Bytes: counter(root, file+"_bytes"), Headers: counter(root, file+"_packets") * header}
	}
	in.rx, in.tx = volume("rx"), volume("tx")
	in.lower = slices.ContainsFunc(names(root, dir), func(s string) bool { return strings.HasPrefix(s, "lower_") })
	in.gone = integer(root, dir+"/ifindex") == nil // then what could not be read was taken for 0
}

// headerLength is what the kernel counts below IP of each packet: addresses and type of Ethernet.
func headerLength(hardware string) uint64 {
	if hardware == arphrdEther {
		return 14
	}
	return 0
}

// goneTraffic reads a message of the kernel that an interface has gone, which tells its counters for the last time
// (rtnetlink(7): struct ifinfomsg, then attributes; linux/if_link.h: struct rtnl_link_stats64).
func goneTraffic(m *syscall.NetlinkMessage) (Traffic, bool) {
	if m.Header.Type != syscall.RTM_DELLINK || len(m.Data) < syscall.SizeofIfInfomsg || m.Data[0] != syscall.AF_UNSPEC {
		return Traffic{}, false // a bridge tells of its ports
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return Traffic{}, false
	}
	header := headerLength(strconv.Itoa(int(binary.NativeEndian.Uint16(m.Data[2:]))))
	t := Traffic{Index: int(binary.NativeEndian.Uint32(m.Data[4:]))}
	for _, a := range attributes {
		if a.Attr.Type != unix.IFLA_STATS64 || len(a.Value) < 32 {
			continue
		}
		number := func(i int) uint64 { return binary.NativeEndian.Uint64(a.Value[8*i:]) }
		t.Rx, t.Tx = Volume{number(2), number(0) * header}, Volume{number(3), number(1) * header}
		return t, true
	}
	return Traffic{}, false
}
