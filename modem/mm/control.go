package mm

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
)

// ErrNotOffered says that ModemManager's interface has no such thing.
var ErrNotOffered = errors.New("ModemManager has no interface for the modem's power saving; a modem with driver = \"at\" has")

// here returns the modem that is there now.
func (m *Modem) here() (*present, error) {
	if p := m.present.Load(); p != nil {
		return p, nil
	}
	return nil, ErrAbsent
}

// do calls a method of the modem.
func (m *Modem) do(ctx context.Context, what, method string, args ...any) error {
	here, err := m.here()
	if err != nil {
		return err
	}
	if err := call(ctx, here.conn, here.path, method, commandTime, args...).Err; err != nil {
		return explain(what, err)
	}
	return nil
}

// families are the numbers of MMBearerIpFamily.
var families = map[modem.PDNType]uint32{modem.IPv4: 1, modem.IPv6: 2, modem.IPv4v6: 4, modem.NonIP: 8}

// authentications are the numbers of MMBearerAllowedAuth.
var authentications = map[modem.Authentication]uint32{modem.AuthenticationNone: 1, modem.PAP: 1 << 1, modem.CHAP: 1 << 2}

// ErrOwnAPN says that a connection does not go by the profile in the modem.
var ErrOwnAPN = errors.New(`whoever makes the connection has its APN, type and login; set them there (NetworkManager: "nmcli connection modify NAME gsm.apn APN"; netifd: option apn)`)

// ErrNotEnabled says that a modem takes no settings until somebody has switched it on.
var ErrNotEnabled = errors.New("the modem is not enabled; whoever makes the connection does that")

// ErrNoBearer says that there is no connection to make anew.
var ErrNoBearer = errors.New("ModemManager has none; whoever makes the connection has to make it")

// ErrNoLogin says that a profile cannot have user and password: where ModemManager speaks AT to a modem it leaves them out, without a word.
var ErrNoLogin = errors.New("ModemManager keeps no login in this modem's profiles; whoever makes the connection has it")

// SetProfile changes a profile that the modem keeps. That of a bearer which is made with an APN of its own would
// change nothing: it gives ErrOwnAPN. That of a bearer which is up takes effect with Reconnect.
func (m *Modem) SetProfile(ctx context.Context, cid int, p modem.Profile) error {
	here, err := m.here()
	if err != nil {
		return err
	}
	if !here.enabled {
		return fmt.Errorf("change profile %d: %w", cid, ErrNotEnabled)
	}
	if err := here.check(cid, p); err != nil {
		return err
	}
	if here.bare {
		p.Login = nil // there is none to take back
	}
	id, known := here.profiles[cid]
	if !known {
		id = cid
	}
	settings := settingsOf(id, p)
	m.later.Lock()
	defer m.later.Unlock()
	delete(m.later.profiles, cid)
	err = call(ctx, here.conn, here.path, ifaceProfiles+".Set", commandTime, settings).Err
	if e, ok := errors.AsType[dbus.Error](err); ok && e.Name == errorName+"Core.Connected" {
		if m.later.profiles == nil {
			m.later.profiles = make(map[int]map[string]dbus.Variant)
		}
		m.later.profiles[cid] = settings
		return nil
	}
	if err != nil {
		return explain(fmt.Sprintf("change profile %d", cid), err)
	}
	m.stale.Store(true)
	return nil
}

// Profile returns a profile that the modem keeps, without its login, also where no bearer goes by it.
func (m *Modem) Profile(ctx context.Context, cid int) (modem.Profile, error) {
	here, err := m.here()
	if err != nil {
		return modem.Profile{}, err
	}
	var all []map[string]dbus.Variant
	if err := call(ctx, here.conn, here.path, ifaceProfiles+".List", answerTime).Store(&all); err != nil {
		return modem.Profile{}, explain("list the modem's profiles", err)
	}
	p, ok := profilesOf(all)[cid]
	if !ok {
		return p, fmt.Errorf("the modem has no profile %d", cid)
	}
	return p, nil
}

// CheckProfile says what of a profile SetProfile refuses, and changes nothing. A modem that is not there, or not enabled, is told when it is:
// that is no reason.
func (m *Modem) CheckProfile(cid int, p modem.Profile) error {
	here, err := m.here()
	if err != nil {
		return nil //nolint:nilerr // as said
	}
	return here.check(cid, p)
}

func (p *present) check(cid int, profile modem.Profile) error {
	if own := p.own[cid]; own.APN != "" && (!modem.SameAPN(own.APN, profile.APN) || own.Type != profile.Type || profile.Login != nil) {
		return fmt.Errorf("change profile %d: %w", cid, ErrOwnAPN)
	}
	if p.bare && profile.Login != nil && *profile.Login != (modem.Login{}) {
		return fmt.Errorf("change profile %d: %w", cid, ErrNoLogin)
	}
	return nil
}

