package agent

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/trace"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/objects"
)

// statusFeed tells local users when an account's state changes.
type statusFeed struct {
	mu   sync.Mutex
	subs map[*backendSubscription]struct{}
}

func (f *statusFeed) add(s *backendSubscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subs == nil {
		f.subs = make(map[*backendSubscription]struct{})
	}
	f.subs[s] = struct{}{}
}

func (f *statusFeed) remove(s *backendSubscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.subs, s)
}

func (f *statusFeed) send(server control.Server) {
	f.each(func(s *backendSubscription) { s.server(server) })
}

func (f *statusFeed) each(tell func(*backendSubscription)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		tell(s)
	}
}

// accountChanged is client.Config.OnStatus.
func (a *Agent) accountChanged(s client.AccountStatus) {
	a.status.send(serverStatus(s))
	a.keepStatistics()
	a.lookSilent()
	if a.firmware != nil {
		a.firmware.heard(s)
	}
	nudge(a.rehoming.news)
	if a.configuration != nil {
		a.configuration.heard()
	}
	if s.State == client.Stopped { // the account is over, and with it what was wrong with it
		s = client.AccountStatus{ShortServerID: s.ShortServerID}
	}
	on, cause := ssid(s.ShortServerID), s.Cause
	if s.ErrorCleared {
		cause = client.NoCause
	}
	if s.Renewal != "" && s.ErrorCleared {
		cause, s.LastError = client.Mistrusted, "the new credentials fail, the former ones are still in use: "+s.Renewal
	}
	for c, code := range serverTroubles {
		if c == cause {
			a.health.Set(code, on, withRemedy(s.LastError, s.Remedy))
		} else {
			a.health.Clear(code, on)
		}
	}
	if s.Gone >= manyGone {
		a.health.Set(health.RegistrationLost, on, "")
	} else {
		a.health.Clear(health.RegistrationLost, on)
	}
}

// manyGone is how many registrations in a row must be lost before that is a trouble: a server may be started anew.
const manyGone = 3

// withRemedy is an error with what can be done about just that one.
func withRemedy(err, remedy string) string {
	if remedy == "" {
		return err
	}
	return err + "; " + remedy
}

// serverTroubles are the troubles with a server, by cause.
var serverTroubles = map[client.Cause]health.Code{
	client.Unreachable: health.ServerUnreachable,
	client.Refused:     health.ServerRefuses,
	client.Mistrusted:  health.ServerIdentity,
}

// alert is client.Config.OnAlert.
func (a *Agent) alert(id uint16, alert dtls.Alert) {
	if err := a.objects.server.SetAlert(id, uint8(alert)); err != nil {
		a.log.Debug("alert not recorded", slog.Int("server", int(id)), slog.Any("error", err))
	}
}

// trace is client.Config.Trace.
func (a *Agent) trace(over *client.Link, d coap.Direction, datagram []byte) {
	a.counters.Note(len(datagram))
	a.tap.Note((*trace.Link)(over), d, datagram, a.opts.Now)
	if a.opts.Trace != nil {
		a.opts.Trace(d, datagram)
	}
}

// messages counts the LwM2M messages of all accounts, both ways.
func (a *Agent) messages() (count, bytes uint64) {
	for _, s := range a.client.Status() {
		count += s.SentMessages + s.ReceivedMessages
		bytes += s.SentBytes + s.ReceivedBytes
	}
	return count, bytes
}

// accountSection returns what the configuration says of an account; server is nil where it has no [[server]] for it. One that
// the bootstrap server gave is reached as that is, and sleeps as its section says.
func accountSection(cfg *config.Config, id uint16) (account config.Account, server *config.Server) {
	for i := range cfg.Servers {
		if s := &cfg.Servers[i]; s.ShortServerID == id {
			return s.Account, s
		}
	}
	if cfg.Bootstrap != nil {
		account = cfg.Bootstrap.Account
	}
	return account, nil
}

