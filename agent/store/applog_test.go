package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// openLog opens the append log of a disk that is well.
func openLog(t *testing.T, d disk) (*appendLog, map[string][]byte, []Damage) {
	t.Helper()
	var (
		l       appendLog
		damages []Damage
	)
	small, failure, err := l.open(d, &damages)
	if err != nil || failure != nil {
		t.Fatal(err, failure)
	}
	return &l, small, damages
}

// history writes one record after the other, beginning with what a disk holds, most of them
// not forced, and returns what there may be after the step that failed, or after the last one:
// what was last forced and each state from there on.
func history(d disk, steps int) (possible []map[string][]byte) {
	var (
		l       appendLog
		damages []Damage
	)
	small, failure, err := l.open(d, &damages)
	if err != nil || failure != nil {
		return []map[string][]byte{{}}
	}
	possible = append(possible, small)
	for i := range steps {
		change := map[string][]byte{fmt.Sprintf("key%d", i%5): fmt.Appendf(nil, "value %d", i)}
		if i%7 == 6 {
			change = map[string][]byte{fmt.Sprintf("key%d", i%3): nil}
		}
		next := maps.Clone(small)
		for key, value := range change {
			if next[key] = value; value == nil {
				delete(next, key)
			}
		}
		if i%10 == 9 { // as if it had grown
			l.size = compactFrom + 4*l.live + 1
		}
		possible = append(possible, next)
		if err := l.write(change, whole(next), i%4 == 3); err != nil {
			return possible
		}
		if small = next; l.unforced == 0 {
			possible = []map[string][]byte{small}
		}
	}
	return possible
}

// TestPowerCutAtEachStep: whatever step the power fails at, and whatever becomes
// of bytes that were not synced, the log has then what was last forced, or a later state up
// to the write that was cut; and it is no damage.
func TestPowerCutAtEachStep(t *testing.T) {
	const writes = 40
	ended := false
	for steps := 0; !ended; steps++ {
		for fate, survive := range fates {
			d := newMortal(steps)
			possible := history(d, writes)
			ended = !d.dead
			restarted := d.after(survive)
			l, small, damages := openLog(t, restarted)
			if len(damages) > 0 {
				t.Fatalf("cut at step %d, %s: damage: %v", steps, fate, damages)
			}
			if !slices.ContainsFunc(possible, func(s map[string][]byte) bool { return sameSmall(s, small) }) {
				t.Fatalf("cut at step %d, %s: there is %q, want one of %q", steps, fate, small, possible)
			}
			// And it goes on from there.
			next := maps.Clone(small)
			next["more"] = []byte("1")
			if err := l.write(map[string][]byte{"more": []byte("1")}, whole(next), true); err != nil {
				t.Fatalf("cut at step %d, %s: %v", steps, fate, err)
			}
			if _, small, _ := openLog(t, restarted); !sameSmall(small, next) {
				t.Fatalf("cut at step %d, %s, written on: there is %q, want %q", steps, fate, small, next)
			}
		}
	}
}

func sameSmall(a, b map[string][]byte) bool { return cmp.Equal(a, b) }

// TestCutAtEachByte: every prefix of a log is a log, of the writes that are whole
// in it.
func TestCutAtEachByte(t *testing.T) {
	const records = 12
	content := []byte(smallMagic)
	want := append(make([]map[string][]byte, 0, 1+records), map[string][]byte{})
	ends := append(make([]int, 0, 1+records), len(content))
	for i := range records {
		key, value := fmt.Sprintf("key%d", i%4), fmt.Appendf(nil, "%0*d", i*3, i)
		if i%5 == 4 {
			value = nil
		}
		content = appendSmall(content, key, value)
		next := maps.Clone(want[i])
		if next[key] = value; value == nil {
			delete(next, key)
		}
		want, ends = append(want, next), append(ends, len(content))
	}
	for cut := range len(content) + 1 {
		whole, found := slices.BinarySearch(ends, cut)
		if !found {
			whole--
		}
		r := replaySmall(content[:cut])
		if r.err != nil {
			t.Fatalf("cut at byte %d: %v", cut, r.err)
		}
		if d := cmp.Diff(want[max(whole, 0)], r.small); d != "" {
			t.Fatalf("cut at byte %d: %s", cut, d)
		}
		if r.whole() != found {
			t.Errorf("cut at byte %d: whole is %v", cut, r.whole())
		}
	}
}

