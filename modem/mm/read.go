package mm

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
)

// The states of a modem (MMModemState) that matter here.
const (
	stateFailed       = -1
	stateUnknown      = 0
	stateInitializing = 1
	stateEnabled      = 6
)

// failures are what a modem fails for (MMModemStateFailedReason) that is the SIM's affair:
// no card, an error of it, an eSIM without a profile.
var failures = map[uint32]modem.SIMState{2: modem.SIMMissing, 3: modem.SIMFailed, 5: modem.SIMMissing}

// locks are what a SIM can want (MMModemLock). Those of second PINs lock nothing here.
var locks = map[uint32]modem.SIMState{1: modem.SIMReady, lockPIN: modem.SIMPIN, 3: modem.SIMReady, 4: modem.SIMPUK, 5: modem.SIMReady}

const (
	lockPIN       = 2
	firstPersonal = 6 // from here on the modem is locked to a network or card
)

// errFailed says that ModemManager has given a modem up.
var errFailed = errors.New(`ModemManager cannot use the modem; its log says why ("journalctl -u ModemManager")`)

// read makes the state of the modem, false while ModemManager is finding out what it is.
// here gets the bearers by their numbers.
func (s *session) read(o object, here *present) (modem.State, bool) {
	state := get[int32](o, ifaceModem, "State")
	if state == stateUnknown || state == stateInitializing {
		return modem.State{}, false
	}
	out := modem.State{Presence: modem.Ready}
	out.Identity = modem.Identity{
		Manufacturer: get[string](o, ifaceModem, "Manufacturer"), Model: get[string](o, ifaceModem, "Model"),
		Revision: get[string](o, ifaceModem, "Revision"), IMEI: modem.IMEIOf(get[string](o, ifaceModem, "EquipmentIdentifier")),
	}
	out.SIM = s.readSIM(o, state)
	if state == stateFailed && out.SIM.State == modem.SIMUnknown {
		out.Presence, out.Trouble = modem.Silent, errFailed
	}
	if state >= stateEnabled {
		out.Network, out.Signal = readNetwork(o), readSignal(o)
	} else {
		out.Network.Registration = modem.Unregistered
	}
	out.Selection = readSelection(o, s.parts[get[dbus.ObjectPath](o, ifaceModem, "Sim")])
	s.readBearers(o, &out, here)
	return out, true
}

func (s *session) readSIM(o object, state int32) modem.SIM {
	lock := get[uint32](o, ifaceModem, "UnlockRequired")
	sim := modem.SIM{State: locks[lock]}
	if lock >= firstPersonal {
		sim.State = modem.SIMLocked
	}
	if state == stateFailed {
		sim.State = failures[get[uint32](o, ifaceModem, "StateFailedReason")]
	}
	card := s.parts[get[dbus.ObjectPath](o, ifaceModem, "Sim")]
	sim.ICCID = s.iccidOf(o)
	sim.EID = modem.EIDOf(get[string](card, ifaceSIM, "Eid"))
	sim.PINRefused = sim.State == modem.SIMPIN && s.m.cfg.PIN.Refused(sim.ICCID)
	sim.PINDoubted = sim.State == modem.SIMPIN && s.m.cfg.PIN.Doubted(sim.ICCID)
	if sim.State == modem.SIMReady {
		s.m.cfg.PIN.Settle(sim.ICCID)
	}
	sim.IMSI = get[string](card, ifaceSIM, "Imsi")
	if own := get[[]string](o, ifaceModem, "OwnNumbers"); len(own) > 0 {
		sim.MSISDN = strings.TrimPrefix(own[0], "+")
	}
	return sim
}

// iccidOf returns the number of a modem's card, "" if it is not known.
func (s *session) iccidOf(o object) string {
	return modem.ICCIDOf(get[string](s.parts[get[dbus.ObjectPath](o, ifaceModem, "Sim")], ifaceSIM, "SimIdentifier"))
}

// registrations are the values of MMModem3gppRegistrationState, which are those of 3GPP
// TS 27.007, clause 10.1.22.
var registrations = map[uint32]modem.Registration{
	0: modem.Unregistered, 1: modem.Home, 2: modem.Searching, 3: modem.Denied, 4: modem.RegistrationUnknown, 5: modem.Roaming,
	6: modem.Home, 7: modem.Roaming, 8: modem.Emergency, 9: modem.Home, 10: modem.Roaming, 11: modem.Emergency,
}

// technologies are the bits of MMModemAccessTechnology, the newest first: of several that
// are on, the newest carries.
var technologies = []struct {
	bits uint32
	is   modem.Technology
}{
	{1 << 15, modem.NR},
	{1 << 17, modem.NBIoT},
	{1 << 16, modem.LTEM},
	{1 << 14, modem.LTE},
	{1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<9, modem.UMTS},
	{1<<1 | 1<<2 | 1<<3 | 1<<4, modem.GSM},
}

// bothBits are those of LTE and 5G.
const bothBits = 1<<14 | 1<<15

