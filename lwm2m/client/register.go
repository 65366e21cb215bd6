package client

import (
	"crypto/sha256"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// told is what a server was told of the client (Core, table of Registration
// Parameters).
type told struct {
	lifetime time.Duration
	binding  string
	queue    bool
	sms      string            // number at which the client can be woken
	list     [sha256.Size]byte // digest of the object list
}

// differs reports whether an Update would say something. No number takes back one that was told.
func (t *told) differs(o *told) bool {
	now := *t
	if now.sms == "" {
		now.sms = o.sms
	}
	return now != *o
}

// describe returns what the server should know now, and the object list.
func (a *account) describe() (told, []byte) {
	list := appendObjectList(nil, a.version, a.tree.Entries(lwm2m.Path{}, lwm2m.LevelInstance))
	t := told{lifetime: a.settings.lifetime, binding: a.connection.binding(), queue: a.queueMode(), list: sha256.Sum256(list)}
	if a.settings.wakeable() {
		t.sms = a.params.SMS
	}
	if t.queue && a.version == lwm2m.Version10 {
		t.binding += "Q"
	}
	return t, list
}

// queueMode reports whether the account is in queue mode: by the agent's wish, or by a
// binding of 1.0.
func (a *account) queueMode() bool {
	return a.params.QueueMode || strings.Contains(a.settings.binding, "Q")
}

// registerMessage returns a Register, with a Profile ID if there is one and with the list
// if it is not nil. The order of the parameters never changes.
func registerMessage(endpoint string, v lwm2m.Version, t *told, profile string, list []byte) *coap.Message {
	m := &coap.Message{Code: coap.POST, Payload: list}
	m.SetPath("/rd")
	m.AddQuery("ep=" + endpoint)
	m.AddQuery(lifetimeQuery(v, t.lifetime))
	m.AddQuery("lwm2m=" + v.String())
	m.AddQuery("b=" + t.binding)
	if t.queue && v != lwm2m.Version10 {
		m.AddQuery("Q")
	}
	if t.sms != "" {
		m.AddQuery("sms=" + t.sms)
	}
	if profile != "" {
		m.AddQuery("pid=" + profile)
	}
	if list != nil {
		m.SetContentFormat(uint16(lwm2m.FormatLink))
	}
	return m
}

// updateMessage returns an Update with what differs from what the server knows, and
// the list only if it has changed. From 1.1 on it cannot say that queue mode has begun or ended.
func updateMessage(location string, v lwm2m.Version, known, t *told, list []byte) *coap.Message {
	m := &coap.Message{Code: coap.POST}
	m.SetPath(location)
	if t.lifetime != known.lifetime {
		m.AddQuery(lifetimeQuery(v, t.lifetime))
	}
	if t.binding != known.binding {
		m.AddQuery("b=" + t.binding)
	}
	if t.sms != known.sms && t.sms != "" {
		m.AddQuery("sms=" + t.sms)
	}
	if t.list != known.list {
		m.SetContentFormat(uint16(lwm2m.FormatLink))
		m.Payload = list
	}
	return m
}

// lifetimeQuery returns a lifetime as a parameter. That 0 is without end came with 1.2 (object 1, resource 1): a server of an
// older version would take such a registration for one that is over, and is told 68 years.
func lifetimeQuery(v lwm2m.Version, d time.Duration) string {
	if d == 0 && v.Less(lwm2m.Version12) {
		d = math.MaxInt32 * time.Second
	}
	return "lt=" + strconv.FormatInt(int64(d/time.Second), 10)
}

// outcome turns what came of the request in flight into an event, and the error to be
// shown.
func (a *account) outcome(r *answered) (event, error) {
	switch {
	case errors.Is(r.err, coap.ErrClosed):
		return lost, r.err
	case r.err != nil:
		return silent, r.err
	case r.response.Code.IsSuccess():
		if a.state == Registering && r.response.LocationPath() == "" {
			return rejected, errNoLocation
		}
		return accepted, nil
	}
	err := newCodeError(requestNames[a.state], r.response)
	a.notBefore = a.now().Add(retryAfter(r.response, a.client.config.Rand()))
	if a.state == Registering && !a.listTold && r.response.Code.Class() == 4 && lwm2m.Code(r.response.Code) != lwm2m.PreconditionFailed {
		return listWanted, nil // no trouble yet
	}
	if a.state == Updating && isBusy(r.response.Code) && !a.lapsed() {
		return busy, err
	}
	switch lwm2m.Code(r.response.Code) {
	case lwm2m.PreconditionFailed:
		if a.state != Registering {
			break
		}
		if _, ok := versionBelow(a.version); ok {
			return versionRefused, nil // no trouble yet
		}
		a.choose = true // that it refuses all says nothing of any
	case lwm2m.NotFound, lwm2m.BadRequest, lwm2m.Unauthorized, lwm2m.Forbidden:
		return unknown, err
	}
	return rejected, err
}

// lapsed reports whether the lifetime of the registration is over.
func (a *account) lapsed() bool {
	return a.told.lifetime > 0 && a.now().Sub(a.renewedAt) >= a.told.lifetime
}

const (
	updateName     = "Update"
	deregisterName = "Deregister"
)

var requestNames = map[State]string{
	Registering: "Register", Updating: updateName, Disabling: deregisterName, Deregistering: deregisterName,
}

// versionBelow returns the version of the enabler before v, false if there is none.
func versionBelow(v lwm2m.Version) (lwm2m.Version, bool) {
	switch {
	case lwm2m.Version11.Less(v):
		return lwm2m.Version11, true
	case lwm2m.Version10.Less(v):
		return lwm2m.Version10, true
	}
	return v, false
}
