package client

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Objects and resources that the client itself reads.
const (
	objectSecurity = 0
	objectServer   = 1
	objectAccess   = 2

	securityURI       = 0
	securityBootstrap = 1
	securityMode      = 2
	securityIdentity  = 3
	securityServerKey = 4
	securitySecretKey = 5
	securityShortID   = 10
	securityHoldOff   = 11
	securityTimeout   = 12
	securitySMS       = 9
	securitySecondary = 25
	securityMatching  = 13
	securitySNI       = 14
	securityUsage     = 15
	securitySuites    = 16

	serverShortID        = 0
	serverLifetime       = 1
	serverPmin           = 2
	serverPmax           = 3
	serverDisableTimeout = 5
	serverStoring        = 6
	serverBinding        = 7

	serverLastBootstrapped = 12
	serverPriority         = 13
	serverInitialDelay     = 14
	serverFailureBlock     = 15
	serverFallback         = 16
	serverRetryCount       = 17
	serverRetryTimer       = 18
	serverSequenceDelay    = 19
	serverSequenceCount    = 20
	serverTrigger          = 21
	serverPreferred        = 22
	serverMuteSend         = 23
	serverVersions         = 25
	serverNotifyMode       = 26
	serverProfileHash      = 27
)

// Defaults of absent resources (Core, appendix E.2, and the table of Registration
// Procedures Default Values).
const (
	defaultLifetime       = 24 * time.Hour
	defaultDisableTimeout = 24 * time.Hour
	defaultRetryCount     = 5
	defaultRetryTimer     = time.Minute
	defaultSequenceDelay  = 24 * time.Hour
	never                 = 1<<32 - 1 // as Sequence Delay Timer, or more: no further sequence
	maxSeconds            = 1 << 32   // longer periods are cut to this
)

// settings is what objects 0 and 1 say about one server account.
type settings struct {
	security, instance uint16 // instances of objects 0 and 1
	server             Server
	lifetime           time.Duration   // zero: infinite
	binding            string          // as written: "U", "UQ"
	preferred          string          // letter of the Preferred Transport, "": none
	secondary          []string        // URIs of the same server, in order
	versions           []lwm2m.Version // that the server speaks; none: it does not say
	pmin, pmax         time.Duration   // zero: none
	disableTimeout     time.Duration
	initialDelay       time.Duration
	bootstrapped       int64  // when the bootstrap server wrote the account (/1/x/12); 0: it has not
	priority           int64  // in the order of registrations; negative: in none
	block              bool   // while it fails, the servers behind it wait
	attempts           int    // after which the registration counts as failed
	fallback           bool   // a bootstrap may follow then
	retry              *Retry // nil: none of its resources is there
	storing            bool
	confirm            bool   // Default Notification Mode is CON
	profileHash        int64  // of Profile IDs; 0: none are wanted
	sms                string // the server's telephone number; "": none
	trigger            bool   // it may wake the client by SMS
}

// sameTarget reports whether a connection made for s serves o as well.
func (s *settings) sameTarget(o *settings) bool {
	return s.server.URI == o.server.URI && s.server.equal(&o.server.Credentials)
}

// attributes returns the account's own, which hold where no other does.
func (s *settings) attributes() *model.Attributes {
	var as model.Attributes
	if s.pmin > 0 {
		as.Set(model.Pmin, s.pmin.Seconds())
	}
	if s.pmax > 0 {
		as.Set(model.Pmax, s.pmax.Seconds())
	}
	if s.confirm {
		as.Set(model.Con, 1)
	}
	return &as
}

// readAccounts pairs the instances of objects 0 and 1 that have the same Short
// Server ID (Core, section 6.1.1.2), in order of it. A second pair with the same ID
// is left out, as are bootstrap servers.
func readAccounts(t *model.Tree) []*settings {
	securities := make(map[uint16]instance)
	for _, iid := range t.Instances(objectSecurity) {
		r := readInstance(t, objectSecurity, iid)
		ssid := r.shortID(securityShortID)
		if _, dup := securities[ssid]; !dup && ssid != 0 && !r.values[securityBootstrap].Bool() {
			securities[ssid] = r
		}
	}
	var accounts []*settings
	for _, iid := range t.Instances(objectServer) {
		r := readInstance(t, objectServer, iid)
		ssid := r.shortID(serverShortID)
		if security, ok := securities[ssid]; ok {
			accounts = append(accounts, newSettings(ssid, security, r))
			delete(securities, ssid)
		}
	}
	slices.SortFunc(accounts, func(a, b *settings) int {
		return cmp.Compare(a.server.ShortServerID, b.server.ShortServerID)
	})
	return accounts
}

// instance holds the resources of an object instance: single ones, and the lists of those
// that have several instances, in order.
type instance struct {
	id     uint16
	values map[uint16]lwm2m.Value
	lists  map[uint16][]lwm2m.Value
}

func readInstance(t *model.Tree, oid, iid uint16) instance {
	nodes, err := t.Read(model.FromAgent(), lwm2m.NewPath(oid, iid), nil)
	if err != nil {
		nodes = nil // it has gone meanwhile
	}
	return newInstance(iid, nodes)
}

func newInstance(iid uint16, nodes []lwm2m.Node) instance {
	in := instance{id: iid, values: make(map[uint16]lwm2m.Value), lists: make(map[uint16][]lwm2m.Value)}
	for _, n := range nodes {
		switch n.Path.Level() {
		case lwm2m.LevelResource:
			in.values[n.Path.Resource()] = n.Value
		case lwm2m.LevelResourceInstance:
			rid := n.Path.Resource()
			in.lists[rid] = append(in.lists[rid], n.Value)
		case lwm2m.LevelRoot, lwm2m.LevelObject, lwm2m.LevelInstance: // have no value
		}
	}
	return in
}

