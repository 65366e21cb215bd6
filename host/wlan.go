package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path"

	"golang.org/x/sys/unix"
)

// WLANMode is what a wireless interface does.
type WLANMode string

// The modes; "" where the kernel does not say.
const (
	WLANStation     WLANMode = "station"
	WLANAccessPoint WLANMode = "access point"
	WLANBridge      WLANMode = "bridge" // to another access point (WDS)
	WLANMesh        WLANMode = "mesh"
	WLANOther       WLANMode = "other"
)

// WLAN is one wireless interface.
type WLAN struct {
	Interface string
	Index     int
	MAC       net.HardwareAddr
	Up        bool // switched on
	Running   bool // and connected, or an access point at work
	Mode      WLANMode
	SSID      string // "" while there is none
	Frequency int    // MHz, 0 while there is none
	Width     int    // of the channel, MHz; 0 if unknown
	HighRate  bool   // with the rates of 802.11n or later
	Security  *WLANSecurity
}

// ReadWLAN returns the wireless interfaces among those of a network, in the order of their
// indices; nl80211 says what they do. Without nl80211 (drivers of old) that is not known.
func ReadWLAN(n *Network) ([]WLAN, error) { return readWLAN(n, askNL80211) }

// nl80211Asker carries out a request of nl80211: the command with attributes.
type nl80211Asker func(command uint8, attrs []byte, take func(attrs []byte)) error

func readWLAN(n *Network, ask nl80211Asker) ([]WLAN, error) {
	var out []WLAN
	for i := range n.Interfaces {
		if in := &n.Interfaces[i]; in.Kind == LinkWLAN {
			out = append(out, WLAN{Interface: in.Name, Index: in.Index, MAC: in.MAC, Up: in.Up, Running: in.Running})
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	err := ask(unix.NL80211_CMD_GET_INTERFACE, nil, func(attrs []byte) { enterInterface(out, attrs) })
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return out, fmt.Errorf("ask nl80211 for interfaces: %w", err)
	}
	for i := range out {
		if w := &out[i]; w.Running && w.Mode == WLANStation {
			if w.Security, err = readSecurity(w.Index, ask); err != nil {
				return out, fmt.Errorf("ask nl80211 what %s is connected to: %w", w.Interface, err)
			}
		}
	}
	return out, nil
}

// askNL80211 has the kernel list what a command gives. The error is unix.ENOENT
// without nl80211.
func askNL80211(command uint8, attrs []byte, take func(attrs []byte)) error {
	f, err := findFamily(unix.NL80211_GENL_NAME)
	if err != nil {
		return err
	}
	return askGenl(genlRequest(f.id, unix.NLM_F_DUMP, command, attrs), func(m genlMessage) { take(m.attrs) })
}

// enterInterface takes in what nl80211 says of one interface.
func enterInterface(wlans []WLAN, attrs []byte) {
	var in WLAN
	for kind, value := range attributes(attrs) {
		switch kind {
		case unix.NL80211_ATTR_IFINDEX:
			in.Index = int(number(value))
		case unix.NL80211_ATTR_IFTYPE:
			in.Mode = wlanMode(number(value))
		case unix.NL80211_ATTR_SSID:
			in.SSID = string(value)
		case unix.NL80211_ATTR_WIPHY_FREQ:
			in.Frequency = int(number(value))
		case unix.NL80211_ATTR_CHANNEL_WIDTH:
			in.Width, in.HighRate = channelWidth(number(value))
		}
	}
	for i := range wlans {
		if w := &wlans[i]; w.Index == in.Index {
			w.Mode, w.SSID, w.Frequency, w.Width, w.HighRate = in.Mode, in.SSID, in.Frequency, in.Width, in.HighRate
		}
	}
}

func wlanMode(iftype uint32) WLANMode {
	switch iftype {
	case unix.NL80211_IFTYPE_STATION, unix.NL80211_IFTYPE_P2P_CLIENT:
		return WLANStation
	case unix.NL80211_IFTYPE_AP, unix.NL80211_IFTYPE_AP_VLAN, unix.NL80211_IFTYPE_P2P_GO:
		return WLANAccessPoint
	case unix.NL80211_IFTYPE_WDS:
		return WLANBridge
	case unix.NL80211_IFTYPE_MESH_POINT:
		return WLANMesh
	}
	return WLANOther
}

// channelWidth returns a width in MHz, and whether it comes with 802.11n or
// later.
func channelWidth(width uint32) (mhz int, highRate bool) {
	switch width {
	case unix.NL80211_CHAN_WIDTH_20_NOHT:
		return 20, false
	case unix.NL80211_CHAN_WIDTH_20:
		return 20, true
	case unix.NL80211_CHAN_WIDTH_40:
		return 40, true
	case unix.NL80211_CHAN_WIDTH_80:
		return 80, true
	case unix.NL80211_CHAN_WIDTH_80P80, unix.NL80211_CHAN_WIDTH_160:
		return 160, true
	case unix.NL80211_CHAN_WIDTH_320:
		return 320, true
	case unix.NL80211_CHAN_WIDTH_5:
		return 5, false
	case unix.NL80211_CHAN_WIDTH_10:
		return 10, false
	}
	return 0, false
}

// Channel returns the number of the channel (IEEE 802.11, section 17.3.8.4 and
// annex E), 0 while there is none.
func (w *WLAN) Channel() int {
	switch f := w.Frequency; {
	case f == 2484:
		return 14
	case f >= 2412 && f <= 2472:
		return (f - 2407) / 5
	case f >= 5000 && f <= 5895:
		return (f - 5000) / 5
	case f >= 5955 && f <= 7115: // 6 GHz
		return (f - 5950) / 5
	case f >= 58320 && f <= 70200: // 60 GHz
		return (f - 56160) / 2160
	}
	return 0
}

// WLANCounters returns a function that reads one of the kernel's counters of an
// interface, such as "tx_bytes"; 0 while it is not there.
func WLANCounters(root fs.FS, name string) func(counter string) uint64 {
	return func(c string) uint64 { return counter(root, path.Join(links, name, "statistics", c)) }
}

// readSecurity asks how the network is secured that an interface is connected
// to; nil if the kernel does not know.
func readSecurity(index int, ask nl80211Asker) (*WLANSecurity, error) {
	var found *WLANSecurity
	interfaceIndex := binary.NativeEndian.AppendUint32(nil, uint32(index)) //nolint:gosec // positive
	err := ask(unix.NL80211_CMD_GET_SCAN, appendAttribute(nil, unix.NL80211_ATTR_IFINDEX, interfaceIndex), func(attrs []byte) {
		for kind, value := range attributes(attrs) {
			if kind == unix.NL80211_ATTR_BSS {
				if s, associated := parseBSS(value); associated {
					found = &s
				}
			}
		}
	})
	return found, err
}

// parseBSS returns how a network is secured, and whether this machine is
// connected to it.
func parseBSS(attrs []byte) (s WLANSecurity, associated bool) {
	private := false
	var elements []byte
	for kind, value := range attributes(attrs) {
		switch kind {
		case unix.NL80211_BSS_CAPABILITY:
			private = number(value)&capabilityPrivacy != 0
		case unix.NL80211_BSS_INFORMATION_ELEMENTS:
			elements = value
		case unix.NL80211_BSS_STATUS:
			associated = number(value) == unix.NL80211_BSS_STATUS_ASSOCIATED
		}
	}
	return parseSecurity(private, elements), associated
}
