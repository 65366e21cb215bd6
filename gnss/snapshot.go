package gnss

import (
	"bytes"
	"math"
	"sort"
	"strings"
	"time"
)

// together is how far apart the instants may be whose sentences make one fix, in seconds.
const together = 2.0

// dated is a sentence that says when it was: fields, and seconds since midnight (UTC).
type dated struct {
	kind   kind
	fields []string
	at     float64
}

// Snapshot makes a fix of the last sentence of each kind that a receiver has said, in any order, as ModemManager
// keeps them. They may be of two instants: what the later one lacks is then that of the one before. The fix is nil
// if the later one has none; heard is false if there is nothing that a receiver says of a position.
func Snapshot(text []byte) (fix *Fix, heard bool) {
	var e epoch
	all, heard := e.untimed(text)
	if len(all) == 0 {
		return nil, heard
	}
	last := all[0].at
	for _, s := range all {
		if apart(s.at, last) > 0 {
			last = s.at
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return apart(last, all[i].at) > apart(last, all[j].at) })
	var moment float64 // from the sentence with a date to the last one
	for _, s := range all {
		back := apart(last, s.at)
		if back > together {
			continue
		}
		if back == 0 && e.clock != field(s.fields, 1) {
			e.clock, e.void = field(s.fields, 1), false // which was of the instant before
		}
		e.take(s.kind, s.fields)
		if s.kind == rmc {
			moment = back
		}
	}
	if fix = e.fix(); fix != nil && !fix.Time.IsZero() {
		fix.Time = fix.Time.Add(time.Duration(moment * float64(time.Second)))
	}
	return fix, true
}

// untimed enters the sentences of a text that do not say when they were, and returns the others. A receiver that
// has no time yet has no position either, but is heard.
func (e *epoch) untimed(text []byte) (others []dated, heard bool) {
	for line := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		body, ok := sentence(line)
		f := strings.Split(body, ",")
		if !ok || len(line) > maxLine || len(f[0]) != 5 || !talkers[f[0][:2]] {
			continue
		}
		k := kinds[f[0][2:]]
		if k&timed == 0 {
			e.take(k, f)
			continue
		}
		heard = true
		if v, ok := decimal(field(f, 1)); ok && v >= 0 && v < 240000 {
			hours, minutes := math.Floor(v/1e4), math.Floor(math.Mod(v, 1e4)/100)
			others = append(others, dated{k, f, hours*3600 + minutes*60 + math.Mod(v, 100)})
		}
	}
	return others, heard
}

// apart is how much later a is than b, in seconds; neither is half a day from the other.
func apart(a, b float64) float64 { return math.Remainder(a-b, 24*3600) }