// shortID returns a Short Server ID, 0 if it is missing or none.
func (in instance) shortID(rid uint16) uint16 {
	if id := in.integer(rid); id >= 1 && id < lwm2m.MaxID {
		return uint16(id)
	}
	return 0
}

// integer returns an Integer or Unsigned Integer, 0 if it is missing, the largest if it is
// larger.
func (in instance) integer(rid uint16) int64 {
	if v := in.values[rid]; v.Type() == lwm2m.TypeUnsigned && v.Uint() > math.MaxInt64 {
		return math.MaxInt64
	}
	v, err := in.values[rid].Convert(lwm2m.TypeInteger)
	if err != nil {
		return 0
	}
	return v.Int()
}

func (in instance) has(rid uint16) bool { return !in.values[rid].IsZero() }

// seconds returns a period, or otherwise if it is missing.
func (in instance) seconds(rid uint16, otherwise time.Duration) time.Duration {
	if !in.has(rid) {
		return otherwise
	}
	return time.Duration(min(max(in.integer(rid), 0), maxSeconds)) * time.Second
}

func newSettings(ssid uint16, security, server instance) *settings {
	return &settings{
		security: security.id,
		instance: server.id,
		server: Server{
			ShortServerID: ssid,
			URI:           strings.TrimSpace(security.values[securityURI].Text()),
			Credentials:   security.credentials(),
		},
		lifetime:       server.seconds(serverLifetime, defaultLifetime),
		binding:        server.values[serverBinding].Text(),
		preferred:      server.values[serverPreferred].Text(),
		secondary:      security.texts(securitySecondary),
		versions:       server.versions(),
		pmin:           server.seconds(serverPmin, 0),
		pmax:           server.seconds(serverPmax, 0),
		disableTimeout: server.seconds(serverDisableTimeout, defaultDisableTimeout),
		initialDelay:   server.seconds(serverInitialDelay, 0),
		bootstrapped:   server.integer(serverLastBootstrapped),
		priority:       server.priority(),
		block:          server.values[serverFailureBlock].Bool(),
		attempts:       server.attempts(),
		fallback:       !server.has(serverFallback) || server.values[serverFallback].Bool(),
		retry:          server.retry(),
		storing:        !server.has(serverStoring) || server.values[serverStoring].Bool(),
		confirm:        server.integer(serverNotifyMode) == 1,
		profileHash:    server.integer(serverProfileHash),
		sms:            strings.TrimSpace(security.values[securitySMS].Text()),
		trigger:        server.values[serverTrigger].Bool(),
	}
}

// texts returns the values of a resource of several instances, without those that say nothing.
func (in instance) texts(rid uint16) (list []string) {
	for _, v := range in.lists[rid] {
		if text := strings.TrimSpace(v.Text()); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// versions returns the Supported Server Versions, such as "1.1" or "1.1.1": what the third number
// counts are corrections, which nobody offers.
func (in instance) versions() (list []lwm2m.Version) {
	for _, text := range in.texts(serverVersions) {
		numbers := strings.Split(text, ".")
		v, err := lwm2m.ParseVersion(strings.Join(numbers[:min(len(numbers), 2)], "."))
		if err == nil && len(numbers) <= 3 {
			list = append(list, v)
		}
	}
	return list
}

// newest returns the newest version up to a limit that the server speaks, the limit if it does
// not say or names none that we speak.
func (s *settings) newest(limit lwm2m.Version) lwm2m.Version {
	var newest lwm2m.Version
	for _, v := range s.versions {
		if newest.Less(v) && !v.Less(lwm2m.Version10) && !limit.Less(v) {
			newest = v
		}
	}
	if newest.IsZero() {
		return limit
	}
	return newest
}

// priority returns the Registration Priority Order, -1 if there is none.
func (in instance) priority() int64 {
	if !in.has(serverPriority) {
		return -1
	}
	return max(in.integer(serverPriority), 0)
}

// attempts returns how many make all sequences of the Communication Retry Count.
func (in instance) attempts() int {
	count, sequences := int64(defaultRetryCount), int64(1)
	if in.has(serverRetryCount) {
		count = in.integer(serverRetryCount)
	}
	if in.has(serverSequenceCount) {
		sequences = in.integer(serverSequenceCount)
	}
	if in.integer(serverSequenceDelay) >= never {
		sequences = 1 // none follows it
	}
	const most = 1 << 16
	return int(min(min(max(count, 1), most)*min(max(sequences, 1), most), math.MaxInt32)) // of 32 bits, where int has
}

// retry returns the policy of resources 17 to 20, nil if there is none of them. The
// Sequence Count does not end the attempts: what would follow the last sequence is a
// bootstrap.
func (in instance) retry() *Retry {
	if !in.has(serverRetryCount) && !in.has(serverRetryTimer) && !in.has(serverSequenceDelay) && !in.has(serverSequenceCount) {
		return nil
	}
	p := &Retry{
		First:         in.seconds(serverRetryTimer, defaultRetryTimer),
		Max:           -1,
		Attempts:      defaultRetryCount,
		SequenceDelay: in.seconds(serverSequenceDelay, defaultSequenceDelay),
	}
	if in.has(serverRetryCount) {
		p.Attempts = int(min(max(in.integer(serverRetryCount), 1), maxSeconds/2-1))
	}
	if in.integer(serverSequenceDelay) >= never {
		p.SequenceDelay = -1
	}
	return p
}
