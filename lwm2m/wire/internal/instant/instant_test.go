package instant_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/wire/internal/instant"
)

func TestMillis(t *testing.T) {
	t.Parallel()
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, test := range []struct {
		name string
		time time.Time
		text string // "" if it cannot be told
	}{
		{"none", time.Time{}, ""},
		{"before 1970", time.Unix(-5, 0), ""},
		{"the last relative one", time.Unix(instant.FirstAbsolute-1, 999_000_000), ""},
		{"the first absolute one", time.Unix(instant.FirstAbsolute, 0), "268435456"},
		{"milliseconds", time.UnixMilli(1_700_000_000_123), "1700000000.123"},
		{"hundredths", time.UnixMilli(1_700_000_000_120), "1700000000.12"},
		{"tenths", time.UnixMilli(1_700_000_000_100), "1700000000.1"},
		{"a small fraction", time.UnixMilli(1_700_000_000_001), "1700000000.001"},
		{"less than is told", time.Unix(1_700_000_000, 999_999), "1700000000"},
		{"the last one", last, "253402300799"},
		{"beyond", last.Add(time.Millisecond), ""},
		{"far beyond", last.AddDate(100, 0, 0), ""},
		{"beyond 64 bits of milliseconds", time.Unix(1<<62, 0), ""},
	} {
		ms := instant.Millis(test.time)
		if test.text == "" {
			if ms != 0 {
				t.Errorf("%s: %d ms", test.name, ms)
			}
			continue
		}
		if got := string(instant.AppendSeconds(nil, ms)); got != test.text {
			t.Errorf("%s: %s, want %s", test.name, got, test.text)
		}
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		seconds float64
		want    time.Time
		ok      bool
	}{
		{0, time.Time{}, true},
		{1_700_000_000.123, time.UnixMilli(1_700_000_000_123), true},
		{-5, time.Unix(-5, 0), true},
		{-1 << 33, time.Unix(-1<<33, 0), true},
		{253_402_300_799, time.Unix(253_402_300_799, 0), true},
		{253_402_300_799.5, time.Time{}, false},
		{-1<<33 - 1, time.Time{}, false},
		{math.NaN(), time.Time{}, false},
		{math.Inf(1), time.Time{}, false},
		{math.Inf(-1), time.Time{}, false},
	} {
		us, err := instant.Micros(test.seconds)
		var got time.Time
		if err == nil {
			got, err = instant.At(us)
		}
		if (err == nil) != test.ok || !got.Equal(test.want) || err != nil && !errors.Is(err, instant.ErrRange) {
			t.Errorf("%v s: %v, %v, want %v", test.seconds, got, err, test.want)
		}
	}
	// A base time and a time that are in range each may not be so together.
	for _, us := range []int64{2 * 253_402_300_799 * 1_000_000, -2 << 33 * 1_000_000} {
		if got, err := instant.At(us); err == nil {
			t.Errorf("%d µs: %v", us, got)
		}
	}
}
