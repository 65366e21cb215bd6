package client

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

// What records of sessions begin with.
const (
	sessionVersion = 2
	bootless       = 1 // records of sessions that do not tell the boot
	edgeVersion    = 1
	orderVersion   = 1
)

// maxSessionRecord bounds the record of a session, in bytes: with about 50 of them for an
// observation, some 1,200 of those.
const maxSessionRecord = 60 << 10

var (
	errSessionRecord = errors.New("not a record of a session")
	errManyObserved  = errors.New("there are too many observations")
)

// sessionID ties the records of one session together.
type sessionID [8]byte

// savedSession is what outlives the process of a session that a server knows, but for
// what changes with each message (edge).
type savedSession struct {
	id            sessionID
	mark          []byte        // of the state directory
	boot          []byte        // of the machine, in which the session was saved; nil: unknown
	target        []byte        // digest of whom it is with
	dtls          *dtls.Session // nil: without security; its record numbers are those of the edge
	local, remote string        // addresses: "192.0.2.1:40123"
	version       lwm2m.Version
	location      string
	told          told
	observations  []savedObservation
}

// savedObservation is an observation as far as it outlives the process.
type savedObservation struct {
	request                []byte // the Observe, encoded
	format                 lwm2m.Format
	began, sent, confirmed time.Time
	known                  uint64 // checksum of what the server knows; 0: not certain
	tracks                 map[lwm2m.Path]track
}

// edge is how far the numbers of a session have been used, or may be before it is saved
// again.
type edge struct {
	id       sessionID
	next     uint64 // DTLS records to be sent have this number and above
	received uint64 // DTLS records below this number are not accepted
	point    coap.Point
	contact  time.Time // the registration was made or updated
	clean    bool      // the process ended in order: nothing was sent since
	register bool      // the server has asked for a restart: it gets a Register
}

// Keys of records. Those of edges and requests are in the Journal.
func sessionKey(ssid uint16) string { return fmt.Sprintf("session/%d", ssid) }

func edgeKey(ssid uint16) string { return fmt.Sprintf("edge/%d", ssid) }

func requestKey(ssid uint16, slot uint64) string { return fmt.Sprintf("request/%d/%d", ssid, slot) }

