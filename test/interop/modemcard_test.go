//go:build interop

package interop

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/modemmanager"
)

// whole compares all that an instance has: texts below its path, "*" for any.
func (s peer) whole(t *testing.T, path string, want leshan.Values) {
	t.Helper()
	got := must(t, "2.05", s.Read(t, s.endpoint, path, lwm2m.FormatTLV)).Content
	expected := make(leshan.Content, len(want))
	for below, value := range want {
		if value == "*" && got[path+below] != "" {
			value = got[path+below]
		}
		expected[path+below] = value
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// watch has Leshan observe paths.
func (s peer) watch(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		must(t, "2.05", s.Observe(t, s.endpoint, p, lwm2m.FormatTLV))
	}
}

// told waits until Leshan has been notified of an observed path with all these values, "" for one that is not there.
func (s peer) told(t *testing.T, after int64, path string, want leshan.Values) {
	t.Helper()
	s.Await(t, after, patience, fmt.Sprintf("notification of %s with %v", path, want), func(e leshan.Event) bool {
		if e.Type != "notification" || e.Endpoint != s.endpoint || e.Path != path || e.Code != "2.05" {
			return false
		}
		for below, value := range want {
			if e.Content[path+below] != value {
				return false
			}
		}
		return true
	})
}

// write replaces a value, of which the modem is told by a command.
func (s peer) write(t *testing.T, rig *modemmanager.ModemManager, path string, f lwm2m.Format, v leshan.Values, command string) {
	t.Helper()
	before := len(rig.Modem.Commands())
	must(t, "2.04", s.Replace(t, s.endpoint, path, f, v))
	rig.Commanded(t, before, command)
}

// refused has a write fail, with a reason.
func (s peer) refused(t *testing.T, path, value, code, why string) {
	t.Helper()
	if a := s.Replace(t, s.endpoint, path, lwm2m.FormatText, leshan.Values{"": value}); a.Code != code || !strings.Contains(a.Message, why) {
		t.Errorf("%s to %s: %+v", value, path, a)
	}
}

// ownAddress is the one of this machine by which it reaches others, for a modem that carries its connection.
func ownAddress(t *testing.T) string {
	t.Helper()
	if c, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).IP.String() //nolint:forcetypeassert // of UDP
	}
	all, _ := net.InterfaceAddrs()
	i := slices.IndexFunc(all, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil
	})
	if i < 0 {
		t.Fatalf("this machine has no IPv4 address that a modem could have: %v", all)
	}
	return all[i].(*net.IPNet).IP.String() //nolint:forcetypeassert // see above
}

// checkCard has another modem put in its place, with a network card, over which the machine is connected.
func (s peer) checkCard(t *testing.T, a *gateway.Agent, rig *modemmanager.ModemManager) {
	t.Helper()
	own := ownAddress(t)
	rig.PlugCard(t, own)
	rig.Enable(t)
	awaitModem(t, a, "another modem", "LARA-R211 30.49", "home, LTE, Lab LTE 26201", "-97 dBm")
	s.watch(t, "/4/0/0", "/4/0/2", "/4/0/9", "/4/0/10", "/10/0/11", "/26244/0/1")
	after := s.Now(t)
	bearer := rig.ConnectBy(t, 1)
	s.told(t, after, "/4/0/0", leshan.Values{"": "6"})
	s.told(t, after, "/4/0/2", leshan.Values{"": "-97"})
	s.told(t, after, "/10/0/11", leshan.Values{"/0": "11:1"})
	s.checkCardRead(t, own)
	s.checkCardWritten(t, rig)
	s.checkCardLosses(t, rig, bearer)
}

