package modemmanager

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/workspace"
)

// network is what the simulated modem is registered at, and hears.
type network struct {
	mu         sync.Mutex
	stat       int // 3GPP TS 27.007, clause 10.1.22
	rsrp, rsrq int
	act        int // the technology (clause 7.3)
	plmn, name string
	numeric    bool             // the form of +COPS? (clause 7.3)
	contexts   map[int]*profile // by number (clause 10.1.1)
	refuses    bool             // any connection
	operators  [8]string        // that the user of the SIM prefers, as +CPOL tells them (clause 7.19)
}

// profile is one that the modem has, and whether it is activated (clause 10.1.10).
type profile struct {
	pdp, apn string
	active   bool
}

// of has a modem answer by it.
func (n *network) of(m *attest.Modem) {
	n.mu.Lock()
	n.stat, n.rsrp, n.rsrq, n.plmn, n.name = 1, -97, -11, "26201", "Lab LTE"
	n.refuses = false
	n.act, n.contexts, n.operators = lte, map[int]*profile{1: {pdp: "IP", apn: served[0]}}, [8]string{`"26207",0,0,1,1`}
	n.mu.Unlock()
	answer := func(f func() string) func(string) string {
		return func(string) string {
			n.mu.Lock()
			defer n.mu.Unlock()
			return f() + "\nOK"
		}
	}
	m.Handle("AT+CEREG?", answer(func() string { return "+CEREG: 2," + n.place() }))
	m.Handle("AT+CESQ", func(rest string) string {
		if rest != "" {
			return "+CESQ: (0-63,99),(0-7,99),(0-96,255),(0-49,255),(0-34,255),(0-97,255)\nOK"
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		return fmt.Sprintf("+CESQ: 99,99,255,255,%d,%d\nOK", (n.rsrq+20)*2, n.rsrp+141)
	})
	m.Handle("AT+COPS=3,", func(form string) string {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.numeric = strings.HasPrefix(form, "2")
		return "OK"
	})
	m.Handle("AT+COPS?", answer(func() string {
		switch {
		case n.stat != 1 && n.stat != 5:
			return "+COPS: 0"
		case n.numeric:
			return fmt.Sprintf(`+COPS: 0,2,"%s",%d`, n.plmn, n.act)
		}
		return fmt.Sprintf(`+COPS: 0,0,"%s",%d`, n.name, n.act)
	}))
	m.Handle("AT+CGDCONT?", answer(func() string {
		var out strings.Builder
		for _, cid := range slices.Sorted(maps.Keys(n.contexts)) {
			fmt.Fprintf(&out, "+CGDCONT: %d,%q,%q,\"0.0.0.0\",0,0\n", cid, n.contexts[cid].pdp, n.contexts[cid].apn)
		}
		return strings.TrimSuffix(out.String(), "\n")
	}))
	m.Handle("AT+CPOL", n.prefer)
	m.Handle("AT+CGDCONT=", n.define)
	m.Handle("ATD*99***", n.dial)
}

// served are the APNs of the network.
var served = []string{"iot.lab", "fleet.lab"}

// The technologies (clause 7.3).
const (
	lte = 7
	nr  = 11
)

// define answers AT+CGDCONT=<cid>,<PDP type>,<APN>, and without a type forgets the context.
func (n *network) define(rest string) string {
	if rest == "?" {
		return "+CGDCONT: (1-15),\"IP\",,,(0-2),(0-4)\n+CGDCONT: (1-15),\"IPV6\",,,(0-2),(0-4)\n+CGDCONT: (1-15),\"IPV4V6\",,,(0-2),(0-4)\nOK"
	}
	number, rest, _ := strings.Cut(rest, ",")
	pdp, apn, typed := strings.Cut(rest, ",")
	apn, _, _ = strings.Cut(apn, ",")
	cid, err := strconv.Atoi(number)
	if err != nil {
		return "ERROR"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if delete(n.contexts, cid); typed {
		n.contexts[cid] = &profile{pdp: strings.Trim(pdp, `"`), apn: strings.Trim(apn, `"`)}
	}
	return "OK"
}

// prefer answers AT+CPOL, of which ModemManager has the form of names in digits: 2.
func (n *network) prefer(rest string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch index, entry, _ := strings.Cut(strings.TrimPrefix(rest, "="), ","); index {
	case "?":
		if rest == "=?" {
			return fmt.Sprintf("+CPOL: (1-%d),(0,2)\nOK", len(n.operators))
		}
		var out strings.Builder
		for i, o := range n.operators {
			if o != "" {
				fmt.Fprintf(&out, "+CPOL: %d,2,%s\n", i+1, o)
			}
		}
		return out.String() + "OK"
	case "":
		return "OK" // the form
	default:
		i, err := strconv.Atoi(index)
		if err != nil || i < 1 || i > len(n.operators) {
			return "+CME ERROR: 21"
		}
		n.operators[i-1] = strings.TrimPrefix(entry, "2,")
		return "OK"
	}
}

// dial answers ATD*99***<cid># (clause 10.2.1.1).
func (n *network) dial(rest string) string {
	cid, _ := strconv.Atoi(strings.TrimSuffix(rest, "#"))
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.serves(cid) {
		return "NO CARRIER"
	}
	return "CONNECT"
}

// serves reports whether the network connects a context. The lock must be held.
func (n *network) serves(cid int) bool {
	return n.contexts[cid] != nil && slices.Contains(served, n.contexts[cid].apn) && !n.refuses
}

// place is what +CEREG tells.
func (n *network) place() string {
	switch {
	case n.act == nr:
		return "0"
	case n.stat != 1 && n.stat != 5:
		return fmt.Sprint(n.stat)
	}
	return fmt.Sprintf(`%d,"1A2B","01A2D003",%d`, n.stat, n.act)
}

// place5G is what +C5GREG tells, with one slice.
func (n *network) place5G() string {
	if n.act != nr {
		return "0"
	}
	return fmt.Sprintf(`%d,"001A2B","0001A2D003",%d,1,"01"`, n.stat, n.act)
}

// Hears sets what the modem hears, in dBm and dB.
func (m *ModemManager) Hears(rsrp, rsrq int) {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	m.network.rsrp, m.network.rsrq = rsrp, rsrq
}

// Registers has the modem register, with a state as 3GPP TS 27.007, clause 10.1.22, has it, and tell.
func (m *ModemManager) Registers(t workspace.T, stat int, plmn, name string) {
	t.Helper()
	n := &m.network
	n.mu.Lock()
	n.stat, n.plmn, n.name = stat, plmn, name
	place := n.place()
	n.mu.Unlock()
	m.say(t, "+CEREG: "+place)
}

// Uses5G has the modem go from LTE to 5G alone, or back, and tell (clause 10.1.47 for 5G). ModemManager 1.20 does not read
// in +CEREG that a modem has both.
func (m *ModemManager) Uses5G(t workspace.T, does bool) {
	t.Helper()
	n := &m.network
	n.mu.Lock()
	n.act = lte
	if does {
		n.act = nr
	}
	said := []string{"+C5GREG: " + n.place5G(), "+CEREG: " + n.place()}
	n.mu.Unlock()
	if !does {
		slices.Reverse(said)
	}
	for _, line := range said { // it is always registered somewhere
		m.say(t, line)
	}
}

// As5G has the modem be one for 5G, from when ModemManager finds it next.
func (m *ModemManager) As5G() {
	for command, answer := range map[string]string{"AT+CGMM": "RG500Q-EA", "AT+CGMR": "RG500QEAAAR11A06M4G", "AT+WS46=?": "+WS46: (28,36,37)"} {
		m.Modem.Set(command, answer, "OK")
	}
	m.Modem.Handle("AT+C5GREG?", func(string) string {
		m.network.mu.Lock()
		defer m.network.mu.Unlock()
		return "+C5GREG: 2," + m.network.place5G() + "\nOK"
	})
}

func (m *ModemManager) say(t workspace.T, line string) {
	t.Helper()
	if err := m.Modem.Say(line); err != nil {
		t.Fatalf("the modem cannot tell: %v", err)
	}
}
