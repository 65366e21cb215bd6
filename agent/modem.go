package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at"
	"lwm2m-agent/objects"
)

// addModems makes the modems of the configuration, which is read at the start. The first
// one has objects 10, 11, 13, 27, 10241 and 10308.
func (a *Agent) addModems() error {
	a.modemPower = bind.NewModemPower(a.store, a.log, a.switchPower)
	a.modems = &bind.Modems{
		Health: a.health, Store: a.store, Log: a.log, Now: a.opts.Now, Changed: a.modemChanged, Woke: a.modemWoke, Used: a.usesModem, Wake: a.wake,
		Servers: func() int { return len(a.config.Load().Servers) }, Power: a.modemPower.Switch, Open: a.opts.OpenPort,
	}
	if len(a.opts.Config.Modems) > 0 {
		a.modemTasks = append(a.modemTasks, named{"messages", a.modems.Run})
	}
	for i := range a.opts.Config.Modems {
		section := &a.opts.Config.Modems[i]
		m, healer, keepAPN := a.modems.Add(section)
		a.modemTasks = append(a.modemTasks, named{"modem " + section.Name, m.Run}, named{"APN of modem " + section.Name, keepAPN})
		if healer != nil {
			a.modemTasks = append(a.modemTasks, named{"healer of modem " + section.Name, healer.Run})
		}
		if section.Release {
			r := a.modems.Releaser(section.Name, func() bool { return a.silent(section.Name) })
			a.releasers = append(a.releasers, r)
			a.modemTasks = append(a.modemTasks, named{"release of modem " + section.Name, r.Run})
		}
		if i > 0 {
			continue
		}
		cellular, err := bind.NewCellular(a.tree, m, a.modems.Wishes(section.Name), a.apnTrial(section.Name), a.log)
		if err != nil {
			return fmt.Errorf("add the objects of modem %q: %w", section.Name, err)
		}
		a.modems.Join(cellular)
		if err := a.addHostDevice(); err != nil {
			return fmt.Errorf("add the objects of modem %q: %w", section.Name, err)
		}
		a.modemTasks = append(a.modemTasks, named{"modem profiles", cellular.Run})
	}
	return nil
}

// switchPower switches a modem's power, whoever has locked the device: a modem without power is no use to them.
func (a *Agent) switchPower(ctx context.Context, actuator string, on bool) error {
	const channel = "state"
	err := a.board.Hardware().Set(ctx, actuator, channel, hw.Bool(on))
	if err != nil {
		return fmt.Errorf("switch the modem's power: %w", err)
	}
	return nil
}

// keepPower has modems that the last run of the agent left without power get it back, as soon as the board runs.
func (a *Agent) keepPower(ctx context.Context) error {
	select {
	case <-a.board.Hardware().Running():
	case <-ctx.Done():
		return nil
	}
	names := make([]string, 0, len(a.opts.Config.Actuators))
	for i := range a.opts.Config.Actuators {
		names = append(names, a.opts.Config.Actuators[i].Name)
	}
	return a.modemPower.Run(ctx, names)
}

// addHostDevice shows what machine the modem is in.
func (a *Agent) addHostDevice() error {
	id := a.hostIdentities()
	host := objects.HostDevice{Manufacturer: id.Manufacturer, Model: id.Model, UniqueID: id.DeviceID, Software: a.facts.Firmware}
	if err := objects.NewHostDevice(a.tree, host); err != nil {
		return err
	}
	return a.objects.device.SetExternal(objects.HostDeviceLink())
}

// lookSilent has the modems looked at that are told when nobody uses them.
func (a *Agent) lookSilent() {
	for _, r := range a.releasers {
		r.Look()
	}
}

// silent reports whether a server that is reached through a modem sleeps, and neither another one of these has anything
// under way, nor a bootstrap, nor the download of a package.
func (a *Agent) silent(name string) bool {
	if a.firmware != nil && a.firmware.downloads() {
		return false
	}
	still := []client.BootstrapState{client.BootstrapIdle, client.BootstrapWaiting, client.BootstrapStopped}
	if !slices.Contains(still, a.client.BootstrapStatus().State) {
		return false
	}
	quiet := []client.State{client.Asleep, client.Waiting, client.Disabled, client.Stopped} // nothing is on its way
	asleep := false
	for _, s := range a.client.Status() {
		if !a.goesThrough(s.ShortServerID, name) {
			continue
		}
		if !slices.Contains(quiet, s.State) {
			return false
		}
		asleep = asleep || s.State == client.Asleep
	}
	return asleep
}

// goesThrough reports whether an account is reached through a modem: by its own sockets, or as the machine's way.
func (a *Agent) goesThrough(id uint16, name string) bool {
	account, server := accountSection(a.config.Load(), id)
	if account.Modem != "" {
		return account.Modem == name
	}
	said := server != nil && slices.Contains(cellularBearers, server.Bearer)
	return a.modems.Carries(name, said)
}

