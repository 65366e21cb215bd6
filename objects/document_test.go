package objects

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

var update = flag.Bool("update", false, "write the tables of docs/objects.md")

// served is every object that has a file of its own, each made with all that it
// can show.
var served = []struct {
	oid  uint16
	what string
	make func(f *fixture)
}{
	{0, "how to reach the servers; for the bootstrap server only", func(f *fixture) {
		s, err := NewSecurity(f.tree, nil)
		f.check(err)
		f.check(s.Seed(first, bootstrap))
	}},
	{1, "what a server and the agent have agreed on; further resources appear when a server writes them", func(f *fixture) {
		nothing := func(context.Context, uint16) error { return nil }
		update := func(context.Context, uint16, string) error { return nil }
		s := f.servers(ServerHooks{Update: update, Bootstrap: nothing, Disable: func(context.Context, uint16, time.Duration) error { return nil }})
		f.check(s.SetAlert(101, 0))
		f.check(s.record.pub.Set(0, 12, lwm2m.Time(start)))
	}},
	{2, "which server may do what, once there is more than one; see security.md", func(f *fixture) {
		c, err := NewAccessControl(f.tree, nil)
		f.check(err)
		f.check(f.servers(ServerHooks{}).Seed(first, second))
		_, err = NewTestObject(f.tree)
		f.check(err)
		f.check(c.Provision(f.Context(), AccessPolicy{}))
	}},
	{500, "timers of CoAP and DTLS, an instance for each bearer", func(f *fixture) {
		o, err := NewCoAPConfig(f.tree, nil, nil)
		f.check(err)
		f.check(o.Seed(map[Bearer]Transmission{BearerEthernet: {}}))
	}},
	{3, "the machine: identity, reboot, power, memory, errors, clock", func(f *fixture) {
		d := f.device(newMachine(), DeviceHooks{FactoryReset: func(context.Context, model.Origin) error { return nil }})
		f.check(d.SetPower([]Power{{Source: SourceInternalBattery, Voltage: new(int64), Current: new(int64)}}, &Battery{Level: new(int64)}))
		f.check(d.SetExternal(lwm2m.Objlnk(10241, 0)))
	}},
	{4, "the network: bearer, signal, addresses, cell", func(f *fixture) {
		m, err := NewConnectivityMonitor(f.tree)
		f.check(err)
		n := new(int64)
		f.check(m.Publish(Connectivity{LinkQuality: n, Utilization: n, Routers: []netip.Addr{netip.IPv6Loopback()}, Cell: &Cell{
			APN: []string{""}, ID: n, MNC: n, MCC: n, SINR: n, LAC: n, Coverage: n,
		}}))
	}},
	{5, "firmware updates: push, pull, result; only with [firmware], see firmware-update.md", func(f *fixture) { f.firmware(&updater{}) }},
	{6, "the position, from the first one on", func(f *fixture) {
		l, err := NewLocation(f.tree)
		f.check(err)
		n := new(float64)
		f.check(l.Publish(Position{Altitude: n, Radius: n, Speed: n, Bearing: n, Time: start}))
	}},
	{7, "what was sent and received between Start and Stop", func(f *fixture) {
		_, err := NewStatistics(f.tree, &counters{}, nil)
		f.check(err)
	}},
	{objectLockAndWipe, "locks outputs, wipes data; only with [lock_and_wipe], see provisioning.md", func(f *fixture) {
		_, err := NewLockAndWipe(f.tree, nil, LockStatus{Items: []string{"/srv/data"}})
		f.check(err)
	}},
	{objectCellular, "power saving of the modem, and its active profiles; absent without [[modem]]", func(f *fixture) {
		c, err := NewCellularConnectivity(f.tree, CellularHooks{})
		f.check(err)
		f.check(c.Publish(CellularPower{EDRX: map[EDRXMode]uint8{EDRXIu: 1, EDRXWBS1: 1, EDRXNBS1: 1, EDRXAGb: 1}, HasPSM: true}, nil))
	}},
	{objectAPNProfile, "the connections of the modem; the secret (6) can be written and is never shown", func(f *fixture) {
		o, err := NewAPNConnectionProfile(f.tree, APNHooks{})
		f.check(err)
		ended := fullProfile()
		ended.Active, ended.Reject = false, new(int64)
		f.check(o.Publish([]APNProfile{fullProfile()}))
		f.check(o.Publish([]APNProfile{ended}))
	}},
	{objectSelection, "which radio and operators the modem prefers, as far as it can be told; absent without [[modem]]", func(f *fixture) {
		f.selecting(&Selection{MaxOperators: 1}, &told{})
	}},
	{objectWLAN, "the wireless interfaces, read only; absent where there is none", func(f *fixture) {
		f.check(NewWLANConnectivity(f.tree).Publish([]WLAN{station(0, "wlan0")}))
	}},
	{objectPortfolio, "instance 0: identities of the host; further ones are servers' own", func(f *fixture) {
		f.portfolio(gatewayHost, nil)
	}},
	{objectAppData, "data of applications: instance 0 to servers, 1 from servers", func(f *fixture) {
		f.appData(nil)
		f.check(f.put(model.FromLocal(), map[string]lwm2m.Value{
			"/19/1/0/0": lwm2m.Opaque(nil), "/19/1/1": lwm2m.Integer(0), "/19/1/3": lwm2m.String(""), "/19/1/4": lwm2m.String(""), "/19/1/5": lwm2m.Integer(0),
		}))
	}},
	{objectEventLog, "logs: instance 0 is the agent's own, the others are those of the configuration", func(f *fixture) {
		l, err := NewEventLog(f.tree, EventLogHooks{})
		f.check(err)
		f.check(l.Add(0, LogSystem, NewCollection(), LogState{}))
	}},
	{objectGatewayTraffic, "bytes sent and received, by purpose", func(f *fixture) {
		f.check(AddGatewayTraffic(f.tree, 8, func(int) (day, run Octets) { return day, run }))
	}},
	{objectUpdateProgress, "how an update of object 5 gets on: bytes, what is waited for, why something failed; only with [firmware], see firmware-update.md", func(f *fixture) {
		_, err := NewUpdateProgress(f.tree, time.Now, &FirmwareProgress{Phase: "fetching", Size: 1, Source: "coap://x", WaitingFor: "the data budget", Budget: 1})
		f.check(err)
	}},
	{objectGatewayHealth, "what is wrong, since when, and what to do, as status shows it; read only", func(f *fixture) {
		_, err := NewGatewayHealth(f.tree, nil)
		f.check(err)
	}},
	{objectNR, "how a modem for 5G is connected, read only; absent until it is seen in 5G", func(f *fixture) {
		n, err := NewNRObject(f.tree)
		f.check(err)
		f.check(n.Publish(fullNR()))
	}},
	{objectHostDevice, "the machine around the modem, read only; absent without [[modem]]", func(f *fixture) {
		f.check(NewHostDevice(f.tree, HostDevice{}))
	}},
	{objectCellularIdentity, "whom the SIM is for, and how well the modem hears, read only; absent without [[modem]]", func(f *fixture) {
		c, err := NewCellularExtension(f.tree)
		f.check(err)
		f.check(c.Publish(fullIdentity()))
	}},
	{objectConfiguration, "the agent's configuration and transactions that change it; see remote-configuration.md", func(f *fixture) {
		_, err := NewGatewayConfiguration(f.tree, &configurator{}, ConfigurationStatus{History: []string{""}})
		f.check(err)
	}},
	{objectTest, "a resource of every type, to try servers with; off unless configured", func(f *fixture) {
		_, err := NewTestObject(f.tree)
		f.check(err)
	}},
}

