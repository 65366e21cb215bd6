package attest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Settings are what a simulated modem can be told. It forgets them when it restarts, as modules do of some, but for what lies on its SIM.
type Settings struct {
	modem *Modem

	mu        sync.Mutex
	factory   map[string][]string // by the command that asks for it, lines: what the transcript has
	now       map[string][]string
	logins    map[string]string // by the number of the context
	cycleOff  bool              // of eDRX, in every kind of cell
	operators map[int]string    // on the SIM
	active    map[string]bool
	accepts   func(apn, login string) bool
}

// remembered are the commands of Settings that a question mark asks for.
var remembered = []string{"AT+CPSMS", cycles, "AT+CGDCONT"}

// cycles is the command for those of eDRX.
const cycles = "AT+CEDRXS"

// Remember has a modem keep what it is told of power saving, contexts, logins, the order of technologies and operators, until Restart. The
// network accepts a connection by its APN and the login, as the command for it has it; nil: all.
func (m *Modem) Remember(accepts func(apn, login string) bool) *Settings {
	s := &Settings{modem: m, factory: make(map[string][]string), operators: make(map[int]string), accepts: accepts}
	for _, name := range remembered {
		for _, chunk := range m.answer(name + "?").Chunks {
			if line := strings.TrimSpace(chunk); strings.HasPrefix(line, "+") {
				s.factory[name] = append(s.factory[name], line)
			}
		}
		m.Handle(name+"?", func(string) string { return s.shown(name) })
	}
	s.factory[sequence] = []string{": 00"}
	s.forget()
	m.Handle("AT+CPSMS=", s.powerSaving)
	m.Handle(cycles+"=", s.cycle)
	m.Handle("AT+CGDCONT=", s.context)
	m.Handle("AT+CGAUTH=", s.login)
	m.Handle("AT+QICSGP=", s.login)
	m.Handle(sequence, s.order)
	m.Handle("AT+CPOL", s.preferred)
	m.Handle("AT+CGACT?", s.activity)
	m.Handle("AT+CGACT=1,", s.activate)
	m.Handle("AT+CGATT=", s.attach)
	return s
}

// sequence is Quectel's command for the order of technologies.
const sequence = `AT+QCFG="nwscanseq"`

// Restart has the modem start anew, without what it was told.
func (s *Settings) Restart() error {
	s.forget()
	return s.modem.Say("RDY")
}

func (s *Settings) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.logins, s.active, s.cycleOff = maps.Clone(s.factory), make(map[string]string), make(map[string]bool), false
	if cid := s.first(); cid != "" {
		s.active[cid] = s.connects(cid)
	}
}

// Shows returns what answers the command that asks for a setting, "AT+CPSMS", without its name.
func (s *Settings) Shows(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines(name)
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		out = append(out, line[strings.Index(line, ": ")+len(": "):])
	}
	return strings.Join(out, "\n")
}

// Login returns the login of a context, as it came; "" if there is none.
func (s *Settings) Login(cid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins[cid]
}

// Active reports whether a context is.
func (s *Settings) Active(cid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[cid]
}

func (s *Settings) shown(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(append(slices.Clone(s.lines(name)), "OK"), "\n")
}

// lines are what answers the command that asks for a setting. The lock must be held.
func (s *Settings) lines(name string) []string {
	if name == cycles && s.cycleOff {
		return nil
	}
	return s.now[name]
}

// replace puts a line in place of those that begin alike, in order.
func (s *Settings) replace(name, begin, line string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(s.now[name]), func(old string) bool { return strings.HasPrefix(old, begin) })
	s.now[name] = append(rest, line)
	slices.Sort(s.now[name])
	return "OK"
}

func (s *Settings) powerSaving(rest string) string {
	if rest == "0" {
		rest = `0,,,"00100110","00000011"`
	}
	return s.replace("AT+CPSMS", "+CPSMS:", "+CPSMS: "+rest)
}

