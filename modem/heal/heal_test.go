package heal

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the picture into docs/modems.md")

func all(Stage) bool { return true }

// TestPicture prints the tables and a day into the documentation.
func TestPicture(t *testing.T) {
	const page, begin, end = "../../docs/modems.md", "<!-- heal -->\n", "<!-- end -->\n"
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(old), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the picture", page)
	}
	want := head + begin + picture() + end + tail
	if *update && want != string(old) {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if want != string(old) {
		t.Errorf("%s is not up to date: go generate ./modem/heal", page)
	}
}

func picture() string {
	var b strings.Builder
	b.WriteString("\n| state | event | next | then |\n|---|---|---|---|\n")
	for _, t := range transitions {
		var do []string
		for _, a := range t.do {
			do = append(do, actionNames[a])
		}
		fmt.Fprintf(&b, "| %v | %v | %v | %s |\n", t.from, t.on, t.to, strings.Join(do, ", "))
	}
	b.WriteString("\n| stage | against | pause before | time to help | in an hour | in 24 hours |\n|---|---|---|---|---|---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| %s | %s | %v | %v | %d | %d |\n", r.name, faults(r.against), r.pause, r.effect, r.hour, r.day)
	}
	b.WriteString("\nA day, of each fault that nothing helps against:\n\n| stage |")
	kinds := []Fault{NoCell, NoBearer, NoAnswer}
	for _, f := range kinds {
		fmt.Fprintf(&b, " %s |", faults(f))
	}
	b.WriteString("\n|---|---|---|---|\n")
	for s := range stageCount {
		fmt.Fprintf(&b, "| %v |", s)
		for _, f := range kinds {
			fmt.Fprintf(&b, " %d |", day(f, 0.5)[s])
		}
		b.WriteString("\n")
	}
	total := func(name string, of func(done [stageCount]int) int, most int) {
		fmt.Fprintf(&b, "| %s, of %d |", name, most)
		for _, f := range kinds {
			fmt.Fprintf(&b, " %d |", of(day(f, 0.5)))
		}
		b.WriteString("\n")
	}
	total("**attachments**", attachments, PerDay.Attachments)
	total("**bytes**", func(done [stageCount]int) int { return attachments(done) * AttachmentBytes }, PerDay.Bytes)
	mixed().print(&b)
	return b.String()
}

func attachments(done [stageCount]int) int {
	n := 0
	for _, d := range done {
		n += d
	}
	return n
}

// hours is a day of faults, by the hour.
type hours struct {
	faults [24]Fault
	done   [stageCount][24]int
	spent  Budget
}

// mixed has faults come and go for a day, each for some hours.
func mixed() *hours {
	r := rand.New(rand.NewPCG(20, 6))
	h := &hours{}
	begin := time.Unix(0, 0)
	now, end := begin, begin.Add(24*time.Hour)
	var c Course
	for now.Before(end) {
		fault := []Fault{NoCell, NoBearer, NoAnswer, NoBearer}[r.IntN(4)]
		until := now.Add(time.Hour + time.Duration(r.Int64N(int64(4*time.Hour))))
		c2, order := c.Next(Lost, fault, all, now, r.Float64())
		for c = c2; now.Before(until) && now.Before(end); {
			h.faults[int(now.Sub(begin).Hours())] |= fault
			if now = now.Add(order.After); now.Before(until) && now.Before(end) {
				if c, order = c.Next(Elapsed, fault, all, now, r.Float64()); order.Act {
					h.done[order.Stage][int(now.Sub(begin).Hours())]++
				}
			}
		}
		now = until
		c, _ = c.Next(Back, 0, all, now, r.Float64())
		now = now.Add(time.Duration(r.Int64N(int64(2 * time.Hour))))
	}
	h.spent = c.Spent(end)
	return h
}

// print draws the day, a column for each hour.
func (h *hours) print(b *strings.Builder) {
	b.WriteString("\nA day of faults that come and go, a column for each hour (c no cell, b no bearer, a no answer):\n\n")
	line := func(name string, of func(hour int) string) {
		fmt.Fprintf(b, "    %-22s ", name)
		for hour := range 24 {
			b.WriteString(of(hour))
		}
		b.WriteString("\n")
	}
	line("fault", func(hour int) string {
		for i, letter := range "cba" {
			if h.faults[hour]&(1<<i) != 0 {
				return string(letter)
			}
		}
		return "."
	})
	for s := range stageCount {
		line(s.String(), func(hour int) string {
			if n := h.done[s][hour]; n > 0 {
				return fmt.Sprint(n)
			}
			return "."
		})
	}
	resets := 0
	for hour := range 24 {
		resets += h.done[Reset][hour] + h.done[PowerCycle][hour]
	}
	fmt.Fprintf(b, "\n    %d resets of %d, %d attachments of %d, %d bytes of %d\n\n", resets, rules[Reset].day+rules[PowerCycle].day,
		h.spent.Attachments, PerDay.Attachments, h.spent.Bytes, PerDay.Bytes)
}