// setAPNs has the modems connect with the APNs of a configuration.
func (a *Agent) setAPNs(ctx context.Context, cfg *config.Config) error {
	apns := make(map[string]string)
	for i := range cfg.Modems {
		apns[cfg.Modems[i].Name] = cfg.Modems[i].APN
	}
	return a.modems.SetAPNs(ctx, apns)
}

// apnTrial has an APN that a server writes into object 11 tried like one that it configures.
func (a *Agent) apnTrial(name string) bind.APNTrial {
	return bind.APNTrial{
		Takes: func(cid int) bool { return a.configuration != nil && a.modems.Keeps(name, cid) },
		Begin: func(apn string) error { return a.configuration.setAPN(name, apn) },
		Withdraw: func() { // unless it is over
			_ = a.configuration.machine.Object(transaction.Any, "the request that wrote the APN was taken back")
		},
	}
}

// radio is what the times of accounts depend on.
type radio struct {
	carries, bound bool
	technology     modem.Technology
	number         string
	reachable      time.Duration
	ways           string // of servers that are reached through modems' own sockets
}

// modemChanged shows what is new of modems. Accounts hear of it if their times are others.
func (a *Agent) modemChanged() {
	a.publishNetwork()
	a.publishModule()
	now := radio{number: a.modems.Number()}
	_, now.carries = a.modems.Carrier(false)
	if s, ok := a.modems.Carrier(true); ok {
		now.technology = s.Network.Technology
		now.reachable, now.bound = s.Reachable(patience)
	}
	now.ways = a.ways()
	old := a.radio.Swap(&now)
	if old == nil || *old != now {
		a.client.ParamsChanged()
	}
	if old == nil && now.ways != "" || old != nil && old.ways != now.ways {
		a.client.NetworkChanged()
	}
}

// publishModule shows in object 16 what the first modem is. One that is away is the last that was seen.
func (a *Agent) publishModule() {
	a.modems.Each(func(name string, s *modem.State) {
		id := &s.Identity
		if name != a.opts.Config.Modems[0].Name || *id == (modem.Identity{}) {
			return
		}
		module := objects.ModuleIdentities{IMEI: id.IMEI, Manufacturer: id.Manufacturer, Model: id.Model, Firmware: id.Revision}
		if old := a.module.Swap(&module); old != nil && *old == module {
			return
		}
		if err := a.objects.portfolio.SetModule(module); err != nil {
			a.log.Error("identities of the modem not shown", slog.Any("error", err))
		}
	})
}

// ways tells one state of the modems that servers are reached through from another.
func (a *Agent) ways() string {
	var out strings.Builder
	a.modems.Each(func(name string, s *modem.State) {
		if a.usesModem(name) && s.Network.Registration.Registered() {
			fmt.Fprint(&out, name, s.Datagram, s.Network.Technology, s.Starts) // a start has lost its sockets
			for i := range s.Bearers {
				fmt.Fprint(&out, s.Bearers[i].Addresses)
			}
		}
	})
	return out.String()
}

// modemWoke uses that the radio is on.
func (a *Agent) modemWoke(s *modem.State) {
	if t := s.Sleep.Granted.Periodic; s.Sleep.Granted.On && t > 0 {
		a.client.RadioOn(t)
	}
}

// wake carries out a trigger that came by SMS.
func (a *Agent) wake(ctx context.Context, from string, t client.Trigger) error {
	return a.client.Wake(ctx, from, t)
}

// modemCheckTime bounds the check of a modem: it is asked a few dozen things.
const modemCheckTime = 20 * time.Second

// checkModem looks at a modem once. endpoint is the name that the configuration has for the agent.
func checkModem(ctx context.Context, m *config.Modem, endpoint string) CheckRow {
	row := CheckRow{Part: "modem", Name: m.Name, Where: cmp.Or(m.Port, string(m.Driver))}
	ctx, cancel := context.WithTimeout(ctx, modemCheckTime)
	defer cancel()
	s, err := bind.ProbeModem(ctx, m)
	if err != nil {
		row.Detail = err.Error()
		if errors.Is(err, at.ErrAgent) {
			row.OK = true
			return row
		}
		if code, _ := bind.ModemTrouble(&s); code != "" {
			row.Detail = strings.TrimSuffix(row.Detail, "?") + ". " + health.Remedy(code)
		}
		return row
	}
	row.Detail = describeModem(&s)
	if !slices.ContainsFunc(s.Bearers, func(b modem.Bearer) bool { return b.Active }) {
		row.Detail += ", not connected"
	}
	code, detail := bind.ModemTrouble(&s)
	row.OK = code == "" && s.Network.Registration.Registered()
	if code == health.NetworkRefuses && !strings.Contains(row.Detail, detail) {
		row.Detail += ", " + detail
	}
	if code != "" {
		row.Detail += ". " + health.Remedy(code)
	}
	if id := s.Identity.IMEI; id != "" && strings.Contains(endpoint, id) {
		row.Detail += ". The endpoint name has the IMEI: a carrier's own client in the module may have the same name, and at one server either would end the other's registration"
	}
	return row
}