// settingsOf are those of a profile in the modem.
func settingsOf(id int, p modem.Profile) map[string]dbus.Variant {
	settings := map[string]dbus.Variant{
		"profile-id": dbus.MakeVariant(int32(id)), //nolint:gosec // a number of two digits
		"apn":        dbus.MakeVariant(p.APN), "ip-type": dbus.MakeVariant(families[p.Type]),
	}
	if p.Login != nil {
		settings["allowed-auth"] = dbus.MakeVariant(authentications[p.Login.Authentication])
		settings["user"], settings["password"] = dbus.MakeVariant(p.Login.User), dbus.MakeVariant(string(p.Login.Password))
	}
	return settings
}

// later are settings of profiles that ModemManager takes only while the bearer is down.
type later struct {
	sync.Mutex
	profiles map[int]map[string]dbus.Variant // by the number of the bearer
}

// Reconnect takes a bearer down, if it is up, and up again. Whoever made it goes on owning
// it; one that is gone is theirs to make.
func (m *Modem) Reconnect(ctx context.Context, cid int) error {
	here, err := m.here()
	if err != nil {
		return err
	}
	p, ok := here.bearers[cid]
	if !ok {
		return fmt.Errorf("reconnect bearer %d: %w", cid, ErrNoBearer)
	}
	m.later.Lock()
	settings := m.later.profiles[cid]
	delete(m.later.profiles, cid)
	m.later.Unlock()
	steps := []func() *dbus.Call{
		func() *dbus.Call { return call(ctx, here.conn, p, ifaceBearer+".Disconnect", commandTime) },
		func() *dbus.Call { return call(ctx, here.conn, p, ifaceBearer+".Connect", commandTime) },
	}
	if settings != nil {
		set := func() *dbus.Call {
			c := call(ctx, here.conn, here.path, ifaceProfiles+".Set", commandTime, settings)
			m.relist(ctx)
			return c
		}
		steps = slices.Insert(steps, 1, set)
	}
	for _, step := range steps {
		if err := step().Err; err != nil {
			return explain(fmt.Sprintf("reconnect bearer %d", cid), err)
		}
	}
	return nil
}

// relist waits until the profiles have been asked for anew: whoever is told that the connection is refused
// has to know which APN was.
func (m *Modem) relist(ctx context.Context) {
	m.stale.Store(true)
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	done := make(chan struct{})
	select {
	case m.looks <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// SetOrder has the modem prefer the first of some technologies, and keep to none; with none it
// chooses by itself. ModemManager has a preferred one only.
func (m *Modem) SetOrder(ctx context.Context, order []modem.Technology) error {
	here, err := m.here()
	if err != nil {
		return err
	}
	preferred := uint32(modeNone)
	if len(order) > 0 {
		preferred = modes[order[0]]
	}
	best := -1
	for i, mode := range here.modes {
		if mode.Preferred == preferred && (best < 0 || bits.OnesCount32(mode.Allowed) > bits.OnesCount32(here.modes[best].Allowed)) {
			best = i
		}
	}
	if best < 0 {
		return fmt.Errorf("prefer technologies: ModemManager has no such mode for this modem, but %v", here.modes)
	}
	return m.do(ctx, "prefer technologies", ifaceModem+".SetCurrentModes", here.modes[best])
}

// SetPSM gives ErrNotOffered.
func (m *Modem) SetPSM(context.Context, modem.PSM) error { return ErrNotOffered }

// SetEDRX gives ErrNotOffered.
func (m *Modem) SetEDRX(context.Context, modem.EDRX) error { return ErrNotOffered }

// Register has the modem search for a network by itself.
func (m *Modem) Register(ctx context.Context) error {
	return m.do(ctx, "register again", iface3GPP+".Register", "")
}

// owe notes whether the modem has to be enabled again: part does that where nobody else has, and the next life where this one is killed.
func (m *Modem) owe(owes bool) {
	if m.off.Swap(owes) == owes || m.cfg.Owe == nil {
		return
	}
	var owed []string
	if owes {
		owed = []string{"Enable"}
	}
	m.cfg.Owe(owed)
}

// powerLow is MM_MODEM_POWER_STATE_LOW, in which the radio is off.
const powerLow = uint32(2)

// SetRadio disables the modem and has it take the radio off, which ModemManager does not do by itself; enabling it is both again.
func (m *Modem) SetRadio(ctx context.Context, on bool) error {
	const what = "switch the radio"
	if !on {
		m.owe(true)
	}
	err := m.do(ctx, what, ifaceModem+".Enable", on)
	if on && err == nil {
		m.owe(false)
	}
	if err != nil || on {
		return err
	}
	return m.do(ctx, what, ifaceModem+".SetPowerState", powerLow)
}

// Reset restarts the modem.
func (m *Modem) Reset(ctx context.Context) error {
	return m.do(ctx, "reset the modem", ifaceModem+".Reset")
}
