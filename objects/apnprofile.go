package objects

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// PDNType is which protocol a profile's connection carries (/11/x/24).
type PDNType int

// The types.
const (
	PDNNonIP  PDNType = 0
	PDNIPv4   PDNType = 1
	PDNIPv6   PDNType = 2
	PDNIPv4v6 PDNType = 3
)

// APNAuthentication is how a profile's user proves who it is (/11/x/4).
type APNAuthentication int

// The kinds of authentication; 2 lets the device choose.
const (
	APNPAP       APNAuthentication = 0
	APNCHAP      APNAuthentication = 1
	APNPAPOrCHAP APNAuthentication = 2
	APNNone      APNAuthentication = 3
)

// APNProfile is one connection of a modem. Its instance is the modem's number of it.
type APNProfile struct {
	Instance       uint16
	APN            string
	Type           PDNType
	Active         bool
	Since          time.Time // when it became what Active says; zero if not known
	Reject         *int64    // cause of the last refusal; nil if there was none
	Sent, Received *int64    // bytes; nil if they are not counted
	Addresses      []netip.Addr
	Gateways       []netip.Addr
	DNS            []netip.Addr
	Login          *APNLogin // as a server has written it; nil if none has
}

// APNLogin is what a server has written of who a profile is for.
type APNLogin struct {
	Authentication APNAuthentication
	User           string
	Secret         string
}

// APNHooks are what writes to object 11 do to the modem.
type APNHooks struct {
	// Set defines a profile; a nil login leaves what the modem has. It holds from the
	// next connection on.
	Set func(ctx context.Context, instance uint16, apn string, t PDNType, login *APNLogin) error
	// TakeBack undoes a Set whose request was refused; apn and t are what was before.
	TakeBack func(ctx context.Context, instance uint16, apn string, t PDNType) error
	// Changed is told after a request that the connection is to be made anew, so that the
	// answer can go out before.
	Changed func(instance uint16)
}

// The resources of object 11 that are served (OMA registry, version 1.1).
const (
	objectAPNProfile = 11

	ridProfileName           = 0
	ridProfileAPN            = 1
	ridProfileEnabled        = 3
	ridProfileAuthentication = 4
	ridProfileUser           = 5
	ridProfileSecret         = 6
	ridProfileEstablished    = 9
	ridProfileResult         = 10
	ridProfileReject         = 11
	ridProfileEnded          = 12
	ridProfileSent           = 13
	ridProfileReceived       = 14
	ridProfileAddress        = 15
	ridProfileGateway        = 18
	ridProfileDNS            = 19
	ridProfileDNS2           = 20
	ridProfileType           = 24
)

// APNConnectionProfile is object 11: the connections of the modem. Servers change APN,
// type and login; which there are is the modem's affair. A secret is never shown.
type APNConnectionProfile struct {
	model.Plain
	tree  *model.Tree
	pub   *model.Publisher
	hooks APNHooks

	publishing sync.Mutex // held by Publish

	mu     sync.Mutex
	logins map[uint16]APNLogin // as they are shown, with what is not; none of a profile of which no server has said
}

// NewAPNConnectionProfile adds object 11, without instances.
func NewAPNConnectionProfile(tree *model.Tree, hooks APNHooks) (*APNConnectionProfile, error) {
	o := &APNConnectionProfile{tree: tree, hooks: hooks, logins: make(map[uint16]APNLogin)}
	var err error
	o.pub, err = tree.AddRegistered(objectAPNProfile, o)
	return o, err
}

