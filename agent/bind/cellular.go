package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem"
	"lwm2m-agent/objects"
)

// CellularModem is what servers change of a modem.
type CellularModem interface {
	CheckProfile(cid int, p modem.Profile) error // what of it SetProfile would refuse
	SetProfile(ctx context.Context, cid int, p modem.Profile) error
	// Profile returns one as it is in the modem, without its login: also while no connection is made with it.
	Profile(ctx context.Context, cid int) (modem.Profile, error)
	Reconnect(ctx context.Context, cid int) error
	SetPSM(ctx context.Context, p modem.PSM) error
	SetEDRX(ctx context.Context, e modem.EDRX) error
	SetOrder(ctx context.Context, order []modem.Technology) error
	SetOperators(ctx context.Context, operators []string) error
}

// Cellular joins a modem with objects 10, 11, 13, 27 and 10308.
type Cellular struct {
	modem     CellularModem
	wishes    *Wishes // nil: nothing is kept
	log       *slog.Logger
	power     *objects.CellularConnectivity
	profiles  *objects.APNConnectionProfile
	selection *objects.BearerSelection
	identity  *objects.CellularExtension
	nr        *objects.NRObject
	seen      bool                            // there was a modem
	seenNR    bool                            // it is one for 5G
	selected  atomic.Pointer[modem.Selection] // what the modem goes by
	bearers   atomic.Pointer[[]modem.Bearer]  // likewise
	anew      chan renewal
	trial     APNTrial
	tried     atomic.Int64                // the context whose new APN is on trial, which connects it; 0: none
	untry     func(context.Context) error // takes back what was noted for that trial; of requests, which come one after the other
	before    map[int]*wishedBearer       // what was wished of contexts before they were written; of requests, which come one after the other
}

// APNTrial puts an APN that a server has written in force for a trial.
type APNTrial struct {
	// Takes reports whether the APN of a context is tried: that of the one that carries the connection is, if the configuration can be set.
	Takes func(cid int) bool
	Begin func(apn string) error
	// Withdraw ends the trial that Begin has begun.
	Withdraw func()
}

// renewal is a connection to be made anew, and the profile to go back to.
type renewal struct {
	cid    int
	old    modem.Profile
	before *wishedBearer // what was wished of it
}

// edrxModes are the resources of object 10 for the kinds of cell.
var edrxModes = map[modem.EDRXMode]objects.EDRXMode{
	modem.AGb: objects.EDRXAGb, modem.Iu: objects.EDRXIu, modem.WBS1: objects.EDRXWBS1, modem.NBS1: objects.EDRXNBS1,
}

// pdnTypes are the types of object 11.
var pdnTypes = map[modem.PDNType]objects.PDNType{
	modem.IPv4: objects.PDNIPv4, modem.IPv6: objects.PDNIPv6, modem.IPv4v6: objects.PDNIPv4v6, modem.NonIP: objects.PDNNonIP,
}

// NewCellular adds objects 10, 11, 13, 27 and 10308 for a modem.
func NewCellular(tree *model.Tree, m CellularModem, wishes *Wishes, trial APNTrial, log *slog.Logger) (*Cellular, error) {
	c := &Cellular{modem: m, wishes: wishes, log: log, anew: make(chan renewal, 4), trial: trial, before: make(map[int]*wishedBearer)}
	c.bearers.Store(new([]modem.Bearer))
	var err error
	c.power, err = objects.NewCellularConnectivity(tree, objects.CellularHooks{Exact: exactTimers, SetPSM: c.setPSM, SetEDRX: c.setEDRX})
	if err != nil {
		return nil, err
	}
	c.profiles, err = objects.NewAPNConnectionProfile(tree, objects.APNHooks{Set: c.setProfile, TakeBack: c.takeBack, Changed: c.changed})
	if err != nil {
		return nil, err
	}
	c.selected.Store(new(modem.Selection))
	c.selection, err = objects.NewBearerSelection(tree, c.selectionNow, objects.SelectionHooks{SetBearers: c.setBearers, SetOperators: m.SetOperators})
	if err != nil {
		return nil, err
	}
	if c.identity, err = objects.NewCellularExtension(tree); err != nil {
		return nil, err
	}
	c.nr, err = objects.NewNRObject(tree)
	return c, err
}

func exactTimers(periodic, active time.Duration) (exactPeriodic, exactActive time.Duration) {
	_, periodic = modem.EncodePeriodic(periodic)
	_, active = modem.EncodeActive(active)
	return periodic, active
}

