package modemmanager

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/test/workspace"
)

// The addresses of the network of PlugCard.
const (
	Gateway      = "10.45.0.1"
	PrimaryDNS   = "10.45.0.53"
	SecondaryDNS = "10.45.0.54"
)

// PlugCard brings a modem as LARA-R211 is one: on USB, with two ports that take commands and a network card, whose address the modem
// tells. It waits until ModemManager has it, by its plugin for u-blox (u-blox LARA-R2 AT Commands Manual).
func (m *ModemManager) PlugCard(t workspace.T, address string) {
	t.Helper()
	m.simulate(t)
	m.asLARA(address)
	lara := &product{"1-2", "1546", "110a", "u-blox", "LARA-R211", "cdc_acm"}
	for i, path := range []string{m.terminal(t), m.terminal(t)} {
		m.plug(t, lara, 2*i, fmt.Sprintf("ttyACM%d", i), path)
	}
	m.plug(t, lara, 12, "wwan0", "")
	m.await(t, "the modem is there", func() bool { return m.path() != "" })
}

func (m *ModemManager) asLARA(address string) {
	n := &m.network
	for command, answer := range map[string]string{
		"ATI": "LARA-R211-02B-00", "AT+CGMI": "u-blox", "AT+CGMM": "LARA-R211", "AT+CGMR": "30.49", "AT+CGSN": "357520070000015",
		"AT+UUSBCONF?": `+UUSBCONF: 2,"ECM",,"0x110a"`, "AT+UBMCONF?": "+UBMCONF: 2", // bridge mode: the machine has the address
		"AT+CGEREP=?": "+CGEREP: (0-2),(0,1)",
	} {
		m.Modem.Set(command, answer, "OK")
	}
	for _, command := range []string{"AT+COPS=2", "AT+CGEREP=2", "AT+CGEREP=0"} {
		m.Modem.Set(command, "OK")
	}
	rat := "5" // LTE and GSM, by its own choice
	m.Modem.Handle("AT+URAT", func(rest string) string {
		n.mu.Lock()
		defer n.mu.Unlock()
		switch rest {
		case "=?":
			return "+URAT: (0-6),(0,3)\nOK"
		case "?":
			return "+URAT: " + rat + "\nOK"
		}
		rat = strings.TrimPrefix(rest, "=")
		return "OK"
	})
	m.Modem.Handle("AT+UIPADDR=", func(cid string) string {
		return fmt.Sprintf("+UIPADDR: %s,\"ccinet0\",%q,\"255.255.255.252\",\"\",\"\"\nOK", cid, Gateway)
	})
	m.Modem.Handle("AT+CGCONTRDP=", func(cid string) string {
		return fmt.Sprintf("+CGCONTRDP: %s,5,\"\",\"%s.255.255.255.252\",%q,%q,%q\nOK", cid, address, Gateway, PrimaryDNS, SecondaryDNS)
	})
	m.Modem.Handle("AT+CGACT?", func(string) string {
		n.mu.Lock()
		defer n.mu.Unlock()
		var out strings.Builder
		for _, cid := range slices.Sorted(maps.Keys(n.contexts)) {
			active := 0
			if n.contexts[cid].active {
				active = 1
			}
			fmt.Fprintf(&out, "+CGACT: %d,%d\n", cid, active)
		}
		return out.String() + "OK"
	})
	m.Modem.Handle("AT+CGACT=", n.activate)
}

// unknownAPN is what a modem says when the network does not know the APN (3GPP TS 27.007, clause 9.2.2.2: ESM cause 27).
const unknownAPN = "+CME ERROR: 127"

// activate answers AT+CGACT=<state>,<cid> (clause 10.1.10).
func (n *network) activate(rest string) string {
	state, number, _ := strings.Cut(rest, ",")
	cid, _ := strconv.Atoi(number)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.contexts[cid] == nil || state == "1" && !n.serves(cid) {
		return unknownAPN
	}
	n.contexts[cid].active = state == "1"
	return "OK"
}

// Drops has the network take a connection back, and the modem tell (3GPP TS 27.007, clause 10.1.19).
func (m *ModemManager) Drops(t workspace.T, cid int) {
	t.Helper()
	m.network.mu.Lock()
	m.network.contexts[cid].active = false
	m.network.mu.Unlock()
	m.say(t, fmt.Sprintf("+CGEV: NW PDN DEACT %d", cid))
}

// Refuses has the network refuse a connection that is tried again.
func (m *ModemManager) Refuses(t workspace.T, bearer dbus.ObjectPath) {
	t.Helper()
	m.admit(false)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if m.conn.Object(service, bearer).CallWithContext(ctx, service+".Bearer.Connect", 0).Err == nil {
		t.Fatalf("a connection that the network refuses")
	}
}

// Admits has it let the connection in.
func (m *ModemManager) Admits(t workspace.T, bearer dbus.ObjectPath) {
	t.Helper()
	m.admit(true)
	m.call(t, bearer, service+".Bearer.Connect")
}

func (m *ModemManager) admit(does bool) {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	m.network.refuses = !does
}