func readNetwork(o object) modem.Network {
	n := modem.Network{Registration: registrations[get[uint32](o, iface3GPP, "RegistrationState")]}
	if reject, ok := o[iface3GPP]["NetworkRejection"].Value().(map[string]dbus.Variant); ok && !n.Registration.Registered() {
		if code := field[uint32](reject, "error"); code > 0 { // MMNetworkError: the numbers of the standards; since 1.24
			n.Reject = &modem.Cause{Protocol: modem.EMM, Code: int(code)}
		}
	}
	if !n.Registration.Registered() {
		return n
	}
	on := get[uint32](o, ifaceModem, "AccessTechnologies")
	for _, t := range technologies {
		if on&t.bits != 0 {
			n.Technology = t.is
			break
		}
	}
	n.Dual = on&bothBits == bothBits
	n.Operator = get[string](o, iface3GPP, "OperatorName")
	if code := get[string](o, iface3GPP, "OperatorCode"); len(code) == 5 || len(code) == 6 {
		n.MCC, n.MNC = code[:3], code[3:]
	}
	place, _ := get[map[uint32]dbus.Variant](o, ifaceLocation, "Location")[location3GPP].Value().(string)
	enterPlace(&n, place)
	return n
}

// location3GPP is the source of places that the network knows (MMModemLocationSource).
const location3GPP = 1 << 0

// enterPlace reads "262,01,0000,01A2D003,001A2B": MCC, MNC, location area, cell, tracking
// area; the last three are hexadecimal, and 0 is not known.
func enterPlace(n *modem.Network, place string) {
	f := strings.Split(place, ",")
	if len(f) < 5 {
		return
	}
	number := func(text string) *int64 {
		v, err := strconv.ParseInt(text, 16, 64)
		if err != nil || v == 0 {
			return nil
		}
		return &v
	}
	if n.MCC == "" {
		n.MCC, n.MNC = f[0], f[1]
	}
	n.Cell = number(f[3])
	if n.Area = number(f[4]); n.Area == nil {
		n.Area = number(f[2])
	}
}

// measures are the properties of the interface Signal, by technology, the newest first.
var measures = []struct {
	property string
	of       []modem.Technology
}{{"Nr5g", []modem.Technology{modem.NR}}, {"Lte", []modem.Technology{modem.LTE, modem.LTEM, modem.NBIoT}}, {"Umts", []modem.Technology{modem.UMTS}}, {"Gsm", []modem.Technology{modem.GSM}}}

