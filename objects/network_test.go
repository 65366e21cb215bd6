package objects

import (
	"errors"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func TestConnectivityMonitor(t *testing.T) {
	f := newFixture(t)
	m, err := NewConnectivityMonitor(f.tree)
	f.check(err)
	for _, c := range []struct {
		what string
		in   Connectivity
		want map[string]string
	}{
		{
			"cellular",
			Connectivity{
				Bearer: BearerLTEFDD, Available: []Bearer{BearerLTEFDD, BearerEthernet}, Signal: new(int64(-97)), LinkQuality: new(int64(-11)),
				Utilization: new(int64(3)), Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::2")},
				Routers: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
				Cell: &Cell{
					APN: []string{"iot"}, ID: new(int64(268435455)), MNC: new(int64(1)), MCC: new(int64(232)), SINR: new(int64(12)), LAC: new(int64(7)), Coverage: new(int64(2)),
				},
			},
			map[string]string{
				"/4/0/0": "6", "/4/0/1/0": "6", "/4/0/1/1": "41", "/4/0/2": "-97", "/4/0/3": "-11", "/4/0/4/0": "10.0.0.2",
				"/4/0/4/1": "2001:db8::2", "/4/0/5/0": "10.0.0.1", "/4/0/6": "3", "/4/0/7/0": "iot", "/4/0/8": "268435455",
				"/4/0/9": "1", "/4/0/10": "232", "/4/0/11": "12", "/4/0/12": "7", "/4/0/13": "2",
			},
		},
		{
			"ethernet, without a radio",
			Connectivity{
				Bearer: BearerEthernet, Available: []Bearer{BearerEthernet}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.7")},
			},
			map[string]string{"/4/0/0": "41", "/4/0/1/0": "41", "/4/0/2": "0", "/4/0/4/0": "192.0.2.7"},
		},
		{
			"a radio that says nothing",
			Connectivity{Bearer: BearerWLAN, Available: []Bearer{BearerWLAN}},
			map[string]string{"/4/0/0": "21", "/4/0/1/0": "21", "/4/0/2": "0 uncertain"},
		},
	} {
		f.check(m.Publish(c.in))
		if d := cmp.Diff(c.want, f.values("/4/0")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, d)
		}
	}
	f.refused(f.write("/4/0/0", lwm2m.Integer(6)), lwm2m.MethodNotAllowed, "cannot be written")
}