func appendBytes[T string | []byte](b []byte, field T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

func appendFlag(b []byte, flag bool) []byte {
	if flag {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendTime(b []byte, t time.Time) []byte { return binary.AppendVarint(b, t.UnixMilli()) }

// numberMark stands between binding and telephone number, which the first records did not have.
const numberMark = " "

// record returns what the Store keeps: a version, then the fields in the order of the
// structure; byte strings have their length before them, numbers are varints, times are
// in ms since 1970.
func (s *savedSession) record() ([]byte, error) {
	session, err := json.Marshal(s.dtls)
	if err != nil {
		return nil, err
	}
	b := append([]byte{sessionVersion}, s.id[:]...)
	b = appendBytes(appendBytes(appendBytes(appendBytes(b, s.mark), s.boot), s.target), session)
	b = appendBytes(appendBytes(b, s.local), s.remote)
	b = append(b, s.version.Major, s.version.Minor)
	b = appendBytes(b, s.location)
	b = binary.AppendVarint(b, int64(s.told.lifetime/time.Second))
	binding := s.told.binding
	if s.told.sms != "" {
		binding += numberMark + s.told.sms
	}
	b = appendFlag(appendBytes(b, binding), s.told.queue)
	b = append(b, s.told.list[:]...)
	b = binary.AppendUvarint(b, uint64(len(s.observations)))
	for i := range s.observations {
		b = s.observations[i].append(b)
	}
	if len(b) > maxSessionRecord {
		return nil, fmt.Errorf("%w: %d bytes for %d", errManyObserved, len(b), len(s.observations))
	}
	return b, nil
}

func (o *savedObservation) append(b []byte) []byte {
	b = binary.AppendUvarint(appendBytes(b, o.request), uint64(o.format))
	b = appendTime(appendTime(appendTime(b, o.began), o.sent), o.confirmed)
	b = binary.AppendUvarint(b, o.known)
	b = binary.AppendUvarint(b, uint64(len(o.tracks)))
	paths := make([]lwm2m.Path, 0, len(o.tracks))
	for p := range o.tracks {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, lwm2m.Path.Compare)
	for _, p := range paths {
		t := o.tracks[p]
		b = appendBytes(b, p.String())
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(t.last))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(t.reported))
	}
	return b
}

// fixed returns the next n bytes, nil if there are fewer.
func (r *recordReader) fixed(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *recordReader) octet() byte {
	if b := r.fixed(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *recordReader) float() float64 {
	if b := r.fixed(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *recordReader) time() time.Time { return time.UnixMilli(r.signed()) }

func (r *recordReader) sessionID() (id sessionID) {
	copy(id[:], r.fixed(len(id)))
	return id
}

// end returns errSessionRecord unless all has been read and was right.
func (r *recordReader) end() error {
	if r.bad || len(r.rest) > 0 {
		return errSessionRecord
	}
	return nil
}

// versioned begins to read a record of a version.
func versioned(record []byte, version byte) (*recordReader, error) {
	if len(record) == 0 || record[0] != version {
		return nil, errSessionRecord
	}
	return &recordReader{rest: record[1:]}, nil
}

func parseSession(record []byte) (*savedSession, error) {
	if len(record) > maxSessionRecord {
		return nil, errSessionRecord
	}
	r, err := versioned(record, sessionVersion)
	if err != nil {
		if r, err = versioned(record, bootless); err != nil {
			return nil, err
		}
	}
	s := &savedSession{id: r.sessionID(), mark: r.bytes()}
	if record[0] != bootless {
		s.boot = r.bytes()
	}
	s.target = r.bytes()
	session := r.bytes()
	s.local, s.remote = string(r.bytes()), string(r.bytes())
	s.version = lwm2m.Version{Major: r.octet(), Minor: r.octet()}
	s.location = string(r.bytes())
	s.told.lifetime = time.Duration(min(max(r.signed(), 0), maxSeconds)) * time.Second
	s.told.binding, s.told.sms, _ = strings.Cut(string(r.bytes()), numberMark)
	s.told.queue = r.octet() == 1
	copy(s.told.list[:], r.fixed(len(s.told.list)))
	for n := r.number(); n > 0 && !r.bad; n-- {
		s.observations = append(s.observations, r.observation())
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(session, &s.dtls); err != nil {
		return nil, fmt.Errorf("%w: %w", errSessionRecord, err)
	}
	return s, nil
}

func (r *recordReader) observation() savedObservation {
	o := savedObservation{request: r.bytes(), format: lwm2m.Format(r.number())} //nolint:gosec // others are not encoded
	o.began, o.sent, o.confirmed, o.known = r.time(), r.time(), r.time(), r.number()
	for n := r.number(); n > 0 && !r.bad; n-- {
		p, err := lwm2m.ParsePath(string(r.bytes()))
		r.bad = r.bad || err != nil
		if o.tracks == nil {
			o.tracks = make(map[lwm2m.Path]track)
		}
		o.tracks[p] = track{last: r.float(), reported: r.float()}
	}
	return o
}

// record returns what the Journal keeps of an edge.
func (e *edge) record() []byte {
	b := append([]byte{edgeVersion}, e.id[:]...)
	b = binary.AppendUvarint(binary.AppendUvarint(b, e.next), e.received)
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(e.point.MessageID)), uint64(e.point.Observe))
	return appendFlag(appendFlag(appendTime(b, e.contact), e.clean), e.register)
}

func parseEdge(record []byte) (edge, error) {
	r, err := versioned(record, edgeVersion)
	if err != nil {
		return edge{}, err
	}
	e := edge{id: r.sessionID(), next: r.number(), received: r.number()}
	e.point = coap.Point{MessageID: uint16(r.number()), Observe: uint32(r.number() & 0xffffff)} //nolint:gosec // 16 bits were written
	e.contact, e.clean, e.register = r.time(), r.octet() == 1, r.octet() == 1
	return e, r.end()
}