// checkCardRead reads all that a modem with a network card has, in each object.
func (s peer) checkCardRead(t *testing.T, own string) {
	t.Helper()
	machine := must(t, "2.05", s.Read(t, s.endpoint, "/4/0", lwm2m.FormatTLV)).Content
	all := leshan.Values{"/0": "6", "/2": "-97", "/3": "-11", "/7/0": "iot.lab", "/8": "27447299", "/9": "1", "/10": "262", "/12": "6699"}
	for path, value := range machine {
		if below := strings.TrimPrefix(path, "/4/0"); strings.HasPrefix(below, "/1/") || strings.HasPrefix(below, "/4/") || strings.HasPrefix(below, "/5/") {
			all[below] = value // which other ways there are is the machine's affair
		}
	}
	if !slices.Contains([]string{machine["/4/0/4/0"], machine["/4/0/4/1"], machine["/4/0/4/2"]}, own) || machine["/4/0/1/0"] != "6" {
		t.Errorf("/4/0: %v", machine)
	}
	s.whole(t, "/4/0", all)
	s.whole(t, "/10/0", leshan.Values{"/11/0": "11:1", "/12": "0", "/13": "0"})
	s.whole(t, "/11/1", leshan.Values{
		"/0": "context 1", "/1": "iot.lab", "/3": "true", "/4": "3", "/9/0": "*", "/10/0": "0", "/15/0": own, "/18/0": modemmanager.Gateway,
		"/19/0": modemmanager.PrimaryDNS, "/20/0": modemmanager.SecondaryDNS, "/24": "1",
	})
	s.whole(t, "/13/0", leshan.Values{"/0/0": "0", "/6": "26207", "/7": "false"})
	s.whole(t, "/16/0", leshan.Values{
		"/0/0": s.endpoint, "/0/1": "*", "/0/2": "*", "/0/3": "*", "/0/4": "357520070000015", "/0/5": "u-blox", "/0/6": "LARA-R211", "/0/7": "30.49",
	})
	s.whole(t, "/10308/0", leshan.Values{"/1": "89490200001234567890", "/2": "262011234567890", "/3": "4915112345678"})
}

// checkCardWritten writes what ModemManager can set, which the modem is told, and what it cannot.
func (s peer) checkCardWritten(t *testing.T, rig *modemmanager.ModemManager) {
	t.Helper()
	s.write(t, rig, "/13/0/0", lwm2m.FormatTLV, leshan.Values{"/0": "4"}, "AT+URAT=5,3") // LTE of LTE and GSM (u-blox LARA-R2 AT Commands Manual)
	s.write(t, rig, "/13/0/6", lwm2m.FormatText, leshan.Values{"": "26202,26203"}, `AT+CPOL=2,2,"26203",1,0,1,1`)
	s.whole(t, "/13/0", leshan.Values{"/0/0": "4", "/6": "26202,26203", "/7": "false"})
	s.write(t, rig, "/13/0/0", lwm2m.FormatTLV, leshan.Values{"/0": "0"}, "AT+URAT=5")
	s.whole(t, "/13/0/0", leshan.Values{"/0": "0"})
	s.refused(t, "/13/0/7", "true", "4.05", "does not keep to them")
	s.refused(t, "/13/0/6", strings.Repeat("26201,26202,26203,26204,", 2)+"26205", "4.00", "there twice")
	s.refused(t, "/13/0/6", "26201,26202,26203,26204,26205,26206,26207,26208,26209", "5.00", "SIM capacity 8")
	for _, path := range []string{"/10/0/4", "/10/0/5"} {
		s.refused(t, path, "3600", "4.05", "ModemManager")
	}
	s.refused(t, "/10/0/13", "1", "4.00", "ModemManager")
	s.refused(t, "/11/1/5", "somebody", "5.00", "ModemManager keeps no login")
	with := s.Update(t, s.endpoint, "/11/1", lwm2m.FormatTLV, leshan.Values{"/1": "fleet.lab", "/4": "1", "/5": "somebody", "/6": "hunter2"})
	if with.Code != "5.00" || !strings.Contains(with.Message, "ModemManager keeps no login") {
		t.Errorf("an APN with a login: %+v", with)
	}
	s.want(t, "/11/1/1", "iot.lab")

	s.watch(t, "/11/1")
	after := s.Now(t)
	s.write(t, rig, "/11/1/24", lwm2m.FormatText, leshan.Values{"": "3"}, `AT+CGDCONT=1,"IPV4V6","iot.lab"`)
	s.told(t, after, "/11/1", leshan.Values{"/3": "false"})
	s.told(t, after, "/11/1", leshan.Values{"/3": "true", "/24": "3"})
	after = s.Now(t)
	s.write(t, rig, "/11/1/1", lwm2m.FormatText, leshan.Values{"": "fleet.lab"}, `AT+CGDCONT=1,"IPV4V6","fleet.lab"`)
	s.told(t, after, "/11/1", leshan.Values{"/1": "fleet.lab", "/3": "true"})
	s.state(t, "0", "kept: reached server 101")
}

