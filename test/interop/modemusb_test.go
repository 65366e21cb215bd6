//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/modemmanager"
)

// TestLeshanModemOnUSB: a modem on USB, which the real ModemManager takes by its rules and its plugin for Quectel, with a receiver for
// satellites. Leshan follows its position, its signal, its bearer, its SIM and the modem itself, as they are lost and come back, and commits
// an APN that the network does not know: the former one returns by itself, with the cause. Then others are put in its place: one with a
// network card, over which the machine is connected, and one that tells SINR.
func TestLeshanModemOnUSB(t *testing.T) {
	t.Parallel()
	rig := modemmanager.StartUSB(t)
	l := leshan.Start(t, leshan.Options{Models: leshan.Models(t, 1, 3, 4, 6, 7, 10, 11, 13, 16, 3336, 10308), Descriptions: descriptions(t, "26241.xml", "26244.xml")})
	s := peer{l, "gw-usb", true}
	a := gateway.StartIn(t, fmt.Sprintf("endpoint = %q\n", s.endpoint)+`
[[modem]]
name   = "wwan"
driver = "modemmanager"
signal = "1s"

[location]
source   = "modem"
device   = "wwan"
interval = "1s"
object_3336 = true

[remote_configuration]
servers = [101]
`+server(s.CoAP, false, ""), "DBUS_SYSTEM_BUS_ADDRESS="+rig.Bus)
	s.AwaitRegistered(t, s.endpoint, patience)
	rig.PlugUSB(t, receiver(t))
	rig.Enable(t)
	rig.TellPosition(t, 1)
	awaitModem(t, a, "home", "EC25", "SIM ready", "home, LTE, Lab LTE 26201", "-97 dBm")
	awaitPosition(t, a)
	s.checkPosition(t)

	s.checkAPN(t, a, rig)
	s.checkLosses(t, a, rig)
	s.checkCard(t, a, rig)
	rig.PlugHuawei(t)
	rig.Enable(t)
	rig.Commanded(t, 0, `AT+CGDCONT=1,"IPV4V6","fleet.lab"`) // which a server has written
	awaitModem(t, a, "a third modem", "home, LTE", "-97 dBm")
	s.want(t, "/4/0/11", "13")
	s.whole(t, "/10308/0", leshan.Values{"/1": "89490200001234567890", "/2": "262011234567890", "/3": "4915112345678", "/7": "13"})
	a.Stop(t)
}

// checkPosition reads all that the modem's receiver says (epoch), in both objects.
func (s peer) checkPosition(t *testing.T) {
	t.Helper()
	for path, want := range map[string]float64{
		"/6/0/0": 47 + 17.114/60, "/6/0/1": 8 + 30.1/60, "/6/0/2": 499.6, "/6/0/3": 1.01 * 19, "/6/0/6": 10,
		"/3336/0/6051": 47 + 17.114/60, "/3336/0/6052": 8 + 30.1/60, "/3336/0/6053": 1.01 * 19, "/3336/0/5705": 90,
	} {
		s.within(t, path, want, 1e-2)
	}
	for _, path := range []string{"/6/0/5", "/3336/0/5518"} {
		s.within(t, path, float64(time.Now().Unix()), patience.Seconds())
	}
	const velocity = "005a0024" // 90 degrees, 36 km/h (3GPP TS 23.032, clause 8.12)
	s.whole(t, "/6/0", leshan.Values{"/0": "*", "/1": "*", "/2": "*", "/3": "*", "/4": velocity, "/5": "*", "/6": "*"})
	s.whole(t, "/3336/0", leshan.Values{
		"/6051": "*", "/6052": "*", "/6053": "*", "/5705": "90.0", "/5518": "*", "/6050": "0.0", "/5750": "location", "/6042": "4", "/6049": "100",
	})
}

// within compares a number.
func (s peer) within(t *testing.T, path string, want, most float64) {
	t.Helper()
	c := must(t, "2.05", s.Read(t, s.endpoint, path, lwm2m.FormatText)).Content
	if got := number(t, c[path]); got < want-most || got > want+most {
		t.Errorf("%s is %v, want %v", path, got, want)
	}
}

