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
	plmn, name string
	numeric    bool           // the form of +COPS? (clause 7.3)
	contexts   map[int]string // APNs (clause 10.1.1)
}

// of has a modem answer by it.
func (n *network) of(m *attest.Modem) {
	n.mu.Lock()
	n.stat, n.rsrp, n.rsrq, n.plmn, n.name = 1, -97, -11, "26201", "Lab LTE"
	n.contexts = map[int]string{1: served}
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
			return fmt.Sprintf(`+COPS: 0,2,"%s",7`, n.plmn)
		}
		return fmt.Sprintf(`+COPS: 0,0,"%s",7`, n.name)
	}))
	m.Handle("AT+CGDCONT?", answer(func() string {
		var out strings.Builder
		for _, cid := range slices.Sorted(maps.Keys(n.contexts)) {
			fmt.Fprintf(&out, "+CGDCONT: %d,\"IP\",%q,\"0.0.0.0\",0,0\n", cid, n.contexts[cid])
		}
		return strings.TrimSuffix(out.String(), "\n")
	}))
	m.Handle("AT+CGDCONT=", n.define)
	m.Handle("ATD*99***", n.dial)
}

// served is the only APN of the network.
const served = "iot.lab"

// define answers AT+CGDCONT=<cid>,<PDP type>,<APN>, and without a type forgets the context.
func (n *network) define(rest string) string {
	if rest == "?" {
		return "+CGDCONT: (1-15),\"IP\",,,(0-2),(0-4)\n+CGDCONT: (1-15),\"IPV6\",,,(0-2),(0-4)\n+CGDCONT: (1-15),\"IPV4V6\",,,(0-2),(0-4)\nOK"
	}
	number, rest, _ := strings.Cut(rest, ",")
	_, apn, typed := strings.Cut(rest, ",")
	apn, _, _ = strings.Cut(apn, ",")
	cid, err := strconv.Atoi(number)
	if err != nil {
		return "ERROR"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if delete(n.contexts, cid); typed {
		n.contexts[cid] = strings.Trim(apn, `"`)
	}
	return "OK"
}

// dial answers ATD*99***<cid># (clause 10.2.1.1).
func (n *network) dial(rest string) string {
	cid, _ := strconv.Atoi(strings.TrimSuffix(rest, "#"))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.contexts[cid] != served {
		return "NO CARRIER"
	}
	return "CONNECT"
}

// place is what +CEREG tells.
func (n *network) place() string {
	if n.stat != 1 && n.stat != 5 {
		return fmt.Sprint(n.stat)
	}
	return fmt.Sprintf(`%d,"1A2B","01A2D003",7`, n.stat)
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
	if err := m.Modem.Say("+CEREG: " + place); err != nil {
		t.Fatalf("the modem cannot tell: %v", err)
	}
}