// readSignal takes the measures of the technology in use, else those that there are, else
// what the quality in percent stands for: from -113 dBm at 0 to -51 dBm at 100.
func readSignal(o object) modem.Signal {
	network := readNetwork(o)
	var best map[string]dbus.Variant
	for _, m := range measures {
		d := get[map[string]dbus.Variant](o, ifaceSignal, m.property)
		if len(d) > 0 && (best == nil || slices.Contains(m.of, network.Technology)) {
			best = d
		}
	}
	value := func(name string) *float64 {
		v, ok := best[name].Value().(float64)
		if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	sig := modem.Signal{RSSI: value("rssi"), RSRP: value("rsrp"), RSRQ: value("rsrq"), SNR: value("snr")}
	if rscp := value("rscp"); rscp != nil {
		sig.RSSI = rscp
	}
	quality := get[[]any](o, ifaceModem, "SignalQuality")
	if sig.Strength() == nil && len(quality) == 2 && network.Registration.Registered() {
		if percent, ok := quality[0].(uint32); ok && percent <= 100 {
			sig.RSSI = new(-113 + 0.62*float64(percent))
		}
	}
	return sig
}

// numbers gives bearers the numbers that objects know them by. A bearer of ModemManager
// comes and goes with each connection: the number of its profile in the modem stays the
// same, else its APN has to stand for it.
type numbers struct {
	byPath map[dbus.ObjectPath]int
	byAPN  map[string]int
}

// known puts those first that have a number already.
func (n *numbers) known(paths []dbus.ObjectPath) []dbus.ObjectPath {
	return slices.SortedStableFunc(slices.Values(paths), func(a, b dbus.ObjectPath) int {
		return min(n.byPath[b], 1) - min(n.byPath[a], 1)
	})
}

// of returns a number that is not among those in use.
func (n *numbers) of(p dbus.ObjectPath, profile int, apn string, used map[int]dbus.ObjectPath) int {
	if n.byPath == nil {
		n.byPath, n.byAPN = make(map[dbus.ObjectPath]int), make(map[string]int)
	}
	number, known := n.byPath[p]
	if !known || used[number] != "" {
		number = n.byAPN[apn]
	}
	if profile > 0 && !known {
		number = profile
	}
	if number == 0 || used[number] != "" {
		for number = 1; used[number] != ""; number++ {
		}
	}
	if len(n.byPath) > maxObjects {
		clear(n.byPath)
		clear(n.byAPN)
	}
	n.byPath[p], n.byAPN[apn] = number, number
	return number
}

// pdnTypes are the bits of MMBearerIpFamily.
var pdnTypes = map[uint32]modem.PDNType{1: modem.IPv4, 2: modem.IPv6, 3: modem.IPv4v6, 4: modem.IPv4v6, 8: modem.NonIP}

// typeOf reads which protocol a bearer is made for: IPv4 where nobody says.
func typeOf(settings map[string]dbus.Variant) modem.PDNType {
	if t := pdnTypes[field[uint32](settings, "ip-type")]; t != 0 {
		return t
	}
	return modem.IPv4
}

// trafficOf reads what a bearer has carried; nil while that is nothing, which is also what ModemManager says of a modem that
// does not count, as over PPP.
func trafficOf(part object) *modem.Traffic {
	stats := get[map[string]dbus.Variant](part, ifaceBearer, "Stats")
	t := modem.Traffic{Sent: field[uint64](stats, "tx-bytes"), Received: field[uint64](stats, "rx-bytes")}
	if t == (modem.Traffic{}) {
		return nil
	}
	return &t
}

// byProfile returns the number of the profile that a bearer takes its APN from, false if it has one of its own.
func byProfile(part object) (int, bool) {
	settings := get[map[string]dbus.Variant](part, ifaceBearer, "Properties")
	id := field[int32](settings, "profile-id")
	return int(id), id > 0 && field[string](settings, "apn") == ""
}

// readBearers reads the bearers that somebody has made. They are in the order of their
// numbers.
func (s *session) readBearers(o object, out *modem.State, here *present) {
	for _, p := range s.numbers.known(get[[]dbus.ObjectPath](o, ifaceModem, "Bearers")) {
		part := s.parts[p]
		if part == nil {
			continue
		}
		settings := get[map[string]dbus.Variant](part, ifaceBearer, "Properties")
		b := modem.Bearer{
			APN: field[string](settings, "apn"), Type: typeOf(settings),
			Active: get[bool](part, ifaceBearer, "Connected"), Since: s.m.cfg.Now(),
		}
		profile := int(get[int32](part, ifaceBearer, "ProfileId"))
		own := modem.Profile{APN: b.APN, Type: b.Type}
		if id, by := byProfile(part); by {
			profile, b.APN, b.Type = id, s.profiles[id].APN, s.profiles[id].Type
		}
		b.CID = s.numbers.of(p, profile, b.APN, here.bearers)
		here.bearers[b.CID], here.own[b.CID] = p, own
		if profile > 0 {
			here.profiles[b.CID] = profile
		}
		for _, property := range []string{"Ip4Config", "Ip6Config"} {
			enterAddresses(&b, get[map[string]dbus.Variant](part, ifaceBearer, property))
		}
		if !b.Active {
			b.Reject = refusal(part)
		} else {
			b.Traffic = trafficOf(part)
		}
		for _, old := range s.m.state.Bearers {
			if old.CID == b.CID && old.Active == b.Active {
				b.Since = old.Since
			}
		}
		out.Bearers = append(out.Bearers, b)
	}
	sort.Slice(out.Bearers, func(i, j int) bool { return out.Bearers[i].CID < out.Bearers[j].CID })
}

func enterAddresses(b *modem.Bearer, config map[string]dbus.Variant) {
	enter := func(list *[]netip.Addr, name string) {
		if a, err := netip.ParseAddr(field[string](config, name)); err == nil && !a.IsUnspecified() {
			*list = append(*list, a)
		}
	}
	enter(&b.Addresses, "address")
	enter(&b.Gateways, "gateway")
	for _, name := range []string{"dns1", "dns2", "dns3"} {
		enter(&b.DNS, name)
	}
}

// refusals are errors of connections (MMMobileEquipmentError) as causes of sessions (3GPP
// TS 24.301, annex B).
var refusals = map[string]int{
	"OperatorDeterminedBarring": 8, "InsufficientResources": 26, "MissingOrUnknownApn": 27, "UnknownPdpAddressOrType": 28,
	"UserAuthenticationFailed": 29, "PdpAuthFailure": 29, "ActivationRejectedByGgsnOrGw": 30, "ActivationRejectedUnspecified": 31,
	"ServiceOptionNotSupported": 32, "ServiceOptionNotSubscribed": 33, "ServiceOptionOutOfOrder": 34, "Ipv4OnlyAllowed": 50, "Ipv6OnlyAllowed": 51,
}

// refusal reads why a bearer is not connected: the network's cause, nil if it is none of
// its causes.
func refusal(part object) *modem.Cause {
	e := get[[]any](part, ifaceBearer, "ConnectionError")
	if len(e) == 0 {
		return nil
	}
	name, _ := e[0].(string)
	if code, ok := refusals[strings.TrimPrefix(name, errorName+"MobileEquipment.")]; ok {
		return &modem.Cause{Protocol: modem.SM, Code: code}
	}
	return nil
}