// checkAPN commits an APN that the network does not know, for a connection that has its own and for one that goes by a
// profile in the modem.
func (s peer) checkAPN(t *testing.T, a *gateway.Agent, rig *modemmanager.ModemManager) {
	t.Helper()
	s.set(t, 10, "10")
	wrong := strings.Replace(s.get(t, 0), `name = "wwan"`, "name = \"wwan\"\napn = \"wrong.lab\"", 1)
	for _, c := range []struct {
		connect func() string
		why     string
	}{
		{func() string { return string(rig.Connect(t, "iot.lab")) }, "whoever makes the connection has its APN"},
		{func() string { return string(rig.ConnectBy(t, 1)) }, `connect with the APN "wrong.lab"`},
	} {
		bearer := c.connect()
		awaitModem(t, a, "a connection", "connected: iot.lab")
		s.set(t, 1, wrong)
		s.run(t, 3, "2.04", "")
		s.state(t, "5", c.why)
		awaitModem(t, a, "the former APN", "connected: iot.lab")
		s.want(t, "/11/1/1", "iot.lab")
		rig.Remove(t, bearer)
		awaitModem(t, a, "no connection", "!connected")
	}
}

// checkLosses has Leshan, which observes, told what is lost, and looks at it when it is back.
func (s peer) checkLosses(t *testing.T, a *gateway.Agent, rig *modemmanager.ModemManager) {
	t.Helper()
	must(t, "2.05", s.Observe(t, s.endpoint, "/4/0/10", lwm2m.FormatText))
	must(t, "2.05", s.Observe(t, s.endpoint, "/10308/0/2", lwm2m.FormatText))
	bearer := rig.Connect(t, "iot.lab")
	awaitModem(t, a, "a connection", "connected: iot.lab")
	must(t, "2.05", s.Observe(t, s.endpoint, "/11/1/1", lwm2m.FormatText))
	after := s.Now(t)
	rig.Remove(t, string(bearer))
	s.awaitGone(t, after, "/11/1/1")

	after = s.Now(t)
	rig.SIM(t, false)
	s.awaitGone(t, after, "/10308/0/2")
	s.awaitGone(t, after, "/4/0/10")
	awaitTrouble(t, a, "sim-missing", "no card")
	rig.SIM(t, true)
	awaitModem(t, a, "the SIM is back", "SIM ready")
	rig.Enable(t)
	rig.TellPosition(t, 1)
	awaitModem(t, a, "home again", "home, LTE")
	s.want(t, "/10308/0/2", "262011234567890")
	a.AwaitStatus(t, "the receiver is back", func(g gateway.Status) bool { return trouble(g, "receiver-failing") == "" })
	must(t, "2.05", s.Observe(t, s.endpoint, "/4/0/10", lwm2m.FormatText))

	after = s.Now(t)
	rig.Unplug(t)
	s.awaitGone(t, after, "/4/0/10")
	awaitTrouble(t, a, "modem-missing", "it has none at all")
	awaitTrouble(t, a, "receiver-failing", "ModemManager has no such modem")
}

// awaitGone waits until the server, which observes a resource, is told that it is no more.
func (s peer) awaitGone(t *testing.T, after int64, path string) {
	t.Helper()
	s.Await(t, after, patience, path+" is gone", func(e leshan.Event) bool {
		return e.Type == "notification" && e.Endpoint == s.endpoint && e.Path == path && e.Code == "4.04"
	})
}

// TestLeshanWakesByMessage: an agent sleeps in queue mode, and Leshan cannot reach it. A short message, which the real ModemManager takes from
// the modem, has it send the Update that lets the requests in.
func TestLeshanWakesByMessage(t *testing.T) {
	t.Parallel()
	rig := modemmanager.Start(t)
	s := peer{leshan.Start(t, leshan.Options{Models: leshan.Models(t, 1, 3)}), "gw-sms", true}
	s.AwakeTime(t, time.Second)
	account := strings.ReplaceAll(server(s.CoAP, false, "queue_mode = true\nawake = \"1s\"\nsms_number = \"+491511234567\""), `"5m"`, `"1h"`)
	a := gateway.StartIn(t, fmt.Sprintf("endpoint = %q\n[[modem]]\nname = \"wwan\"\ndriver = \"modemmanager\"\n", s.endpoint)+account,
		"DBUS_SYSTEM_BUS_ADDRESS="+rig.Bus)
	rig.Plug(t)
	rig.Enable(t)
	awaitModem(t, a, "home", "home, LTE")
	for after := int64(0); s.Read(t, s.endpoint, "/3/0/0", lwm2m.FormatText).Failure != "ClientSleepingException"; after = s.Now(t) {
		s.AwaitType(t, after, patience, "sleeping", s.endpoint)
	}
	after := s.Now(t)
	rig.Receives(t, trigger)
	s.AwaitType(t, after, patience, "awake", s.endpoint)
	must(t, "2.05", s.Read(t, s.endpoint, "/3/0/0", lwm2m.FormatText))
	a.AwaitStatus(t, "the trigger is counted", func(g gateway.Status) bool { return g.SMS.Woken == 1 })
	a.Stop(t)
}
