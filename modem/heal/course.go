package heal

import (
	"slices"
	"time"
)

// Course is what is remembered of a link's healing. The zero Course is a link that is
// well. It is a value: Next returns the next one.
type Course struct {
	State   State
	Servers int   // that are told after an attachment; 0 counts as one
	next    Stage // that comes next, if it is allowed and helps
	round   int   // how often all stages have been gone through
	tried   []Attempt
	silent  time.Time // since when the modem does not answer; zero: it does
}

// Attempt is one that was made in the last 24 hours. The rules bound how many there are.
type Attempt struct {
	Stage Stage
	At    time.Time
}

// Tried returns the attempts that count, the latest last.
func (c *Course) Tried() []Attempt { return slices.Clone(c.tried) }

// Remember sets the attempts that count: others than this Course may have made some, and a restart is no way around the limits of TS.34. Where the
// clock has been set back meanwhile, they count as made now.
func (c *Course) Remember(tried []Attempt, now time.Time) {
	c.tried = nil
	for _, a := range tried {
		if a.Stage < stageCount && now.Sub(a.At) < counted {
			c.tried = append(c.tried, Attempt{a.Stage, earlier(a.At, now)})
		}
	}
	slices.SortStableFunc(c.tried, func(a, b Attempt) int { return a.At.Compare(b.At) })
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// counted is how long attempts count.
const counted = 24 * time.Hour

// Order is what is to be done now.
type Order struct {
	Act   bool
	Stage Stage         // if Act
	After time.Duration // when to come back with Elapsed; zero: not at all
}

// Next says what follows from an event. fault is how the link is gone; stages the modem
// has, such as a power line, are those of which has is true; random is from 0 to below 1
// and spreads the attempts of many devices (TS.34, 4.0_REQ_016).
func (c Course) Next(e Event, fault Fault, has func(Stage) bool, now time.Time, random float64) (Course, Order) {
	c.See(fault, now)
	t, ok := lookUp(c.State, e)
	if !ok {
		return c, Order{}
	}
	c.State = t.to
	c.tried = slices.DeleteFunc(slices.Clone(c.tried), func(a Attempt) bool { return now.Sub(a.At) >= counted })
	var order Order
	for _, do := range t.do {
		switch do {
		case forget: // but not what was tried
			c.next, c.round = 0, 0
		case wait:
			order.After = c.pause(fault, has, random)
		case act:
			order = c.act(fault, has, now, random)
		case actionCount:
		}
	}
	return c, order
}

// See notes how the link is gone, also where nothing follows from that.
func (c *Course) See(fault Fault, now time.Time) {
	if fault != NoAnswer {
		c.silent = time.Time{}
	} else if c.silent.IsZero() {
		c.silent = now
	}
}

// Allow counts an attempt that somebody makes for another reason than a lost link, within the limits of its stage and the budget. If they are used up it
// is not counted, and Allow returns how long it has to wait.
func (c Course) Allow(s Stage, now time.Time) (Course, time.Duration) {
	if free := max(c.affordable(now), c.free(s, now)); free > 0 {
		return c, free
	}
	c.tried = slices.DeleteFunc(slices.Clone(c.tried), func(a Attempt) bool { return now.Sub(a.At) >= counted })
	c.tried = append(c.tried, Attempt{s, now})
	return c, 0
}

// helps returns the stages against a fault that the modem has, from the next on.
func (c *Course) helps(fault Fault, has func(Stage) bool) []Stage {
	var out []Stage
	for i := range stageCount {
		s := (c.next + i) % stageCount
		if rules[s].against&fault != 0 && has(s) {
			out = append(out, s)
		}
	}
	return out
}

// pause is that of the next stage, doubled with each round, and up to half as long again.
func (c *Course) pause(fault Fault, has func(Stage) bool, random float64) time.Duration {
	pause := maxPause
	if stages := c.helps(fault, has); len(stages) > 0 {
		pause = min(rules[stages[0]].pause<<min(c.round, 10), maxPause)
	}
	return spread(pause, random)
}

func spread(d time.Duration, random float64) time.Duration {
	return d + time.Duration(random*float64(d)/2)
}

// act chooses the first stage that helps and is allowed, and rests if none is.
func (c *Course) act(fault Fault, has func(Stage) bool, now time.Time, random float64) Order {
	soonest := 24 * time.Hour
	if free := c.affordable(now); free > 0 {
		c.State = Resting
		return Order{After: spread(free, random)}
	}
	if early := rules[PowerCycle].pause - max(now.Sub(c.silent), 0); fault == NoAnswer && has(PowerCycle) && early > 0 {
		c.State = Waiting // what was waited for was another fault; a module that restarts to update itself must not lose its power meanwhile
		return Order{After: spread(early, random)}
	}
	for _, s := range c.helps(fault, has) {
		free := c.free(s, now)
		if free > 0 {
			soonest = min(soonest, free)
			continue
		}
		c.tried = append(c.tried, Attempt{s, now})
		if c.next = s + 1; c.next == stageCount {
			c.next = 0
		}
		if !slices.ContainsFunc(c.helps(fault, has), func(o Stage) bool { return o > s }) {
			c.next, c.round = 0, c.round+1
		}
		return Order{Act: true, Stage: s, After: rules[s].effect}
	}
	c.State = Resting
	return Order{After: spread(soonest, random)}
}

// Spent returns what attempts of the last 24 hours may have cost.
func (c *Course) Spent(now time.Time) Budget {
	n := 0
	for _, a := range c.tried {
		if now.Sub(a.At) < counted {
			n++
		}
	}
	return Budget{Attachments: n, Bytes: n * c.bytes()}
}

func (c *Course) bytes() int { return max(c.Servers, 1) * AttachmentBytes }

// affordable returns how long nothing is allowed, as the budget is used up.
func (c *Course) affordable(now time.Time) time.Duration {
	most := max(min(PerDay.Attachments, PerDay.Bytes/c.bytes()), 1)
	if c.Spent(now).Attachments < most {
		return 0
	}
	return counted - now.Sub(c.tried[len(c.tried)-most].At)
}

// free returns how long a stage is not allowed yet.
func (c *Course) free(s Stage, now time.Time) time.Duration {
	var free time.Duration
	for _, limit := range []struct {
		within time.Duration
		most   int
	}{{time.Hour, rules[s].hour}, {24 * time.Hour, rules[s].day}} {
		var times []time.Time
		for _, a := range c.tried {
			if a.Stage == s && now.Sub(a.At) < limit.within {
				times = append(times, a.At)
			}
		}
		if len(times) >= limit.most {
			oldest := times[len(times)-limit.most]
			free = max(free, limit.within-now.Sub(oldest))
		}
	}
	return free
}
