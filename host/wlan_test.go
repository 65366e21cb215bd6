package host

import (
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// attr is an attribute as the kernel writes it.
func attr(kind uint16, parts ...[]byte) []byte {
	value := slices.Concat(parts...)
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func u32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
func u16(n uint16) []byte { return binary.NativeEndian.AppendUint16(nil, n) }

// netlinkMessage is a message with its header.
func netlinkMessage(kind uint16, body ...[]byte) []byte {
	b := slices.Concat(body...)
	return slices.Concat(u32(uint32(16+len(b))), u16(kind), u16(0), u32(1), u32(0), b)
}

// wireless is a machine with two wireless interfaces and a wired one.
var wireless = map[string]string{
	"sys/class/net/eth0/ifindex": "2\n", "sys/class/net/eth0/type": "1\n", "sys/class/net/eth0/device/x": "",
	"sys/class/net/wlan0/ifindex": "4\n", "sys/class/net/wlan0/type": "1\n", "sys/class/net/wlan0/flags": "0x1003\n",
	"sys/class/net/wlan0/operstate": "up\n", "sys/class/net/wlan0/uevent": "DEVTYPE=wlan\n", "sys/class/net/wlan0/address": "00:0c:43:11:22:33\n",
	"sys/class/net/wlan0/statistics/tx_bytes": "1234\n",
	"sys/class/net/wlan1/ifindex":             "5\n", "sys/class/net/wlan1/type": "1\n", "sys/class/net/wlan1/flags": "0x1002\n",
	"sys/class/net/wlan1/operstate": "down\n", "sys/class/net/wlan1/phy80211/x": "",
}

// asked answers requests of nl80211 with attributes, by command.
func asked(answers map[uint8][][]byte) nl80211Asker {
	return func(command uint8, _ []byte, take func([]byte)) error {
		for _, a := range answers[command] {
			take(a)
		}
		return nil
	}
}

var (
	stationAttrs = slices.Concat(
		attr(unix.NL80211_ATTR_IFINDEX, u32(4)), attr(unix.NL80211_ATTR_IFTYPE, u32(unix.NL80211_IFTYPE_STATION)),
		attr(unix.NL80211_ATTR_SSID, []byte("home")), attr(unix.NL80211_ATTR_WIPHY_FREQ, u32(5180)),
		attr(unix.NL80211_ATTR_CHANNEL_WIDTH, u32(unix.NL80211_CHAN_WIDTH_80)),
	)
	// wpa2 is the RSN element of a network with AES and a pre-shared key.
	wpa2 = []byte{48, 20, 1, 0, 0x00, 0x0f, 0xac, 4, 1, 0, 0x00, 0x0f, 0xac, 4, 1, 0, 0x00, 0x0f, 0xac, 2, 0, 0}
	home = attr(unix.NL80211_ATTR_BSS|unix.NLA_F_NESTED, attr(unix.NL80211_BSS_CAPABILITY, u16(0x11)),
		attr(unix.NL80211_BSS_INFORMATION_ELEMENTS, []byte{0, 4, 'h', 'o', 'm', 'e'}, wpa2), attr(unix.NL80211_BSS_STATUS, u32(unix.NL80211_BSS_STATUS_ASSOCIATED)))
	neighbour = attr(unix.NL80211_ATTR_BSS|unix.NLA_F_NESTED, attr(unix.NL80211_BSS_CAPABILITY, u16(0x01)))
)

func TestReadWLAN(t *testing.T) {
	got, err := readWLAN(new(ReadLinks(files(wireless))), asked(map[uint8][][]byte{
		unix.NL80211_CMD_GET_INTERFACE: {stationAttrs, attr(unix.NL80211_ATTR_IFINDEX, u32(99))}, // the latter came meanwhile
		unix.NL80211_CMD_GET_SCAN:      {neighbour, home, neighbour},
	}))
	if err != nil {
		t.Fatal(err)
	}
	mac, _ := net.ParseMAC("00:0c:43:11:22:33")
	want := []WLAN{
		{
			Interface: "wlan0", Index: 4, MAC: mac, Up: true, Running: true, Mode: WLANStation, SSID: "home", Frequency: 5180, Width: 80, HighRate: true,
			Security: &WLANSecurity{PSK: true, Cipher: CipherAES},
		},
		{Interface: "wlan1", Index: 5},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := WLANCounters(files(wireless), "wlan0")("tx_bytes"); n != 1234 {
		t.Errorf("sent %d bytes", n)
	}
}

// TestReadWLANWithout: without wireless interfaces nobody is asked; without nl80211
// the interfaces are there all the same, and so they are when it fails.
func TestReadWLANWithout(t *testing.T) {
	fails := func(err error) nl80211Asker { return func(uint8, []byte, func([]byte)) error { return err } }
	broken := errors.New("broken")
	if got, err := readWLAN(new(ReadLinks(files(map[string]string{"sys/class/net/eth0/ifindex": "2\n"}))), fails(broken)); len(got) > 0 || err != nil {
		t.Errorf("without wireless interfaces: %v, %v", got, err)
	}
	if got, err := readWLAN(new(ReadLinks(files(wireless))), fails(unix.ENOENT)); len(got) != 2 || err != nil {
		t.Errorf("without nl80211: %v, %v", got, err)
	}
	if got, err := readWLAN(new(ReadLinks(files(wireless))), fails(broken)); len(got) != 2 || !errors.Is(err, broken) {
		t.Errorf("with a broken nl80211: %v, %v", got, err)
	}
}

func TestWLANModes(t *testing.T) {
	for iftype, want := range map[uint32]WLANMode{
		unix.NL80211_IFTYPE_STATION: WLANStation, unix.NL80211_IFTYPE_P2P_CLIENT: WLANStation, unix.NL80211_IFTYPE_AP: WLANAccessPoint,
		unix.NL80211_IFTYPE_P2P_GO: WLANAccessPoint, unix.NL80211_IFTYPE_WDS: WLANBridge, unix.NL80211_IFTYPE_MESH_POINT: WLANMesh, unix.NL80211_IFTYPE_MONITOR: WLANOther,
	} {
		if got := wlanMode(iftype); got != want {
			t.Errorf("type %d is %q, want %q", iftype, got, want)
		}
	}
}

func TestChannels(t *testing.T) {
	for frequency, want := range map[int]int{0: 0, 2412: 1, 2472: 13, 2484: 14, 5180: 36, 5825: 165, 5955: 1, 7115: 233, 60480: 2, 920: 0} {
		if got := (&WLAN{Frequency: frequency}).Channel(); got != want {
			t.Errorf("%d MHz is channel %d, want %d", frequency, got, want)
		}
	}
	for width, want := range map[uint32]int{
		unix.NL80211_CHAN_WIDTH_20_NOHT: 20, unix.NL80211_CHAN_WIDTH_20: 20, unix.NL80211_CHAN_WIDTH_40: 40, unix.NL80211_CHAN_WIDTH_80: 80,
		unix.NL80211_CHAN_WIDTH_80P80: 160, unix.NL80211_CHAN_WIDTH_160: 160, unix.NL80211_CHAN_WIDTH_320: 320, unix.NL80211_CHAN_WIDTH_5: 5, unix.NL80211_CHAN_WIDTH_10: 10, 99: 0,
	} {
		if got, _ := channelWidth(width); got != want {
			t.Errorf("width %d is %d MHz, want %d", width, got, want)
		}
	}
}

func TestSecurity(t *testing.T) {
	rsn := func(parts ...[]byte) []byte {
		b := slices.Concat(append([][]byte{{1, 0, 0, 0x0f, 0xac, 4}}, parts...)...)
		return append([]byte{48, byte(len(b))}, b...)
	}
	suite := func(kinds ...byte) []byte {
		b := append(make([]byte, 0, 2+4*len(kinds)), byte(len(kinds)), 0)
		for _, k := range kinds {
			b = append(b, 0, 0x0f, 0xac, k)
		}
		return b
	}
	wpa1 := []byte{221, 22, 0, 0x50, 0xf2, 1, 1, 0, 0, 0x50, 0xf2, 2, 1, 0, 0, 0x50, 0xf2, 2, 1, 0, 0, 0x50, 0xf2, 2}
	for name, tt := range map[string]struct {
		private  bool
		elements []byte
		want     WLANSecurity
	}{
		"open":             {false, []byte{0, 1, 'x'}, WLANSecurity{}},
		"WEP":              {true, nil, WLANSecurity{Cipher: CipherWEP}},
		"WPA":              {true, wpa1, WLANSecurity{PSK: true, Cipher: CipherTKIP}},
		"WPA2":             {true, wpa2, WLANSecurity{PSK: true, Cipher: CipherAES}},
		"WPA and WPA2":     {true, slices.Concat(wpa1, wpa2), WLANSecurity{PSK: true, Cipher: CipherAES}},
		"TKIP beside AES":  {true, rsn(suite(2, 4), suite(2)), WLANSecurity{PSK: true, Cipher: CipherAES}},
		"enterprise":       {true, rsn(suite(4), suite(1)), WLANSecurity{EAP: true, Cipher: CipherAES}},
		"PSK or EAP":       {true, rsn(suite(4), suite(1, 2)), WLANSecurity{PSK: true, EAP: true, Cipher: CipherAES}},
		"SAE":              {true, rsn(suite(4), suite(8)), WLANSecurity{PSK: true, Cipher: CipherAES}},
		"OWE":              {true, rsn(suite(4), suite(18)), WLANSecurity{Cipher: CipherAES}},
		"defaults":         {true, rsn(), WLANSecurity{EAP: true, Cipher: CipherAES}},
		"other vendor":     {true, []byte{221, 5, 0, 0x10, 0x18, 1, 1}, WLANSecurity{Cipher: CipherWEP}},
		"vendor's suites":  {true, []byte{48, 18, 1, 0, 1, 2, 3, 4, 1, 0, 1, 2, 3, 4, 1, 0, 1, 2, 3, 4}, WLANSecurity{}},
		"more than it has": {true, []byte{48, 10, 1, 0, 0, 0x0f, 0xac, 4, 9, 0, 0, 0x0f}, WLANSecurity{EAP: true, Cipher: CipherAES}},
		"cut off":          {false, []byte{48, 20, 1, 0}, WLANSecurity{}},
	} {
		if got := parseSecurity(tt.private, tt.elements); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// family80211 is what the kernel answers about nl80211.
var family80211 = slices.Concat([]byte{1, 2, 0, 0}, attr(unix.CTRL_ATTR_FAMILY_NAME, []byte("nl80211\x00")), attr(unix.CTRL_ATTR_FAMILY_ID, u16(0x1c)),
	attr(unix.CTRL_ATTR_MCAST_GROUPS|unix.NLA_F_NESTED,
		attr(1, attr(unix.CTRL_ATTR_MCAST_GRP_NAME, []byte("config\x00")), attr(unix.CTRL_ATTR_MCAST_GRP_ID, u32(7))),
		attr(2, attr(unix.CTRL_ATTR_MCAST_GRP_NAME, []byte("mlme\x00")), attr(unix.CTRL_ATTR_MCAST_GRP_ID, u32(10)))))

func TestGenlMessages(t *testing.T) {
	request := genlRequest(unix.GENL_ID_CTRL, unix.NLM_F_ACK, unix.CTRL_CMD_GETFAMILY, appendAttribute(nil, unix.CTRL_ATTR_FAMILY_NAME, []byte("nl80211\x00")))
	want := slices.Concat(u32(32), u16(16), u16(5), u32(0), u32(0), []byte{3, 1, 0, 0}, u16(12), u16(2), []byte("nl80211\x00"))
	if d := cmp.Diff(want, request); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
	var got []genlMessage
	take := func(m genlMessage) { got = append(got, m) }
	both := slices.Concat(netlinkMessage(unix.GENL_ID_CTRL, family80211), netlinkMessage(unix.NLMSG_DONE, u32(0)))
	if done, err := genlMessages(both, take); !done || err != nil || len(got) != 1 {
		t.Fatalf("done %v, %v, %d messages", done, err, len(got))
	}
	f := parseFamily(got[0].attrs)
	if d := cmp.Diff(map[string]uint32{"config": 7, "mlme": 10}, f.groups); d != "" || f.id != 0x1c {
		t.Errorf("family %#x, groups (-want +got):\n%s", f.id, d)
	}
	enoent := -int32(unix.ENOENT)
	if done, err := genlMessages(netlinkMessage(unix.NLMSG_ERROR, u32(uint32(enoent))), take); !done || !errors.Is(err, unix.ENOENT) {
		t.Errorf("an error is %v, %v", done, err)
	}
	if done, err := genlMessages(netlinkMessage(unix.NLMSG_ERROR, u32(0)), take); !done || err != nil {
		t.Errorf("an acknowledgement is %v, %v", done, err)
	}
	if done, err := genlMessages(netlinkMessage(0x1c, []byte{7, 1, 0, 0}), take); done || err != nil {
		t.Errorf("a message in between is %v, %v", done, err)
	}
}

// FuzzGenl: whatever comes, nothing is read beyond its end.
func FuzzGenl(f *testing.F) {
	f.Add(netlinkMessage(unix.GENL_ID_CTRL, family80211))
	f.Add(netlinkMessage(0x1c, []byte{7, 1, 0, 0}, stationAttrs))
	f.Add(netlinkMessage(0x1c, []byte{34, 1, 0, 0}, home))
	f.Add(netlinkMessage(unix.NLMSG_ERROR, u32(1)))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = genlMessages(b, func(m genlMessage) {
			parseFamily(m.attrs)
			enterInterface([]WLAN{{Index: 4}}, m.attrs)
			for kind, value := range attributes(m.attrs) {
				if kind == unix.NL80211_ATTR_BSS {
					parseBSS(value)
				}
			}
		})
	})
}

// TestWLANEvents: what changes an interface is told, what else happens is not, and
// a module that comes later is noticed.
func TestWLANEvents(t *testing.T) {
	var joined []uint32
	calls, there := 0, false
	w := wlanWatch{
		join: func(group uint32) error {
			joined = append(joined, group)
			return nil
		},
		find: func(name string) (family, error) {
			if name != "nl80211" || !there {
				return family{}, unix.ENOENT
			}
			return parseFamily(family80211[4:]), nil
		},
		changed: func() { calls++ },
	}
	expect := func(what string, message []byte, wantCalls, wantJoined int) {
		t.Helper()
		calls = 0
		w.take(message)
		if calls != wantCalls || len(joined) != wantJoined {
			t.Errorf("%s: told %d times, want %d; joined %v", what, calls, wantCalls, joined)
		}
	}
	event := func(kind uint16, command byte) []byte { return netlinkMessage(kind, []byte{command, 1, 0, 0}) }
	w.find80211()
	expect("before the module", event(0x1c, unix.NL80211_CMD_CONNECT), 0, 0)
	there = true
	expect("the module", event(unix.GENL_ID_CTRL, unix.CTRL_CMD_NEWFAMILY), 0, 2)
	expect("another module", event(unix.GENL_ID_CTRL, unix.CTRL_CMD_NEWFAMILY), 0, 2)
	for _, command := range []byte{
		unix.NL80211_CMD_CONNECT, unix.NL80211_CMD_DISCONNECT, unix.NL80211_CMD_ROAM, unix.NL80211_CMD_CH_SWITCH_NOTIFY,
		unix.NL80211_CMD_START_AP, unix.NL80211_CMD_STOP_AP, unix.NL80211_CMD_SET_INTERFACE, unix.NL80211_CMD_NEW_INTERFACE,
	} {
		expect("a change", event(0x1c, command), 1, 2)
	}
	expect("a station of the access point", event(0x1c, unix.NL80211_CMD_NEW_STATION), 0, 2)
	expect("two changes at once", slices.Concat(event(0x1c, unix.NL80211_CMD_CONNECT), event(0x1c, unix.NL80211_CMD_ROAM)), 1, 2)
	expect("lost messages", nil, 1, 2)
	there = false
	expect("the module goes", event(unix.GENL_ID_CTRL, unix.CTRL_CMD_DELFAMILY), 0, 2)
	there = true
	expect("and comes back", event(unix.GENL_ID_CTRL, unix.CTRL_CMD_NEWFAMILY), 0, 4)
}

// TestFindFamily asks this kernel, which has the family that tells of the others.
func TestFindFamily(t *testing.T) {
	f, err := findFamily("nlctrl")
	if err != nil || f.id != unix.GENL_ID_CTRL || f.groups["notify"] != genlNotify {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := findFamily(strings.Repeat("x", 10)); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a family that there is not: %v", err)
	}
}