// cycle takes <mode>,<AcT-type>[,<Requested_eDRX_value>]: a cycle for each kind of cell, and the last mode for all of them (3GPP TS 27.007, clause
// 7.40).
func (s *Settings) cycle(rest string) string {
	mode, rest, _ := strings.Cut(rest, ",")
	s.mu.Lock()
	s.cycleOff = mode == "0"
	s.mu.Unlock()
	if mode == "0" {
		return "OK"
	}
	kind, _, _ := strings.Cut(rest, ",")
	return s.replace(cycles, "+CEDRXS: "+kind, "+CEDRXS: "+rest)
}

func (s *Settings) context(rest string) string {
	cid, _, _ := strings.Cut(rest, ",")
	return s.replace("AT+CGDCONT", "+CGDCONT: "+cid+",", "+CGDCONT: "+rest)
}

func (s *Settings) login(rest string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	cid, rest, _ := strings.Cut(rest, ",")
	s.logins[cid] = rest
	return "OK"
}

func (s *Settings) order(rest string) string {
	if to, ok := strings.CutPrefix(rest, ","); ok {
		codes, _, _ := strings.Cut(to, ",")
		return s.replace(sequence, "", ": "+codes)
	}
	return `+QCFG: "nwscanseq",` + s.Shows(sequence) + "\nOK"
}

// preferred answers AT+CPOL: the list of the SIM, in digits.
func (s *Settings) preferred(rest string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := params(strings.TrimPrefix(rest, "="))
	place, err := strconv.Atoi(f[0])
	switch {
	case rest == "=?":
		return "+CPOL: (1-8),(0-2)\nOK"
	case rest == "?":
		var out strings.Builder
		for _, i := range slices.Sorted(maps.Keys(s.operators)) {
			fmt.Fprintf(&out, "+CPOL: %d,2,\"%s\",1,0,1,1\n", i, s.operators[i])
		}
		return out.String() + "OK"
	case err != nil: // the format alone
	case f[2] == "":
		delete(s.operators, place)
	default:
		s.operators[place] = f[2]
	}
	return "OK"
}

func (s *Settings) activity(string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	for _, line := range s.now["AT+CGDCONT"] {
		cid := contextOf(line)
		fmt.Fprintf(&out, "+CGACT: %s,%d\n", cid, map[bool]int{true: 1}[s.active[cid]])
	}
	return out.String() + "OK"
}

func (s *Settings) activate(cid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[cid] = s.connects(cid); !s.active[cid] {
		return "+CME ERROR: 133"
	}
	return "OK"
}

// attach has the first context follow.
func (s *Settings) attach(rest string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.active)
	if rest == "1" {
		s.active[s.first()] = s.connects(s.first())
	}
	return "OK"
}

// Lose has the network take a context back, which the modem tells.
func (s *Settings) Lose(cid string) error {
	s.mu.Lock()
	s.active[cid] = false
	s.mu.Unlock()
	return s.modem.Say("+CGEV: NW PDN DEACT " + cid)
}

// Regain has a context active again, if the network takes it, which the modem tells.
func (s *Settings) Regain(cid string) error {
	s.activate(cid)
	return s.modem.Say("+CGEV: ME PDN ACT " + cid)
}

// connects reports whether the network takes a context. The lock must be held.
func (s *Settings) connects(cid string) bool {
	for _, line := range s.now["AT+CGDCONT"] {
		if contextOf(line) == cid {
			return s.accepts == nil || s.accepts(params(line)[2], s.logins[cid])
		}
	}
	return false
}

// first is the context that comes with the attachment. The lock must be held.
func (s *Settings) first() string {
	if lines := s.now["AT+CGDCONT"]; len(lines) > 0 {
		return contextOf(slices.Min(lines))
	}
	return ""
}

// contextOf returns the number of the context that a line of AT+CGDCONT is about.
func contextOf(line string) string {
	_, rest, _ := strings.Cut(line, ": ")
	cid, _, _ := strings.Cut(rest, ",")
	return cid
}