// params are an account's settings that objects 0 and 1 do not have; 0 is the bootstrap
// server's.
func (a *Agent) params(id uint16) client.Params {
	p := client.Params{CIDLength: cidLength}
	var wanted config.Bearer
	var still bool
	cfg := a.config.Load()
	account, server := accountSection(cfg, id)
	p.Interface, p.QueueMode = account.Interface, account.QueueMode
	if server != nil {
		p.Version, wanted = server.Version, server.Bearer
		p.Awake, p.Gather, still = server.Awake, server.Gather, !server.KeepAlive
	} else if id == 0 {
		p.Version = account.Version
	}
	p.SMS = a.modems.Number()
	inUse := objects.Bearer(a.tree.Value(lwm2m.MustPath("/4/0/0")).Int())
	carrier, through := a.through(&p, account.Modem)
	if through {
		wanted = cmp.Or(wanted, radioBearers[carrier.Network.Technology], config.BearerLTE)
		sleepsWith(&p, &carrier)
	} else if carrier, carried := a.modems.Carrier(slices.Contains(cellularBearers, wanted)); carried {
		wanted = byModem(wanted, &carrier)
		sleepsWith(&p, &carrier)
	}
	byBearer(&p, wanted, inUse, a.objects.coap)
	if account.Modem != "" {
		suits(&p, &carrier)
	}
	p.KeepAlive = p.KeepAlive && !still
	if a.opts.Params != nil {
		a.opts.Params(&p)
	}
	return p
}

// cidLength is the length of the Connection ID that servers put on their
// records. The client has one server behind each socket and needs none to tell
// them apart: an empty one still lets the server give one (RFC 9146).
const cidLength = 0

func serverStatus(s client.AccountStatus) control.Server {
	return control.Server{
		ShortServerID: s.ShortServerID, URI: s.URI, State: s.State.String(), Words: s.Words, Since: s.Since, Registered: s.Registered,
		NextUpdate: s.NextUpdate, NextAttempt: s.NextAttempt, Lifetime: int64(s.Lifetime.Seconds()), Version: version(s),
		QueueMode: s.QueueMode, Location: s.Location, Continued: s.Continued, Transport: s.Transport, Local: s.Local, CID: s.CID,
		SentBytes: s.SentBytes, ReceivedBytes: s.ReceivedBytes, SentMessages: s.SentMessages, ReceivedMessages: s.ReceivedMessages,
		Retransmissions: s.Retransmissions, Traffic: traffic(&s.Traffic, &s.Day), Observations: s.Observations, Queued: s.Queued, Dropped: s.Dropped,
		Renewal:   s.Renewal,
		LastError: s.LastError, Remedy: s.Remedy, LastErrorTime: s.LastErrorTime, ErrorCleared: s.ErrorCleared,
	}
}

// traffic lists the purposes that there has been traffic for.
func traffic(total, day *client.Flows) []control.Traffic {
	out := []control.Traffic{}
	for p := range client.PurposeCount {
		if total[p] != (client.Flow{}) {
			out = append(out, control.Traffic{Purpose: p.String(), Day: control.Flow(day[p]), Total: control.Flow(total[p])})
		}
	}
	return out
}

func version(s client.AccountStatus) string {
	if s.Version.IsZero() {
		return ""
	}
	return s.Version.String()
}

// deviceErrors are the codes of /3/0/11 for what is wrong now.
func (a *Agent) deviceErrors() []int {
	var codes []int
	for _, e := range a.health.DeviceErrors() {
		if e != health.DeviceOK {
			codes = append(codes, int(e))
		}
	}
	return codes
}

// troubles are what object 26244 shows. Who reads it does not have the text of each code at hand, so a trouble without a detail has that.
func (a *Agent) troubles() []objects.Trouble {
	list := a.health.Troubles()
	shown := make([]objects.Trouble, len(list))
	for i := range list {
		t := &list[i]
		shown[i] = objects.Trouble{
			Code: string(t.Code), Subject: t.On, Detail: cmp.Or(t.Detail, t.Text), Remedy: t.Remedy, Severity: t.Severity.String(), Since: t.Since,
		}
	}
	return shown
}

// showErrors keeps /3/0/11 and object 26244 in step with health and logs troubles.
func (a *Agent) showErrors(ctx context.Context) error {
	defer a.troubled.Close()
	lines := newTroubleLog(a.log)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := a.objects.device.SetErrors(a.deviceErrors()...); err != nil {
			return err
		}
		if err := a.objects.health.Publish(a.troubles()); err != nil {
			return err
		}
		timer.Stop()
		if wait := lines.wait(time.Now()); wait >= 0 {
			timer.Reset(wait)
		}
		select {
		case <-a.troubled.Wake():
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		now := time.Now()
		lines.sumUp(ctx, now)
		for _, c := range a.troubled.Take() {
			lines.note(ctx, c, now)
		}
	}
}