// TestDamagedByte: whichever byte is wrong, all other records are found, and if
// any record follows, it is called damage.
func TestDamagedByte(t *testing.T) {
	content := []byte(smallMagic)
	var ends [5]int
	for i := range ends {
		content = appendSmall(content, fmt.Sprintf("key%d", i), fmt.Appendf(nil, "value %d", i))
		ends[i] = len(content)
	}
	for at := range content {
		broken := slices.Clone(content)
		broken[at] ^= 0x41
		r := replaySmall(broken)
		lost := -1
		if at >= len(smallMagic) {
			lost, _ = slices.BinarySearch(ends[:], at+1)
		}
		want := make(map[string][]byte)
		for i := range 5 {
			if i != lost {
				want[fmt.Sprintf("key%d", i)] = fmt.Appendf(nil, "value %d", i)
			}
		}
		if d := cmp.Diff(want, r.small); d != "" {
			t.Fatalf("byte %d: %s", at, d)
		}
		if wantDamage := lost != 4; (r.err != nil) != wantDamage {
			t.Errorf("byte %d: %v", at, r.err)
		}
	}
}

// TestDamagedLogIsMovedAside: it is kept, what can be read goes on, and the next
// start finds nothing to complain about.
func TestDamagedLogIsMovedAside(t *testing.T) {
	d := newMortal(1 << 30)
	history(d, 8)
	d.files[smallFile].written[len(smallMagic)+2] ^= 0xff
	damaged := slices.Clone(d.files[smallFile].written)
	_, small, damages := openLog(t, d)
	if len(damages) != 1 || damages[0].File != smallFile || damages[0].Aside != "small.log.corrupt-1" || damages[0].Kept != len(small) || damages[0].Err == nil {
		t.Fatalf("%+v", damages)
	}
	if got := d.files["small.log.corrupt-1"].written; !slices.Equal(got, damaged) {
		t.Error("what lies aside is not the damaged file")
	}
	_, again, damages := openLog(t, d)
	if len(damages) > 0 || !sameSmall(small, again) {
		t.Errorf("the next start: %v, %q, want %q", damages, again, small)
	}
}

// TestPowerCutInRescue: a cut while a damaged log is moved aside loses nothing of
// what could be read.
func TestPowerCutInRescue(t *testing.T) {
	for steps := 0; ; steps++ {
		d := newMortal(1 << 30)
		history(d, 8)
		d.files[smallFile].written[len(smallMagic)+2] ^= 0xff
		d.files[smallFile].synced = d.files[smallFile].written
		want := replaySmall(d.files[smallFile].written).small
		d.steps = steps
		var (
			l       appendLog
			damages []Damage
		)
		small, failure, err := l.open(d, &damages)
		if !sameSmall(small, want) {
			t.Fatalf("cut at step %d: there is %q in memory, want %q (%v)", steps, small, want, err)
		}
		dead := d.dead
		if (failure != nil) != dead {
			t.Fatalf("cut at step %d: failure is %v", steps, failure)
		}
		restarted := d.after(fates["lost"])
		if _, small, _ := openLog(t, restarted); !sameSmall(small, want) {
			t.Fatalf("cut at step %d, restarted: there is %q, want %q", steps, small, want)
		}
		if names, _ := restarted.list(smallFile + ".corrupt"); len(names) == 0 {
			t.Fatalf("cut at step %d: the damaged file is gone", steps)
		}
		if !dead {
			return
		}
	}
}