// TestDocument holds that the tables of objects in the documents are those of
// the code; with -update it writes them.
func TestDocument(t *testing.T) {
	for _, place := range []struct {
		file, mark, table string
	}{
		{"../docs/objects.md", "own", ownTable(t)},
		{"../docs/objects.md", "smart", smartTable()},
		{"../README.md", "objects, made by go generate", shortTable()},
	} {
		old, err := os.ReadFile(place.file)
		if err != nil {
			t.Fatal(err)
		}
		begin, end := "<!-- "+place.mark+" -->\n", "<!-- end -->\n"
		before, rest, ok := strings.Cut(string(old), begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the table %q", place.file, place.mark)
		}
		text := before + begin + place.table + end + after
		if text == string(old) {
			continue
		}
		if !*update {
			t.Errorf("%s does not say what the code does: run go generate", place.file)
			continue
		}
		if err := os.WriteFile(place.file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func ownTable(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	out.WriteString("| id | object | version | resources served | what it is about |\n|---|---|---|---|---|\n")
	for _, s := range served {
		f := newFixture(t)
		s.make(f)
		def := f.tree.Definition(s.oid)
		var rids []uint16
		for _, e := range f.tree.Entries(lwm2m.NewPath(s.oid), lwm2m.LevelResource) {
			if e.Path.Level() == lwm2m.LevelResource && !slices.Contains(rids, e.Path.Resource()) {
				rids = append(rids, e.Path.Resource())
			}
		}
		fmt.Fprintf(&out, "| %d | %s | %s | %d of %d: %s | %s |\n", s.oid, def.Name, def.Version, len(rids), len(def.Resources), ranges(rids), s.what)
	}
	return out.String()
}

// ranges writes identifiers as "0–5, 10".
func ranges(ids []uint16) string {
	slices.Sort(ids)
	var out []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if i == j {
			out = append(out, fmt.Sprint(ids[i]))
		} else {
			out = append(out, fmt.Sprintf("%d–%d", ids[i], ids[j]))
		}
		i = j + 1
	}
	return strings.Join(out, ", ")
}

// shortTable names the objects of both kinds.
func shortTable() string {
	ids := make([]uint16, 0, len(served))
	for _, s := range served {
		ids = append(ids, s.oid)
	}
	slices.Sort(ids)
	own := make([]string, 0, len(ids))
	for _, id := range ids {
		def, _ := registry.Definitions().Object(id)
		own = append(own, fmt.Sprintf("%d %s", id, def.Name))
	}
	others := smartObjects()
	smart := make([]string, 0, len(others))
	for _, e := range others {
		smart = append(smart, fmt.Sprintf("%d %s", e.ID, e.Key))
	}
	return "| | |\n|---|---|\n| the gateway | " + strings.Join(own, ", ") + " |\n| sensors, actuators | " + strings.Join(smart, ", ") + " |\n"
}

// smartObjects lists the objects that are in the manner of the IPSO Smart
// Objects: they have an application type or a time stamp.
func smartObjects() []registry.Entry {
	var out []registry.Entry
	defs := registry.Definitions()
	for _, e := range defs.List() {
		def, _ := defs.Object(e.ID)
		_, ok := Main(def)
		if ok && (def.Resource(ridApplicationType) != nil || def.Resource(ridTimestamp) != nil) {
			out = append(out, e)
		}
	}
	return out
}

func smartTable() string {
	var out strings.Builder
	out.WriteString("| id | object | version | main value | surrounds it | written | executed |\n|---|---|---|---|---|---|---|\n")
	defs := registry.Definitions()
	for _, e := range smartObjects() {
		def, _ := defs.Object(e.ID)
		main, _ := Main(def)
		m := def.Resource(main)
		fmt.Fprintf(&out, "| %d | %s | %s | %s | %s | %s | %s |\n", e.ID, e.Key, e.Version,
			strings.TrimSpace(fmt.Sprintf("%d %s (%v) %s", main, m.Name, m.Type, m.Unit)), around(def, main), having(def, model.OpWrite), having(def, model.OpExecute))
	}
	return out.String()
}

// around lists what follows from readings of the main value.
func around(def *model.Definition, main uint16) string {
	var out []string
	m := measurement(def, main)
	if m.min != 0 {
		out = append(out, "extremes")
	}
	if m.low != 0 {
		out = append(out, "range")
	}
	for _, r := range []struct {
		rid  uint16
		name string
	}{{ridTimestamp, "time"}, {ridQuality, "quality"}, {ridOnTime, "on time"}, {ridOffTime, "off time"}} {
		if def.Resource(r.rid) != nil {
			out = append(out, r.name)
		}
	}
	return strings.Join(out, ", ")
}

// having lists the resources with an operation, but for what all have.
func having(def *model.Definition, op model.Ops) string {
	var rids []uint16
	for i := range def.Resources {
		if r := &def.Resources[i]; r.Ops.Has(op) && r.ID != ridApplicationType {
			rids = append(rids, r.ID)
		}
	}
	return ranges(rids)
}
