package demo

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/modem/at/attest"
)

//go:embed modem.at
var answers string

// Modem is the simulated board's modem, a module for LTE-M that takes AT commands at a
// pseudo-terminal: its signal comes and goes, and it wanders between two cells.
type Modem struct {
	Port string // path of the pseudo-terminal

	sim    *attest.Modem
	unplug func()

	mu   sync.Mutex
	rsrp int // dBm
	cell int // of cells
	apn  string
	psm  string // what +CPSMS? tells
	edrx string // of +CEDRXS?
}

// cells are tracking area and cell identity, as +CEREG has them.
var cells = [...]string{`"1A2B","01A2D003"`, `"1A2B","01A2D10A"`}

// Where the walk of the signal turns, in dBm: below weakest the other cell is the better one.
const (
	strongest = -82
	weakest   = -112
	handedTo  = -92
)

// signalTime is between two news of the signal.
const signalTime = 2 * time.Second

// NewModem plugs the modem in. addresses are what the network gave it.
func NewModem(addresses []netip.Addr) (*Modem, error) {
	exchanges, err := attest.Read(strings.NewReader(answers))
	if err != nil {
		return nil, fmt.Errorf("read the demo's modem: %w", err)
	}
	m := &Modem{sim: attest.New(exchanges), rsrp: -95, apn: "iot.demo", psm: "0", edrx: "0"}
	m.answer(addresses)
	if m.Port, m.unplug, err = m.sim.PlugIn(); err != nil {
		return nil, err
	}
	return m, nil
}

// Close unplugs the modem.
func (m *Modem) Close() { m.unplug() }

// answer has commands answered whose answers change (3GPP TS 27.007; +QCSQ: Quectel BG95&BG77 AT Commands Manual).
func (m *Modem) answer(addresses []netip.Addr) {
	m.tell("AT+CEREG?", func() string { return "+CEREG: 4,1," + cells[m.cell] + ",8" })
	m.tell("AT+QCSQ", func() string { return fmt.Sprintf(`+QCSQ: "eMTC",%d,%d,%d,-11`, m.rsrp+30, m.rsrp, 3*(m.rsrp+148)) })
	m.tell("AT+CGDCONT?", func() string { return `+CGDCONT: 1,"IPV4V6","` + m.apn + `","",0,0` })
	m.tell("AT+CPSMS?", func() string { return "+CPSMS: " + m.psm })
	m.tell("AT+CEDRXS?", func() string { return "+CEDRXS: " + m.edrx })
	m.tell("AT+CEDRXRDP", func() string { return "+CEDRXRDP: 0" })
	m.tell("AT+CGCONTRDP=1", func() string {
		lines := make([]string, 0, len(addresses))
		for _, a := range addresses {
			lines = append(lines, fmt.Sprintf(`+CGCONTRDP: 1,5,"%s","%s"`, m.apn, dotted(a)))
		}
		return strings.Join(lines, "\n")
	})
	m.take("AT+CPSMS=", &m.psm)
	m.take("AT+CEDRXS=2,", &m.edrx)
	m.sim.Handle("AT+CGDCONT=1,", func(rest string) string {
		m.mu.Lock()
		defer m.mu.Unlock()
		if f := strings.Split(rest, ","); len(f) > 1 {
			m.apn = strings.Trim(f[1], `"`)
		}
		return "OK"
	})
}

// tell answers a question.
func (m *Modem) tell(command string, answer func() string) {
	m.sim.Handle(command, func(string) string {
		m.mu.Lock()
		defer m.mu.Unlock()
		return answer() + "\nOK"
	})
}

// take remembers what a command sets.
func (m *Modem) take(command string, to *string) {
	m.sim.Handle(command, func(rest string) string {
		m.mu.Lock()
		defer m.mu.Unlock()
		*to = rest
		return "OK"
	})
}

// dotted writes an address as +CGCONTRDP does, with a mask: numbers with dots, of IPv6 too (clause 10.1.23).
func dotted(a netip.Addr) string {
	octets := a.AsSlice()
	mask := "255.255.255.0"
	if a.Is6() {
		mask = "255.255.255.255.255.255.255.255.0.0.0.0.0.0.0.0"
	}
	var b strings.Builder
	for _, o := range octets {
		fmt.Fprintf(&b, "%d.", o)
	}
	return b.String() + mask
}

// Run has the modem live until ctx ends.
func (m *Modem) Run(ctx context.Context) error {
	next := time.NewTicker(signalTime)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		if err := m.sim.Say(m.wander(rand.IntN)...); err != nil {
			return fmt.Errorf("the demo's modem: %w", err)
		}
	}
}

// wander goes a step and returns what the module tells of it by itself. Steps come from below, a number under n.
func (m *Modem) wander(below func(n int) int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rsrp = min(m.rsrp+below(8)-4, strongest)
	var news []string
	if m.rsrp < weakest {
		m.rsrp, m.cell = handedTo, (m.cell+1)%len(cells)
		news = append(news, "+CEREG: 1,"+cells[m.cell]+",8")
	}
	return append(news, fmt.Sprintf(`+QIND: "csq",%d,99`, max(0, (m.rsrp+30+113)/2))) // of +CSQ (clause 8.5)
}

// OwnAddresses are this machine's, of which the simulated board pretends that it has them from its modem.
func OwnAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			out = append(out, p.Addr())
		}
	}
	return out
}