// Publish enters all profiles that there are now.
func (o *APNConnectionProfile) Publish(profiles []APNProfile) error {
	o.publishing.Lock()
	defer o.publishing.Unlock()
	var b model.Batch
	there := o.tree.Instances(objectAPNProfile)
	for _, iid := range there {
		if !slices.ContainsFunc(profiles, func(p APNProfile) bool { return p.Instance == iid }) {
			b.Delete(iid)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range profiles {
		p := &profiles[i]
		if !slices.Contains(there, p.Instance) {
			b.Create(p.Instance)
			b.Set(p.Instance, ridProfileName, lwm2m.String("context "+lwm2m.Integer(int64(p.Instance)).String()))
			delete(o.logins, p.Instance)
			o.enterLogin(&b, p)
		} else if login, ok := o.logins[p.Instance]; ok != (p.Login != nil) || ok && !login.same(p.Login) {
			o.enterLogin(&b, p) // another than was written: it was refused, or belongs to the APN that is back
		}
		p.enter(&b)
	}
	return o.pub.Publish(&b)
}

// same reports whether a login is what has become of one that was written: which authentication is chosen by the device where that is left to it.
func (l *APNLogin) same(now *APNLogin) bool {
	chosen := l.Authentication == APNPAPOrCHAP && now.Authentication <= APNPAPOrCHAP
	return l.User == now.User && l.Secret == now.Secret && (chosen || l.Authentication == now.Authentication)
}

// enterLogin shows who a profile is for; o.mu is held. What the modem has is not asked for: a guess, until somebody writes it.
func (o *APNConnectionProfile) enterLogin(b *model.Batch, p *APNProfile) {
	if p.Login == nil {
		b.SetAt(p.Instance, ridProfileAuthentication, lwm2m.Integer(int64(APNNone)), noTime, model.Uncertain)
		if _, ok := o.logins[p.Instance]; ok {
			b.Remove(p.Instance, ridProfileUser)
			delete(o.logins, p.Instance)
		}
		return
	}
	b.Set(p.Instance, ridProfileAuthentication, lwm2m.Integer(int64(p.Login.Authentication)))
	b.Set(p.Instance, ridProfileUser, lwm2m.String(p.Login.User))
	o.logins[p.Instance] = *p.Login
}

func (p *APNProfile) enter(b *model.Batch) {
	iid := p.Instance
	b.Set(iid, ridProfileAPN, lwm2m.String(p.APN))
	b.Set(iid, ridProfileEnabled, lwm2m.Boolean(p.Active))
	b.Set(iid, ridProfileType, lwm2m.Integer(int64(p.Type)))
	all := func(rid uint16, values ...lwm2m.Value) {
		if len(values) == 0 {
			b.Remove(iid, rid)
		} else {
			b.SetAll(iid, rid, values...)
		}
	}
	all(ridProfileAddress, addresses(p.Addresses)...)
	all(ridProfileGateway, addresses(p.Gateways)...)
	all(ridProfileDNS, addresses(p.DNS[:min(len(p.DNS), 1)])...)
	all(ridProfileDNS2, addresses(p.DNS[min(len(p.DNS), 1):])...)
	for rid, n := range map[uint16]*int64{ridProfileSent: p.Sent, ridProfileReceived: p.Received} {
		if n == nil {
			b.Remove(iid, rid)
		} else {
			b.Set(iid, rid, lwm2m.Integer(*n))
		}
	}
	switch {
	case p.Reject != nil:
		all(ridProfileResult, lwm2m.Integer(1))
		all(ridProfileReject, lwm2m.Integer(*p.Reject))
	case p.Active:
		all(ridProfileResult, lwm2m.Integer(0))
		all(ridProfileReject)
	}
	if !p.Since.IsZero() {
		rid := uint16(ridProfileEnded)
		if p.Active {
			rid = ridProfileEstablished
			all(ridProfileEnded)
		}
		all(rid, lwm2m.Time(p.Since))
	}
}

// profileWish is what a request wants of one profile.
type profileWish struct {
	apn    string
	t      PDNType
	login  APNLogin
	logins bool // some of the login was written
}

func (o *APNConnectionProfile) present(iid uint16) profileWish {
	value := func(rid uint16) lwm2m.Value { return o.tree.Value(lwm2m.NewPath(objectAPNProfile, iid, rid)) }
	o.mu.Lock()
	defer o.mu.Unlock()
	return profileWish{
		apn: value(ridProfileAPN).Text(), t: PDNType(value(ridProfileType).Int()),
		login: APNLogin{APNAuthentication(value(ridProfileAuthentication).Int()), value(ridProfileUser).Text(), o.logins[iid].Secret},
	}
}

// Prepare takes APN, type and login of profiles that there are.
func (o *APNConnectionProfile) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	if err := stays(e, "object 11 (APN Connection Profile) has the contexts that the modem has"); err != nil {
		return nil, err
	}
	wishes := make(map[uint16]*profileWish)
	for i := range e.Set {
		n := &e.Set[i]
		iid := n.Path.Instance()
		if wishes[iid] == nil {
			wishes[iid] = new(o.present(iid))
		}
		if err := wishes[iid].enter(n); err != nil {
			return nil, err
		}
	}
	e.Set = slices.DeleteFunc(e.Set, func(n lwm2m.Node) bool { return n.Path.Resource() == ridProfileSecret })
	var tx sequence
	var last []func(context.Context) error
	for _, iid := range slices.Sorted(maps.Keys(wishes)) {
		last = append(last, o.steps(&tx, iid, wishes[iid])...)
	}
	for _, do := range last {
		tx.add(do, nil)
	}
	return &tx, nil
}

func (w *profileWish) enter(n *lwm2m.Node) error {
	switch rid := n.Path.Resource(); rid {
	case ridProfileAPN:
		w.apn = n.Value.Text()
	case ridProfileType:
		if w.t = PDNType(n.Value.Int()); w.t < PDNNonIP || w.t > PDNIPv4v6 {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %d is not from 0 to 3", n.Path, w.t)
		}
	case ridProfileAuthentication:
		w.logins = true
		if w.login.Authentication = APNAuthentication(n.Value.Int()); w.login.Authentication < APNPAP || w.login.Authentication > APNNone {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %d is not from 0 to 3", n.Path, w.login.Authentication)
		}
	case ridProfileUser:
		w.login.User, w.logins = n.Value.Text(), true
	case ridProfileSecret:
		w.login.Secret, w.logins = n.Value.Text(), true
	default:
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be written: it is the modem's and the network's affair", n.Path)
	}
	return nil
}

// steps defines the profile and returns what, as the last thing of a request, has it taken up.
func (o *APNConnectionProfile) steps(tx *sequence, iid uint16, want *profileWish) (last []func(context.Context) error) {
	old := o.present(iid)
	if want.apn == old.apn && want.t == old.t && !want.logins {
		return nil
	}
	var login *APNLogin
	if want.logins {
		login = &want.login
	}
	tx.add(func(ctx context.Context) error { return o.hooks.Set(ctx, iid, want.apn, want.t, login) },
		func(ctx context.Context) error { return o.hooks.TakeBack(ctx, iid, old.apn, old.t) })
	return []func(context.Context) error{func(context.Context) error {
		if want.logins {
			o.mu.Lock()
			o.logins[iid] = want.login
			o.mu.Unlock()
		}
		o.hooks.Changed(iid)
		return nil
	}}
}