func (c *Cellular) setPSM(ctx context.Context, on bool, periodic, active time.Duration) error {
	p := modem.PSM{On: on, Periodic: periodic, Active: active}
	return c.wishes.set(ctx, func() error { return c.modem.SetPSM(ctx, p) }, func(w *wished) { w.PSM = &p })
}

func (c *Cellular) setEDRX(ctx context.Context, mode objects.EDRXMode, on bool, cycle uint8) error {
	for kind, resource := range edrxModes {
		if resource == mode {
			e := modem.EDRX{Mode: kind, On: on, Cycle: cycle}
			return c.wishes.set(ctx, func() error { return c.modem.SetEDRX(ctx, e) }, func(w *wished) { w.setEDRX(e) })
		}
	}
	return fmt.Errorf("no kind of cell is /10/0/%d", mode)
}

func profileOf(apn string, t objects.PDNType) modem.Profile {
	p := modem.Profile{APN: apn, Type: modem.IPv4}
	for kind, number := range pdnTypes {
		if number == t {
			p.Type = kind
		}
	}
	return p
}

func (c *Cellular) setProfile(ctx context.Context, instance uint16, apn string, t objects.PDNType, login *objects.APNLogin) error {
	p, cid := profileOf(apn, t), int(instance)
	if login != nil {
		kinds := map[objects.APNAuthentication]modem.Authentication{objects.APNPAP: modem.PAP, objects.APNCHAP: modem.CHAP, objects.APNPAPOrCHAP: modem.CHAP}
		p.Login = &modem.Login{Authentication: kinds[login.Authentication], User: login.User, Password: modem.Secret(login.Secret)}
	}
	old := modem.Bearer{APN: apn}
	if i := slices.IndexFunc(*c.bearers.Load(), func(b modem.Bearer) bool { return b.CID == cid }); i >= 0 {
		old = (*c.bearers.Load())[i]
		if taken, err := c.tries(ctx, cid, p, &old); taken || err != nil {
			return err
		}
	}
	c.before[cid] = c.wishes.profile(cid, old.APN)
	return c.wishes.set(ctx, func() error { return c.modem.SetProfile(ctx, cid, p) }, func(w *wished) { w.setProfile(cid, p) })
}

// takeBack undoes setProfile: another part of the request was refused.
func (c *Cellular) takeBack(ctx context.Context, instance uint16, apn string, t objects.PDNType) error {
	cid := int(instance)
	if c.tried.CompareAndSwap(int64(cid), 0) {
		c.trial.Withdraw()
		return c.untry(ctx)
	}
	return c.goBack(ctx, c.former(cid, apn, t))
}

// tries begins the trial of an APN that is another one, with all that is written with it.
func (c *Cellular) tries(ctx context.Context, cid int, p modem.Profile, old *modem.Bearer) (bool, error) {
	if p.APN == old.APN || !c.trial.Takes(cid) {
		return false, nil
	}
	if err := c.modem.CheckProfile(cid, p); err != nil {
		return false, err
	}
	undo, err := c.wishes.configure(ctx, cid, old, p)
	if err != nil {
		return false, err
	}
	if err := c.trial.Begin(p.APN); err != nil {
		return false, errors.Join(err, undo(ctx))
	}
	c.untry = undo
	c.tried.Store(int64(cid))
	return true, nil
}

func (c *Cellular) changed(instance uint16, apn string, t objects.PDNType) {
	if c.tried.CompareAndSwap(int64(instance), 0) {
		return // the trial connects, and goes back
	}
	select {
	case c.anew <- c.former(int(instance), apn, t):
	default:
		c.log.Warn("a profile was written too often; it holds from the next connection on", slog.Int("context", int(instance)))
	}
}

// former is what to go back to from what setProfile has set.
func (c *Cellular) former(cid int, apn string, t objects.PDNType) renewal {
	r := renewal{cid, profileOf(apn, t), c.before[cid]}
	if r.old.Login = r.before.login(); r.old.Login == nil && c.wishes.profile(cid, apn).login() != nil {
		r.old.Login = noLogin()
	}
	return r
}

func (c *Cellular) goBack(ctx context.Context, r renewal) error {
	return c.wishes.set(ctx, func() error { return c.modem.SetProfile(ctx, r.cid, r.old) }, func(w *wished) { w.enter(r.cid, r.old.APN, r.before) })
}

// answerTime is how long the answer to a write may take to go out over the connection
// that it changes.
const answerTime = 2 * time.Second

