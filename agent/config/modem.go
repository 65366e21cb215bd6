package config

import (
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ModemDriver is how a modem is spoken to.
type ModemDriver string

// The drivers.
const (
	ModemAT      ModemDriver = "at"           // at a port that takes AT commands
	ModemManager ModemDriver = "modemmanager" // which owns it; over D-Bus
)

// Modem is one [[modem]].
type Modem struct {
	Section
	Name   string
	Driver ModemDriver
	Port   string        // "": the first of ModemManager's modems
	Speed  uint32        // baud
	Signal time.Duration // between two measurements; zero: only with other news
	PIN    Secret        // zero: none
	Heal   bool          // a lost link is mended
	APN    string        // of the connection; "": what the modem has
	Netifd string        // the interface of OpenWrt's that makes the connection; "": none
	Power  string        // the actuator that the modem has its power from; "": none is known

	Release bool // the modem is told when nothing more is to be exchanged
}

// The defaults of modems.
const (
	DefaultSpeed  = 115200
	DefaultSignal = time.Minute
)

var modemSection = section{
	name: "modem", identity: "name", help: "A cellular modem: its cell, signal, SIM and bearers; docs/modems.md. Read at the start, but for apn.",
	keys: []key{
		{name: "name", kind: uniqueFor, required: true, help: "unique"},
		{name: "driver", kind: oneOf(string(ModemAT), string(ModemManager)), required: true, help: "how it is spoken to: AT commands, or ModemManager, which owns it"},
		{name: "port", kind: anyText, help: `of "at", which needs it: serial port ("/dev/ttyUSB2"), a pattern of which the first that answers is taken ("/dev/ttyUSB*"), or "tcp:host:port"; of "modemmanager": which modem, by one of its ports ("/dev/cdc-wdm0"), its device in sysfs or its IMEI, the first one if it is left out`},
		{name: "speed", kind: integer(1200, 4000000), fallback: "115200", help: "baud, of a serial port with wires; USB has none"},
		{name: "signal", kind: duration(0, day), fallback: `"` + short(DefaultSignal) + `"`, help: `time between measurements of the signal; "0s" is only when something else has changed`},
		{name: "heal", kind: boolean, fallback: "false", help: "mend a lost link step by step, rarely; docs/modems.md"},
		{name: "apn", kind: accessPoint, fallback: "what the modem has", help: "APN of its connection; taken up at once, and on trial like the address of a server"},
		{name: "netifd", kind: interfaceName, fallback: "none", help: `OpenWrt: the interface ("wwan") whose connection goes through the modem: heal hears from netifd how it is, and has it reconnect it; docs/modems.md`},
		{name: "power", kind: text(64), fallback: "none", help: `name of the [[actuator]] that gives the modem its power, for the last step of heal; its safe must be "on" or "keep"; docs/modems.md`},
		{name: "release", kind: boolean, fallback: "false", help: `of "at": when all servers that are reached through the modem sleep in queue mode, tell the network so (AT+CNMPSD); docs/modems.md`},
		{name: "pin", kind: pin, secret: true, help: "of the SIM; a card that refuses it is never given it again, so that it is not locked"},
	},
}

// pin takes the PIN of a card (3GPP TS 31.101, clause 9.5.1).
var pin = kind{"4 to 8 digits, as text", func(v any) (any, bool) {
	s, _ := v.(string)
	ok := len(s) >= 4 && len(s) <= 8 && strings.Trim(s, "0123456789") == ""
	return NewSecret([]byte(s)), ok
}}

// accessPoint takes the name of an access point (3GPP TS 23.003, clause 9.1).
var accessPoint = kind{`an APN: 1 to 100 letters, digits, "-" and "."`, func(v any) (any, bool) {
	s, _ := v.(string)
	outside := func(r rune) bool { return r != '.' && (r == '_' || notInToken(r)) }
	return s, s != "" && len(s) <= 100 && !strings.ContainsFunc(s, outside)
}}

// telephoneNumber takes a number, or a short one that a service sends from.
var telephoneNumber = kind{`a telephone number of 3 to 20 digits, such as "+4915112345678"`, func(v any) (any, bool) {
	s, _ := v.(string)
	digits := strings.TrimPrefix(s, "+")
	return s, len(digits) >= 3 && len(digits) <= 20 && strings.Trim(digits, "0123456789") == ""
}}

// healing checks that what heals the modem is there, and is used.
func (b *builder) healing(m *Modem) {
	for _, key := range []string{"power", "netifd"} {
		if m.Given(key) && !m.Heal {
			b.problems = append(b.problems, m.Problem(key, "is of no use without heal = true; leave it out"))
		}
	}
	if m.Power == "" {
		return
	}
	i := slices.IndexFunc(b.cfg.Actuators, func(a Actuator) bool { return a.Name == m.Power })
	switch {
	case i < 0:
		b.problems = append(b.problems, m.Problem("power", "there is no [[actuator]] %q", m.Power))
	case !b.cfg.Actuators[i].Safe.On && !b.cfg.Actuators[i].Safe.Keep:
		b.problems = append(b.problems, b.cfg.Actuators[i].Problem("safe", `modem %q has its power from here; allowed: "on", "keep"`, m.Name))
	}
}

// throughModem checks that an account can go through a modem's own sockets.
func (b *builder) throughModem(a *Account) {
	if a.Modem == "" {
		return
	}
	bad := func(key, format string, args ...any) {
		b.problems = append(b.problems, a.Problem(key, format, args...))
	}
	i := slices.IndexFunc(b.cfg.Modems, func(m Modem) bool { return m.Name == a.Modem })
	switch {
	case len(b.cfg.Modems) == 0:
		bad("modem", "there is no [[modem]]")
	case i < 0:
		bad("modem", "there is no [[modem]] %q; there are: %s", a.Modem, strings.Join(b.modemNames(), ", "))
	case b.cfg.Modems[i].Driver != ModemAT:
		bad("modem", `only driver = "at" knows its sockets; with ModemManager the machine's own network goes through the modem`)
	}
	if a.Interface != "" {
		bad("interface", "a modem's own sockets are behind no network interface; give one of interface and modem")
	}
	for i, uri := range append([]*url.URL{a.URI}, a.Secondary...) {
		if uri != nil && strings.HasSuffix(uri.Scheme, "+tcp") {
			bad([]string{"uri", "secondary_uris"}[min(i, 1)], "a modem's own sockets are for UDP; use a coap or coaps address, or leave modem out")
		}
	}
}

func (b *builder) modemNames() []string {
	names := make([]string, 0, len(b.cfg.Modems))
	for i := range b.cfg.Modems {
		names = append(names, b.cfg.Modems[i].Name)
	}
	return names
}

func (b *builder) modems(root *node) {
	for _, n := range elements(root, "modem") {
		m := Modem{
			Section: Section{n, modemSection.title(n)},
			Name:    get(n, "name", ""), Driver: ModemDriver(get(n, "driver", "")), Port: get(n, "port", ""),
			Speed:  uint32(min(get(n, "speed", int64(DefaultSpeed)), math.MaxUint32)), //nolint:gosec // within range, says its kind
			Signal: get(n, "signal", DefaultSignal), PIN: get(n, "pin", Secret{}),
			Heal: get(n, "heal", false), APN: get(n, "apn", ""), Power: get(n, "power", ""), Netifd: get(n, "netifd", ""),
			Release: get(n, "release", false),
		}
		if pin := n.table["pin"]; pin != nil && pin.source != nil && pin.source.open {
			b.cfg.Warnings = append(b.cfg.Warnings, m.Problem("pin", "everyone on this machine can read it; run: chmod o-rwx %s", pin.source.file))
		}
		if m.Driver == ModemAT && m.Port == "" {
			b.problems = append(b.problems, m.Problem("", `port is missing; driver "at" needs it`))
		}
		if m.Driver == ModemManager && m.Release {
			b.problems = append(b.problems, m.Problem("release", `ModemManager has no interface for it; leave it out, or use driver = "at"`))
		}
		b.healing(&m)
		b.cfg.Modems = append(b.cfg.Modems, m)
	}
	for i := range b.cfg.Servers {
		b.throughModem(&b.cfg.Servers[i].Account)
	}
	if b.cfg.Bootstrap != nil {
		b.throughModem(&b.cfg.Bootstrap.Account)
	}
}
