package client

import (
	"fmt"
	"math"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/model"
)

func attributes(t *testing.T, queries ...string) *model.Attributes {
	t.Helper()
	var as model.Attributes
	if err := as.Apply(queries); err != nil {
		t.Fatal(err)
	}
	return &as
}

func TestPeriods(t *testing.T) {
	sent := time.Unix(1000, 0)
	for _, c := range []struct {
		queries []string
		quiet   string // when due without news
		news    string // and with
	}{
		{nil, "never", "0s"},
		{[]string{"pmin=10"}, "never", "10s"},
		{[]string{"pmax=60"}, "1m0s", "0s"},
		{[]string{"pmin=10", "pmax=60"}, "1m0s", "10s"},
		{[]string{"pmin=10", "pmax=10"}, "10s", "10s"},
		{[]string{"pmin=10", "pmax=9"}, "never", "10s"}, // pmax is ignored
		{[]string{"pmin=0", "pmax=0"}, "never", "0s"},
	} {
		p := newPeriods(attributes(t, c.queries...), model.Pmin, model.Pmax)
		for _, news := range []bool{false, true} {
			want := c.quiet
			if news {
				want = c.news
			}
			got := "never"
			if at, ok := p.due(sent, news); ok {
				got = at.Sub(sent).String()
			}
			if got != want {
				t.Errorf("%v, news=%v: due after %s, want %s", c.queries, news, got, want)
			}
		}
	}
}

// TestLimits tries each combination of limits with each step among values around them,
// and compares with the words of the specification.
func TestLimits(t *testing.T) {
	const gt, lt, st = 30, 10, 4
	values := []float64{-100, 9, 9.999, 10, 10.001, 14, 20, 26, 30, 30.001, 31, 34, 100}
	for mask := range 8 {
		l := limits{gt: gt, lt: lt, st: st, hasGT: mask&1 != 0, hasLT: mask&2 != 0, hasST: mask&4 != 0}
		for _, from := range values {
			for _, to := range values {
				for _, reported := range values {
					above := func(v float64) bool { return v > gt }
					below := func(v float64) bool { return v < lt }
					want := mask == 0 ||
						l.hasGT && above(from) != above(to) ||
						l.hasLT && below(from) != below(to) ||
						l.hasST && math.Abs(to-reported) >= st
					if got := l.notable(from, to, reported); got != want {
						t.Fatalf("%+v: %v to %v, reported %v: notable=%v", l, from, to, reported, got)
					}
				}
			}
		}
	}
}

// TestLimitsByExample are steps a reader can follow: gt=30, lt=10, st=5.
func TestLimitsByExample(t *testing.T) {
	for _, c := range []struct {
		queries            []string
		from, to, reported float64
		want               bool
	}{
		{[]string{"gt=30"}, 29, 30, 29, false}, // reached, not crossed
		{[]string{"gt=30"}, 30, 30.1, 29, true},
		{[]string{"gt=30"}, 30.1, 30, 30.1, true}, // the other way
		{[]string{"gt=30"}, 31, 40, 31, false},    // stays above
		{[]string{"lt=10"}, 11, 10, 11, false},
		{[]string{"lt=10"}, 10, 9.9, 11, true},
		{[]string{"lt=10"}, 9.9, 10, 9.9, true},
		{[]string{"st=5"}, 20, 24.9, 20, false},
		{[]string{"st=5"}, 24.9, 25, 20, true}, // from the reported value, not from the last
		{[]string{"st=5"}, 16, 15, 20, true},
		{[]string{"gt=30", "lt=10"}, 9, 31, 9, true},
		{[]string{"gt=30", "lt=10"}, 11, 29, 11, false},
		{[]string{"gt=30", "lt=10", "st=5"}, 11, 29, 11, true},
		{[]string{"edge=1"}, 0, 1, 0, true},
		{[]string{"edge=1"}, 1, 0, 1, false},
		{[]string{"edge=0"}, 0, 1, 0, false},
		{[]string{"edge=0"}, 1, 0, 1, true},
		{[]string{"edge=0"}, 1, 1, 1, false},   // only its quality has changed
		{[]string{"pmin=1"}, 20, 20, 20, true}, // no limit: every change
	} {
		l := newLimits(attributes(t, c.queries...))
		if got := l.notable(c.from, c.to, c.reported); got != c.want {
			t.Errorf("%v: %v to %v, reported %v: notable=%v", c.queries, c.from, c.to, c.reported, got)
		}
	}
}

func TestUpdateMargin(t *testing.T) {
	for _, c := range []struct {
		lifetime, want time.Duration
		random         float64
	}{
		{0, 0, 0},
		{time.Second, 500 * time.Millisecond, 0},
		{100 * time.Second, 50 * time.Second, 0},
		{185 * time.Second, 92500 * time.Millisecond, 0},
		{186 * time.Second, 93 * time.Second, 0},
		{24 * time.Hour, 24*time.Hour - 93*time.Second, 0},
		{200 * time.Second, 107*time.Second - 107*time.Second/10, 1},
		{200 * time.Second, 107*time.Second - 107*time.Second/20, 0.5},
	} {
		got, ok := updateAfter(c.lifetime, defaultCoAP, c.random)
		if ok != (c.lifetime > 0) || (got-c.want).Abs() > time.Microsecond {
			t.Errorf("lifetime %v, random %v: Update after %v, %v, want %v", c.lifetime, c.random, got, ok, c.want)
		}
	}
}

func TestRetryDelays(t *testing.T) {
	list := func(r Retry, random float64) string {
		var s string
		for failed := 1; failed <= 9; failed++ {
			d, ok := r.withDefaults().delay(failed, random)
			if !ok {
				return s + "end"
			}
			s += fmt.Sprint(d, " ")
		}
		return s
	}
	for _, c := range []struct {
		retry  Retry
		random float64
		want   string
	}{
		{Retry{}, 0.5, "1s 2s 4s 8s 16s 32s 1m0s 1m0s 1m0s "},
		{Retry{}, 0, "800ms 1.6s 3.2s 6.4s 12.8s 25.6s 48s 48s 48s "},
		{Retry{Jitter: -1}, 0, "1s 2s 4s 8s 16s 32s 1m0s 1m0s 1m0s "},
		{Retry{First: time.Minute, Max: -1, Attempts: 5}, 0.5, "1m0s 2m0s 4m0s 8m0s 24h0m0s 1m0s 2m0s 4m0s 8m0s "},
		{Retry{First: time.Minute, Max: -1, Attempts: 2, SequenceDelay: -1}, 0.5, "1m0s end"},
		{Retry{Attempts: 1, SequenceDelay: time.Hour}, 0.5, "1h0m0s 1h0m0s 1h0m0s 1h0m0s 1h0m0s 1h0m0s 1h0m0s 1h0m0s 1h0m0s "},
	} {
		if got := list(c.retry, c.random); got != c.want {
			t.Errorf("%+v: delays are\n%s, want\n%s", c.retry, got, c.want)
		}
	}
	if d, ok := (Retry{Max: -1}).withDefaults().delay(1<<30, 1); !ok || d <= 0 {
		t.Errorf("after many attempts the delay is %v, %v", d, ok)
	}
}