// Run makes connections anew whose profile was written, until ctx ends.
func (c *Cellular) Run(ctx context.Context) error {
	for {
		select {
		case r := <-c.anew:
			select {
			case <-time.After(answerTime):
			case <-ctx.Done():
				return nil
			}
			if err := c.renew(ctx, r); err != nil && ctx.Err() == nil {
				c.log.Error("the connection with the new profile failed", slog.Int("context", r.cid), slog.Any("error", err))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// renew connects, and goes back to the former profile if the network refuses the new one.
func (c *Cellular) renew(ctx context.Context, r renewal) error {
	err := c.modem.Reconnect(ctx, r.cid)
	if err == nil {
		c.log.Info("connected with a new profile", slog.Int("context", r.cid))
		return nil
	}
	if back := c.goBack(ctx, r); back != nil {
		return errors.Join(err, back)
	}
	if back := c.modem.Reconnect(ctx, r.cid); back != nil {
		return errors.Join(err, fmt.Errorf("go back to the former APN: %w", back))
	}
	return fmt.Errorf("%w; the former APN is back", err)
}

// gone enters that there is no modem any more: it carries nothing, and nobody knows its card. What was set in it is
// still set.
func (c *Cellular) gone(s *modem.State, now time.Time) {
	bearers := slices.Clone(*c.bearers.Load())
	profiles := make([]objects.APNProfile, 0, len(bearers))
	for i := range bearers {
		b := &bearers[i]
		if b.Active {
			b.Active, b.Since = false, now
		}
		b.Addresses, b.Gateways, b.DNS, b.Traffic = nil, nil, nil, nil
		profiles = append(profiles, apnProfile(b))
	}
	c.bearers.Store(&bearers)
	if err := errors.Join(c.profiles.Publish(profiles), c.power.Inactive(), c.identity.Publish(identityOf(s))); err != nil {
		c.log.Warn("modem not published", slog.Any("error", err))
	}
}

// publish enters what the modem says now.
func (c *Cellular) publish(s *modem.State, now time.Time) {
	if s.Presence == modem.Missing && s.Trouble != nil && c.seen {
		c.gone(s, now)
	}
	if s.Presence != modem.Ready {
		return // one that is asleep or silent may well be connected
	}
	c.seen = true
	power := objects.CellularPower{
		PSM: s.Sleep.PSM.On, Periodic: s.Sleep.PSM.Periodic, Active: s.Sleep.PSM.Active,
		HasPSM: s.Sleep.HasPSM, HasEDRX: s.Sleep.HasEDRX, EDRX: make(map[objects.EDRXMode]uint8),
	}
	for _, e := range s.Sleep.EDRX {
		if mode, ok := edrxModes[e.Mode]; ok && e.On {
			power.EDRX[mode] = e.Cycle
		}
	}
	profiles := make([]objects.APNProfile, 0, len(s.Bearers))
	var active []uint16
	for i := range s.Bearers {
		p := apnProfile(&s.Bearers[i])
		p.Login = apnLogin(c.wishes.profile(s.Bearers[i].CID, s.Bearers[i].APN))
		profiles = append(profiles, p)
		if p.Active {
			active = append(active, p.Instance)
		}
	}
	c.selected.Store(new(s.Selection))
	c.bearers.Store(new(slices.Clone(s.Bearers)))
	err := errors.Join(c.profiles.Publish(profiles), c.power.Publish(power, active), c.selection.Publish(c.selectionNow()), c.identity.Publish(identityOf(s)), c.publishNR(s))
	if err != nil {
		c.log.Warn("modem not published", slog.Any("error", err))
	}
}

// apnLogin puts a login that a server has written into the words of object 11; nil if none has.
func apnLogin(b *wishedBearer) *objects.APNLogin {
	if b == nil || b.Login == nil {
		return nil
	}
	kinds := map[modem.Authentication]objects.APNAuthentication{modem.PAP: objects.APNPAP, modem.CHAP: objects.APNCHAP, modem.AuthenticationNone: objects.APNNone}
	return &objects.APNLogin{Authentication: kinds[b.Login.Authentication], User: b.Login.User, Secret: b.Login.Password}
}

func apnProfile(b *modem.Bearer) objects.APNProfile {
	p := objects.APNProfile{
		Instance: uint16(b.CID), APN: b.APN, Type: pdnTypes[b.Type], Active: b.Active, Since: b.Since, //nolint:gosec // a number of two digits
		Addresses: b.Addresses, Gateways: b.Gateways, DNS: b.DNS,
	}
	if b.Reject != nil {
		p.Reject = new(int64(b.Reject.Code))
	}
	if b.Traffic != nil {
		p.Sent, p.Received = new(int64(b.Traffic.Sent)), new(int64(b.Traffic.Received)) //nolint:gosec // bytes
	}
	return p
}