// TestDayOfFaults holds the day that is drawn, and harder ones, within the budget.
func TestDayOfFaults(t *testing.T) {
	if h := mixed(); h.spent.Attachments < 5 || h.spent.Attachments > PerDay.Attachments || h.spent.Bytes > PerDay.Bytes {
		t.Errorf("spent %+v", h.spent)
	}
	for servers := range 6 {
		most := max(min(PerDay.Attachments, PerDay.Bytes/AttachmentBytes/max(servers, 1)), 1)
		r := rand.New(rand.NewPCG(5, uint64(servers)))
		now := time.Unix(0, 0)
		c := Course{Servers: servers}
		var acts []time.Time
		for range 3000 {
			fault := Fault(1 << r.IntN(3))
			var order Order
			c, order = c.Next(Lost, fault, all, now, r.Float64())
			for range 3 {
				now = now.Add(order.After)
				if c, order = c.Next(Elapsed, fault, all, now, r.Float64()); order.Act {
					acts = append(acts, now)
				}
			}
			c, _ = c.Next(Back, 0, all, now, 0)
		}
		for i := range acts {
			if j := i - most; j >= 0 && acts[i].Sub(acts[j]) < 24*time.Hour {
				t.Fatalf("%d servers: %d attachments in a day", servers, most+1)
			}
		}
		if len(acts) < 100 {
			t.Errorf("%d servers: %d attempts", servers, len(acts))
		}
	}
}

func faults(f Fault) string {
	var out []string
	for i, n := range []string{"no cell", "no bearer", "no answer"} {
		if f&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, ", ")
}

// day runs a fault for 24 hours, and counts what was done.
func day(f Fault, random float64) (done [stageCount]int) {
	now := time.Unix(0, 0)
	end := now.Add(24 * time.Hour)
	c, order := Course{}.Next(Lost, f, all, now, random)
	for now = now.Add(order.After); now.Before(end); now = now.Add(order.After) {
		if c, order = c.Next(Elapsed, f, all, now, random); order.Act {
			done[order.Stage]++
		}
	}
	return done
}

// TestBudgets has links come and go at random for weeks, with restarts of the agent: no hour and no day sees more
// than the rules allow, and there is always an end to waiting.
func TestBudgets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		now := time.Unix(0, 0)
		var c Course
		var order Order
		var done [stageCount][]time.Time
		fault := NoBearer
		var since time.Time // it is that
		for range 2000 {
			e := Event(r.IntN(int(eventCount)))
			if r.IntN(3) > 0 {
				e = Elapsed
			}
			old := fault
			if e == Lost || e == Another {
				fault = Fault(1 << r.IntN(3))
			}
			wait := order.After
			if e != Elapsed {
				wait = time.Duration(r.Int64N(int64(time.Minute)))
			}
			now = now.Add(wait)
			if fault != old {
				since = now
			}
			if r.IntN(40) == 0 {
				var next Course
				next.Remember(c.Tried(), now)
				c = next
			}
			if c, order = c.Next(e, fault, all, now, r.Float64()); order.Act {
				done[order.Stage] = append(done[order.Stage], now)
				if rules[order.Stage].against&fault == 0 || fault == NoCell && order.Stage >= Reset {
					t.Fatalf("%v against %s", order.Stage, faults(fault))
				}
				if silence := now.Sub(since); fault == NoAnswer && silence < rules[PowerCycle].pause {
					t.Fatalf("the power is switched after %v of silence", silence)
				}
			}
			if (c.State == Waiting || c.State == Acting || c.State == Resting) && e == Elapsed && order.After <= 0 {
				t.Fatalf("%v without end", c.State)
			}
		}
		for s, times := range done {
			within(t, Stage(s), times)
		}
	}
}