// modemStatus is what status shows of a modem.
func modemStatus(name string, s *modem.State, released uint64) control.Modem {
	out := control.Modem{Name: name, State: s.Presence.String(), Released: released}
	if s.Presence != modem.Ready && s.Presence != modem.Asleep {
		out.Words = out.State
		if s.Trouble != nil {
			out.Words += ": " + s.Trouble.Error()
		}
		return out
	}
	for _, b := range s.Bearers {
		if b.Active {
			out.Connected = append(out.Connected, cmp.Or(b.APN, "without an APN"))
		}
	}
	out.Firmware = s.Identity.Revision
	out.Model = strings.TrimSpace(s.Identity.Manufacturer + " " + s.Identity.Model)
	out.EID = s.SIM.EID
	out.SIM, out.Registration, out.Signal = s.SIM.State.String(), s.Network.Registration.String(), rounded(s.Signal.Strength())
	if s.Network.Registration.Registered() {
		out.Technology = s.Network.Technology.String()
		out.Operator = strings.TrimSpace(s.Network.Operator + " " + s.Network.MCC + s.Network.MNC)
	}
	out.Words = out.State + ": " + describeModem(s)
	if len(out.Connected) > 0 {
		out.Words += ", connected: " + strings.Join(out.Connected, ", ")
	}
	if released > 0 {
		out.Words += fmt.Sprintf(", released %d times", released)
	}
	return out
}

func rounded(f *float64) *int {
	if f == nil {
		return nil
	}
	return new(int(math.Round(*f)))
}

// simWords says what a card is: "eSIM 89049032000001000000000000000042 ready".
func simWords(s *modem.SIM) string {
	if s.EID != "" {
		return "eSIM " + s.EID + " " + s.State.String()
	}
	return "SIM " + s.State.String()
}

// describeModem says what a modem is and where it stands, without who it is for.
func describeModem(s *modem.State) string {
	parts := []string{strings.TrimSpace(s.Identity.Manufacturer + " " + s.Identity.Model + " " + s.Identity.Revision), simWords(&s.SIM), s.Network.Registration.String()}
	if s.Network.Registration.Registered() {
		parts = append(parts, s.Network.Technology.String(), strings.TrimSpace(s.Network.Operator+" "+s.Network.MCC+s.Network.MNC))
	}
	if s.Network.Reject != nil {
		parts = append(parts, s.Network.Reject.String())
	}
	if strength := s.Signal.Strength(); strength != nil {
		parts = append(parts, fmt.Sprintf("%.0f dBm", *strength))
	}
	switch s.Release {
	case modem.ReleaseInDoubt:
		parts = append(parts, "perhaps without release (AT+CNMPSD=? is refused)")
	case modem.ReleaseRefused:
		parts = append(parts, "without release (AT+CNMPSD is refused)")
	case modem.ReleaseUnknown, modem.ReleaseOffered:
	}
	return strings.Join(parts, ", ")
}

// modemDrivers are the kernel's drivers of ports that only modems have. Ports of other
// drivers may lead to a machine that takes AT for something else; they are not asked.
var modemDrivers = map[string]bool{"option": true, "option1": true, "qcserial": true, "sierra": true}

// scanTime bounds the question to one port.
const scanTime = 6 * time.Second

// serialFinding asks a modem's port who is there.
func serialFinding(ctx context.Context, p *hw.SerialPort) Finding {
	f := Finding{Bus: "serial", Where: p.Path, What: p.Driver}
	if !modemDrivers[p.Driver] {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	s, err := at.Probe(ctx, at.Config{Port: p.Path, Speed: config.DefaultSpeed, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	f.Modem = true
	f.Detail = "takes AT commands: " + describeModem(&s)
	return f
}

// modemManagerFinding asks ModemManager for its first modem, false if it has none.
func modemManagerFinding(ctx context.Context) (Finding, bool) {
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	section := config.Modem{Driver: config.ModemManager}
	s, err := bind.ProbeModem(ctx, &section)
	if err != nil {
		return Finding{}, false
	}
	return Finding{Bus: "D-Bus", Where: "ModemManager", What: s.Identity.Model, Modem: true, Detail: "has a modem: " + describeModem(&s)}, true
}