// checkCardLosses has Leshan, which observes, told of all that can become of a connection.
func (s peer) checkCardLosses(t *testing.T, rig *modemmanager.ModemManager, bearer dbus.ObjectPath) {
	t.Helper()
	s.watch(t, "/4/0/3")
	after := s.Now(t)
	rig.Hears(-118, -17)
	s.told(t, after, "/4/0/2", leshan.Values{"": "-118"})
	s.told(t, after, "/4/0/3", leshan.Values{"": "-17"})
	rig.Registers(t, 5, "310410", "Other")
	s.told(t, after, "/4/0/9", leshan.Values{"": "410"})
	s.told(t, after, "/4/0/10", leshan.Values{"": "310"})
	rig.Registers(t, 1, "26201", "Lab LTE")
	s.told(t, after, "/4/0/9", leshan.Values{"": "1"})

	after = s.Now(t)
	rig.Drops(t, 1)
	s.told(t, after, "/11/1", leshan.Values{"/3": "false", "/15/0": ""})
	s.told(t, after, "/10/0/11", leshan.Values{"/0": ""})
	s.AwaitNotification(t, after, patience, s.endpoint, "/4/0/2", func(c leshan.Content) bool { return c["/4/0/2"] != "-118" })
	s.AwaitNotification(t, after, patience, s.endpoint, "/4/0/0", func(c leshan.Content) bool { return c["/4/0/0"] != "6" })
	rig.Refuses(t, bearer)
	s.told(t, after, "/11/1", leshan.Values{"/10/0": "1", "/11/0": "27"})
	refusals := s.toldTrouble(t, after, "network-refuses", true)
	s.want(t, "/26244/0/3"+refusals, `the APN "fleet.lab": missing or unknown APN (SM cause 27)`)

	after = s.Now(t)
	rig.Registers(t, 3, "", "")
	s.awaitGone(t, after, "/4/0/10")
	s.awaitGone(t, after, "/4/0/9")
	s.want(t, "/26244/0/3"+refusals, "no cause was given") // AT+CEREG has none in ModemManager's form
	rig.Registers(t, 1, "26201", "Lab LTE")
	after = s.Now(t)
	rig.Admits(t, bearer)
	s.told(t, after, "/4/0/0", leshan.Values{"": "6"})
	s.toldTrouble(t, after, "network-refuses", false)
	s.watch(t, "/10308/0/1")

	after = s.Now(t)
	rig.Unplug(t)
	s.told(t, after, "/11/1", leshan.Values{"/1": "fleet.lab", "/3": "false", "/15/0": ""})
	s.told(t, after, "/10/0/11", leshan.Values{"/0": ""})
	s.awaitGone(t, after, "/10308/0/1")
}

// toldTrouble waits until Leshan has been told that there is a trouble, or that it is over, and returns its place: "/3".
func (s peer) toldTrouble(t *testing.T, after int64, code string, is bool) (place string) {
	t.Helper()
	s.AwaitNotification(t, after, patience, s.endpoint, "/26244/0/1", func(c leshan.Content) bool {
		place = ""
		for path, v := range c {
			if v == code {
				place = strings.TrimPrefix(path, "/26244/0/1")
			}
		}
		return (place != "") == is
	})
	return place
}