// TestRemember shows what counts of an earlier life: not what is older than a day or unknown, and, where the clock is behind, as if it were of now.
func TestRemember(t *testing.T) {
	now := time.Unix(1_000_000_000, 0)
	var c Course
	c.Remember([]Attempt{{Reset, now.Add(time.Hour)}, {stageCount, now}, {Register, now.Add(-25 * time.Hour)}, {Register, now.Add(-time.Hour)}}, now)
	want := []Attempt{{Register, now.Add(-time.Hour)}, {Reset, now}}
	if got := c.Tried(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if free := c.free(Reset, now); free != time.Hour {
		t.Errorf("the next reset in %v", free)
	}
	for s := range stageCount {
		if got, ok := StageOf(s.String()); !ok || got != s {
			t.Errorf("%v is not found by its name", s)
		}
	}
	if _, ok := StageOf("reboot the operator"); ok {
		t.Error("a stage that there is not")
	}
}

// TestRandomDelays has each pause, and each rest, be its own time and up to half as long again, and differ from device to device.
func TestRandomDelays(t *testing.T) {
	now := time.Unix(0, 0)
	course := func(fault Fault, random float64) (pauses []time.Duration) {
		at := now
		c, order := Course{}.Next(Lost, fault, all, at, random)
		for at.Sub(now) < 48*time.Hour {
			if c.State != Acting { // whose time to help is fixed
				pauses = append(pauses, order.After)
			}
			at = at.Add(order.After)
			c, order = c.Next(Elapsed, fault, all, at, random)
		}
		return pauses
	}
	for fault, first := range map[Fault]time.Duration{NoCell: 2 * time.Minute, NoBearer: 30 * time.Second, NoAnswer: 30 * time.Minute} {
		seen := make(map[time.Duration]bool)
		for i := range 20 {
			random := float64(i) / 20
			pauses := course(fault, random)
			if got := pauses[0]; got < first || got >= first*3/2 {
				t.Errorf("%s: the first pause is %v, want %v and less than half as long again", faults(fault), got, first)
			}
			seen[pauses[0]] = true
			for _, p := range pauses {
				if p <= 0 || p > 24*time.Hour*3/2 {
					t.Errorf("%s: a pause of %v", faults(fault), p)
				}
			}
		}
		if len(seen) < 20 {
			t.Errorf("%s: 20 devices have %d first pauses", faults(fault), len(seen))
		}
	}
	var used Course
	for range rules[Reset].hour {
		used.tried = append(used.tried, Attempt{Reset, now})
	}
	only := func(s Stage) bool { return s == Reset }
	for _, random := range []float64{0, 0.5, 0.99} {
		c, _ := used.Next(Lost, NoBearer, only, now, random)
		if c, order := c.Next(Elapsed, NoBearer, only, now, random); c.State != Resting || order.After < time.Hour || order.After >= 90*time.Minute {
			t.Errorf("%v for %v, want a rest of an hour and less than half as long again", c.State, order.After)
		}
	}
}

func within(t *testing.T, s Stage, times []time.Time) {
	t.Helper()
	for i := range times {
		if j := i - rules[s].hour; j >= 0 && times[i].Sub(times[j]) < time.Hour {
			t.Fatalf("%v: %d in an hour", s, rules[s].hour+1)
		}
		if j := i - rules[s].day; j >= 0 && times[i].Sub(times[j]) < 24*time.Hour {
			t.Fatalf("%v: %d in a day", s, rules[s].day+1)
		}
	}
}

func TestCourse(t *testing.T) {
	now := time.Unix(0, 0)
	c, o := Course{}.Next(Lost, NoBearer, all, now, 0)
	if c.State != Waiting || o != (Order{After: 30 * time.Second}) {
		t.Fatalf("lost: %v, %+v", c.State, o)
	}
	for _, want := range []Stage{Reconnect, FlightMode, Reset, PowerCycle, Reconnect} {
		if c, o = c.Next(Elapsed, NoBearer, all, now, 0); !o.Act || o.Stage != want {
			t.Fatalf("%v, %+v; want %v", c.State, o, want)
		}
		now = now.Add(time.Hour)
		c, _ = c.Next(Elapsed, NoBearer, all, now, 0)
	}
	if c, o = c.Next(Refused, NoBearer, all, now, 0); c.State != Barred || o != (Order{}) {
		t.Errorf("refused: %v, %+v", c.State, o)
	}
	if c, o = c.Next(Elapsed, NoBearer, all, now, 0); c.State != Barred || o.Act {
		t.Errorf("barred: %v, %+v", c.State, o)
	}
	if c, o = c.Next(Changed, NoBearer, all, now, 0); c.State != Waiting || o.After != 30*time.Second {
		t.Errorf("changed: %v, %+v", c.State, o)
	}
	if c, _ = c.Next(Back, 0, all, now, 0); c.State != Well {
		t.Errorf("back: %v", c.State)
	}
	none := func(Stage) bool { return false }
	c, o = c.Next(Lost, NoAnswer, none, now, 0)
	if c, o2 := c.Next(Elapsed, NoAnswer, none, now, 0); c.State != Resting || o2.Act || o.After != maxPause {
		t.Errorf("a modem without anything to do: %v, %+v, %+v", c.State, o, o2)
	}
}