// TestLogIsCompacted: writing the same records for ever does not grow the file.
func TestLogIsCompacted(t *testing.T) {
	d := newMortal(1 << 30)
	l, small, _ := openLog(t, d)
	longest := 0
	for i := range 3000 {
		small = map[string][]byte{"a": fmt.Appendf(nil, "%0100d", i), "b": []byte("steady")}
		if err := l.write(map[string][]byte{"a": small["a"]}, whole(small), true); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, len(d.files[smallFile].written))
	}
	if longest > compactFrom || longest < compactFrom/2 {
		t.Errorf("the file was up to %d bytes long", longest)
	}
	if _, again, _ := openLog(t, d); !sameSmall(small, again) {
		t.Errorf("there is %q, want %q", again, small)
	}
}

// TestDayOfCounting: what a day writes of a dozen counters that never stand still,
// and of two dozen channels with other extremes each hour, with all that
// compacting writes: at most 200 kB.
func TestDayOfCounting(t *testing.T) {
	l, small, _ := openLog(t, newMortal(1<<30))
	written := 0
	for flush := range 24 * 12 { // each five minutes
		change := make(map[string][]byte)
		for i := range 12 {
			change[fmt.Sprintf("counter/count/water meter %d", i)] = binary.LittleEndian.AppendUint64(nil, uint64(flush))
		}
		for i := range 24 {
			if flush%12 == i%12 {
				change[fmt.Sprintf("extremes/3303/cold room %d/5700", i)] = fmt.Appendf(nil, "%016dCel", flush)
			}
		}
		before := l.size
		maps.Copy(small, change)
		if err := l.write(change, whole(small), true); err != nil {
			t.Fatal(err)
		}
		if written += l.size - before; l.size < before {
			written += before // the file was made anew
		}
	}
	t.Logf("%d bytes", written)
	if written > 200e3 {
		t.Errorf("a day writes %d bytes", written)
	}
}

// TestLogRecovers: after a failed write the next one puts everything right.
func TestLogRecovers(t *testing.T) {
	d := newMortal(1 << 30)
	l, _, _ := openLog(t, d)
	if err := l.write(map[string][]byte{"a": {1}}, whole(map[string][]byte{"a": {1}}), true); err != nil {
		t.Fatal(err)
	}
	d.steps = 0
	if err := l.write(map[string][]byte{"b": {2}}, whole(map[string][]byte{"a": {1}, "b": {2}}), true); !errors.Is(err, errCut) {
		t.Fatalf("the error is %v", err)
	}
	d.dead, d.steps = false, 1<<30
	if err := l.write(map[string][]byte{"c": {3}}, whole(map[string][]byte{"a": {1}, "c": {3}}), true); err != nil {
		t.Fatal(err)
	}
	if _, small, damages := openLog(t, d); len(damages) > 0 || !sameSmall(small, map[string][]byte{"a": {1}, "c": {3}}) {
		t.Errorf("%q, %v", small, damages)
	}
}

func FuzzReplaySmall(f *testing.F) {
	good := encodeSmall(map[string][]byte{"counter/a": {1, 0, 0, 0, 0, 0, 0, 0}, "b": {}, "c": []byte(strings.Repeat("x", maxSmallValue))})
	f.Add(good)
	f.Add(appendSmall(good, "b", nil))
	f.Add(good[:len(good)-1])
	f.Add(good[1:])
	f.Add([]byte(smallMagic + "\x01\x00\x00\x00\x00\x00\x00a"))
	f.Add(append(slices.Clone(good), make([]byte, 100)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := replaySmall(b)
		again := replaySmall(encodeSmall(r.small))
		if !again.whole() || !sameSmall(r.small, again.small) {
			t.Errorf("%q became %q", r.small, again.small)
		}
		for key, value := range r.small {
			if key == "" || value == nil || len(value) > maxSmallValue {
				t.Errorf("record %q of %d bytes", key, len(value))
			}
		}
	})
}

// whole gives appendLog.write the records after a change.
func whole(small map[string][]byte) func() map[string][]byte {
	return func() map[string][]byte { return small }
}