func TestLocation(t *testing.T) {
	f := newFixture(t)
	l, err := NewLocation(f.tree)
	f.check(err)
	if got := f.tree.Instances(6); len(got) != 0 {
		t.Errorf("instances %v before there is a position", got)
	}
	metres, speed, bearing := 151.5, 10.0, 271.0
	f.check(l.Publish(Position{Latitude: 48.2, Longitude: -16.37, Altitude: &metres, Radius: &speed, Speed: &speed, Bearing: &bearing, Time: start}))
	want := map[string]string{
		"/6/0/0": "48.2", "/6/0/1": "-16.37", "/6/0/2": "151.5", "/6/0/3": "10", "/6/0/4": "AQ8AJA==", "/6/0/5": "1767323045", "/6/0/6": "10",
	}
	if d := cmp.Diff(want, f.values("/6")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	f.check(l.Publish(Position{Latitude: 48, Longitude: 16, Time: start, Quality: model.Uncertain}))
	want = map[string]string{"/6/0/0": "48 uncertain", "/6/0/1": "16 uncertain", "/6/0/5": "1767323045 uncertain"}
	if d := cmp.Diff(want, f.values("/6")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	f.check(l.Lost())
	f.has(map[string]string{"/6/0/0": "48 invalid", "/6/0/1": "16 invalid"})
	for _, p := range []Position{{Latitude: 90.1}, {Longitude: -180.1}, {Latitude: math.NaN()}, {Longitude: math.Inf(1)}} {
		if err := l.Publish(p); err == nil {
			t.Errorf("%v, %v was taken", p.Latitude, p.Longitude)
		}
	}
	f.has(map[string]string{"/6/0/0": "48 invalid"})
}

func TestHorizontalVelocity(t *testing.T) {
	for _, c := range []struct {
		what           string
		speed, bearing float64
		want           []byte // type and high bit of the bearing, bearing, km/h
	}{
		{"at rest", 0, 0, []byte{0, 0, 0, 0}},
		{"1 m/s east, rounded to 4 km/h", 1, 90, []byte{0, 90, 0, 4}},
		{"bearing above 255", 1, 359, []byte{1, 103, 0, 4}},
		{"bearing rounds to north", 1, 359.6, []byte{0, 0, 0, 4}},
		{"bearing beyond a turn", 1, 450, []byte{0, 90, 0, 4}},
		{"bearing counted the other way", 1, -90, []byte{1, 14, 0, 4}},
		{"above 255 km/h", 100, 0, []byte{0, 0, 1, 104}},
		{"too fast to say", 1e6, 0, []byte{0, 0, 255, 255}},
	} {
		if d := cmp.Diff(c.want, horizontalVelocity(c.speed, c.bearing)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, d)
		}
	}
}

// counters are Counters that a test sets.
type counters struct {
	is  Traffic
	max int64
}

func (c *counters) Traffic() Traffic  { return c.is }
func (c *counters) MaxMessage() int64 { return c.max }
func (c *counters) ResetMaxMessage()  { c.max = 0 }

func TestStatistics(t *testing.T) {
	f := newFixture(t)
	c := &counters{is: Traffic{TxBytes: 5_000_000, RxBytes: 9_000_000, TxSMS: 3, Messages: 100, MessageBytes: 6000}, max: 900}
	s, err := NewStatistics(f.tree, c, nil)
	f.check(err)
	defer s.Close()
	none := map[string]string{"/7/0/0": "0", "/7/0/1": "0", "/7/0/2": "0", "/7/0/3": "0", "/7/0/4": "0", "/7/0/5": "0", "/7/0/8": "0"}
	if d := cmp.Diff(none, f.values("/7")); d != "" {
		t.Errorf("before Start (-want +got):\n%s", d)
	}
	f.check(f.execute("/7/0/6", ""))
	if d := cmp.Diff(none, f.values("/7")); d != "" {
		t.Errorf("after Start (-want +got):\n%s", d)
	}
	c.is = Traffic{TxBytes: 5_001_499, RxBytes: 9_001_500, TxSMS: 5, RxSMS: 1, Messages: 104, MessageBytes: 6402}
	c.max = 120
	collected := map[string]string{"/7/0/0": "2", "/7/0/1": "1", "/7/0/2": "1", "/7/0/3": "2", "/7/0/4": "120", "/7/0/5": "100", "/7/0/8": "0"}
	if d := cmp.Diff(collected, f.values("/7")); d != "" {
		t.Errorf("while collecting (-want +got):\n%s", d)
	}
	f.check(f.execute("/7/0/7", ""))
	c.is.TxBytes += 1_000_000
	if d := cmp.Diff(collected, f.values("/7")); d != "" {
		t.Errorf("after Stop (-want +got):\n%s", d)
	}
	f.check(f.execute("/7/0/6", ""))
	c.is.TxBytes = 3000 // the interface was made anew
	f.has(map[string]string{"/7/0/2": "3", "/7/0/0": "0"})
}

// TestStatisticsContinue goes on with a collection in another process, whose counters begin at 0.
func TestStatisticsContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c := &counters{is: Traffic{TxBytes: 1_000_000}}
		s, err := NewStatistics(f.tree, c, nil)
		f.check(err)
		f.check(s.Restore([]lwm2m.Node{{Path: lwm2m.MustPath("/7/0/8"), Value: lwm2m.Integer(60)}}))
		if kept := s.Counted(); kept != (Counted{}) {
			t.Errorf("before Start: %+v", kept)
		}
		f.check(f.execute("/7/0/6", ""))
		c.is, c.max = Traffic{TxBytes: 1_005_000, RxSMS: 2, Messages: 3, MessageBytes: 300}, 150
		<-time.After(20 * time.Second)
		kept := s.Counted()
		if want := (Counted{Running: true, Traffic: Traffic{TxBytes: 5000, RxSMS: 2, Messages: 3, MessageBytes: 300}, Max: 150, Left: 40 * time.Second}); kept != want {
			t.Errorf("kept %+v, want %+v", kept, want)
		}
		s.Close()

		f = newFixture(t)
		c = &counters{}
		s, err = NewStatistics(f.tree, c, nil)
		f.check(err)
		defer s.Close()
		s.Continue(kept)
		c.is, c.max = Traffic{TxBytes: 2000, RxSMS: 1, Messages: 1, MessageBytes: 20}, 20
		f.has(map[string]string{"/7/0/1": "3", "/7/0/2": "7", "/7/0/4": "150", "/7/0/5": "80"})
		<-time.After(41 * time.Second)
		synctest.Wait()
		c.is.RxSMS = 9
		f.has(map[string]string{"/7/0/1": "3"})
		if kept := s.Counted(); kept.Running || kept.Traffic.RxSMS != 3 || kept.Left != 0 {
			t.Errorf("after its end: %+v", kept)
		}
		s.Continue(s.Counted())
		f.has(map[string]string{"/7/0/1": "3"})
		f.check(f.execute("/7/0/6", ""))
		f.has(map[string]string{"/7/0/1": "0", "/7/0/2": "0"})
	})
}

func TestCollectionPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c := &counters{}
		var r recorder
		s, err := NewStatistics(f.tree, c, r.save)
		f.check(err)
		defer s.Close()
		f.check(f.write("/7/0/8", lwm2m.Integer(60)))
		if r.last()["/7/0/8"] != "60" {
			t.Errorf("saved %v", r.last())
		}
		f.check(f.execute("/7/0/6", ""))
		<-time.After(59 * time.Second)
		c.is.TxBytes = 1000
		f.check(f.execute("/7/0/6", "")) // from 0 again; the first period's end is no matter
		<-time.After(59 * time.Second)
		c.is.TxBytes = 5000
		f.has(map[string]string{"/7/0/2": "4"})
		<-time.After(2 * time.Second)
		synctest.Wait()
		c.is.TxBytes = 9000
		f.has(map[string]string{"/7/0/2": "4"})

		f.refused(f.write("/7/0/8", lwm2m.Integer(-1)), lwm2m.BadRequest, "negative")
		r.err = errors.New("disk full")
		f.refused(f.write("/7/0/8", lwm2m.Integer(5)), lwm2m.InternalServerError, "disk full")
		f.refused(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/7/0/8")), lwm2m.MethodNotAllowed, "stays as it is")
		f.has(map[string]string{"/7/0/8": "60"})

		r.err = nil
		f.check(s.Restore([]lwm2m.Node{{Path: lwm2m.MustPath("/7/0/8"), Value: lwm2m.Integer(1 << 62)}}))
		f.check(f.execute("/7/0/6", "")) // longer than a timer can be: it does not end
		<-time.After(time.Hour)
		c.is.TxBytes = 10_000
		f.has(map[string]string{"/7/0/2": "1"})
		if err := s.Restore([]lwm2m.Node{{Path: lwm2m.MustPath("/7/0/8"), Value: lwm2m.Integer(-1)}}); err == nil {
			t.Error("a negative period was restored")
		}
	})
}
