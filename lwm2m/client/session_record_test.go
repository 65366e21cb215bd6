package client

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

// exampleSession is a session with all that a record can have.
func exampleSession() *savedSession {
	return &savedSession{
		id: sessionID{1, 2, 3}, mark: []byte("mark"), boot: []byte("boot"), target: []byte("target"),
		dtls: &dtls.Session{
			ID: []byte{1}, Suite: dtls.PSKWithAES128CCM8, MasterSecret: make([]byte, 48), ClientRandom: make([]byte, 32),
			ServerRandom: make([]byte, 32), RemoteCID: []byte{9}, NextSend: 1, Credentials: []byte{5},
		},
		local: "192.0.2.1:40000", remote: "192.0.2.2:5684", version: lwm2m.Version12, location: "/rd/x",
		told: told{lifetime: time.Hour, binding: "U", queue: true, sms: "491511234567", list: [32]byte{7}},
		observations: []savedObservation{{
			request: []byte("datagram"), format: lwm2m.FormatSenMLCBOR, began: noon, sent: noon.Add(time.Second), confirmed: noon, known: 3,
			tracks: map[lwm2m.Path]track{lwm2m.MustPath("/3303/0/5700"): {last: 1.5, reported: -2}},
		}, {request: []byte("other")}},
	}
}

var sameSession = []cmp.Option{cmp.AllowUnexported(savedSession{}, savedObservation{}, told{}, track{}, limits{}), cmp.Comparer(func(a, b time.Time) bool { return a.UnixMilli() == b.UnixMilli() })}

func TestSessionRecord(t *testing.T) {
	want := exampleSession()
	record, err := want.record()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseSession(record)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, sameSession...); d != "" {
		t.Error(d)
	}
	for n := range record {
		if _, err := parseSession(record[:n]); !errors.Is(err, errSessionRecord) {
			t.Fatalf("%d bytes of %d give %v", n, len(record), err)
		}
	}
	at := 1 + len(want.id) + 1 + len(want.mark)
	before := append([]byte{bootless}, record[1:at]...)
	before = append(before, record[at+1+len(want.boot):]...)
	want.boot = nil
	if got, err := parseSession(before); err != nil || cmp.Diff(want, got, sameSession...) != "" {
		t.Errorf("a record that does not tell the boot is %+v, %v", got, err)
	}
	e := edge{id: want.id, next: 1 << 47, received: 77, point: coap.Point{MessageID: 0xffff, Observe: 0xffffff}, contact: noon, clean: true}
	if got, err := parseEdge(e.record()); err != nil || !got.contact.Equal(noon) || cmp.Diff(e.record(), got.record()) != "" {
		t.Errorf("edge is %+v, %v", got, err)
	}
}

// TestManyObservations shows how many a record has room for, and what is said of more.
func TestManyObservations(t *testing.T) {
	s := exampleSession()
	m := &coap.Message{Code: coap.GET}
	m.SetPath(temperature)
	m.SetObserve(0)
	m.SetAccept(uint16(lwm2m.FormatSenMLCBOR))
	request, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := savedObservation{request: append(request, make([]byte, 8)...), format: lwm2m.FormatSenMLCBOR, began: noon, sent: noon, confirmed: noon}
	for len(s.observations) < 1000 {
		s.observations = append(s.observations, o)
	}
	if _, err := s.record(); err != nil {
		t.Errorf("1,000: %v", err)
	}
	for len(s.observations) < 2000 {
		s.observations = append(s.observations, o)
	}
	if _, err := s.record(); !errors.Is(err, errManyObserved) {
		t.Errorf("2,000: %v", err)
	}
}

// TestSessionPrintsNoSecrets shows that what holds the keys cannot be printed by mistake.
func TestSessionPrintsNoSecrets(t *testing.T) {
	s := exampleSession()
	copy(s.dtls.MasterSecret, "swordfish")
	for _, text := range []string{fmt.Sprintf("%v", *s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", resumption{saved: s})} {
		if strings.Contains(text, "swordfish") || strings.Contains(text, "115 119 111") || strings.Contains(text, "0x73, 0x77") {
			t.Errorf("prints %s", text)
		}
	}
}

// FuzzParseSession looks for records that are read as something else than they say, or
// that make the reader take more than they are long.
func FuzzParseSession(f *testing.F) {
	record, err := exampleSession().record()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record)
	f.Add([]byte{sessionVersion})
	f.Fuzz(func(t *testing.T, record []byte) {
		s, err := parseSession(record)
		if err != nil {
			return
		}
		again, err := s.record()
		if err != nil {
			return // the same in a longer way
		}
		once, err := parseSession(again)
		if err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		twice, err := once.record()
		if err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%x, then %x, %v", again, twice, err)
		}
	})
}

// FuzzParseSmallRecords does the same for those of the Journal.
func FuzzParseSmallRecords(f *testing.F) {
	f.Add((&edge{next: 5, contact: noon}).record())
	f.Add((&order{serial: 3, message: 7, answer: []byte("x")}).record())
	f.Fuzz(func(t *testing.T, record []byte) {
		if e, err := parseEdge(record); err == nil {
			if again, err := parseEdge(e.record()); err != nil || !bytes.Equal(again.record(), e.record()) {
				t.Errorf("edge %+v, then %+v, %v", e, again, err)
			}
		}
		o, err := parseOrder(record)
		if err != nil {
			return
		}
		_ = o.earlier()
		if again, err := parseOrder(o.record()); err != nil || !bytes.Equal(again.record(), o.record()) {
			t.Errorf("order %+v, then %+v, %v", o, again, err)
		}
	})
}
