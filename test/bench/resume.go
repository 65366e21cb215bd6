package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// resume kills the agent and times how long the next one takes until its server, which observes something, has a notification in the same
// session.
func (b *bench) resume() {
	each := make([]time.Duration, b.times(restarts))
	own := make([]effort, len(each))
	b.during(func() {
		p := b.securePeer()
		path := b.configure(10, p)
		agent := b.launch(path)
		o, answer, err := p.await().conn.Observe(b.ctx, get("/3303/0/5700"))
		b.must(err, "observe")
		if o == nil {
			b.Fatalf("observe: %s %s", answer.Code, answer.Payload)
		}
		for i := range each {
			agent.Kill(b)
			for within, cancel := context.WithTimeout(b.ctx, time.Second/10); ; {
				if _, err := o.Next(within); err != nil { // what the one before has sent
					cancel()
					break
				}
			}
			before := time.Now()
			agent = b.launch(path)
			within, cancel := context.WithTimeout(b.ctx, patience)
			_, err := o.Next(within)
			each[i] = time.Since(before)
			own[i] = b.effort(agent.PID())
			cancel()
			b.must(err, "notification after a restart")
		}
		select {
		case <-p.registered:
			b.Fatalf("the agent registered anew")
		default:
		}
	})
	slices.Sort(each)
	slices.SortFunc(own, func(x, y effort) int { return cmp.Compare(x.time, y.time) })
	ours, spent := each[len(each)/2], own[len(own)/2]
	const limit = 5 * time.Millisecond
	b.add(row{
		"process start to the first notification of a session that goes on, DTLS",
		fmt.Sprintf("%s, fastest %s; its threads ran %s, with %d page faults; %s if it is only to say its version; a program of Go that does nothing takes %s",
			micro(ours), micro(each[0]), micro(spent.time), spent.faults, micro(b.startOf(b.agent, "version")), micro(b.startOf(b.empty()))),
		"5 ms", "–", ours <= limit,
	})
}
