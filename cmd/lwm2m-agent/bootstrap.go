package main

import (
	"context"
	"fmt"
	"time"

	"lwm2m-agent/agent/control"
)

func runBootstrap(ctx context.Context, c *call) error {
	socket := c.socketFlag()
	if err := c.parse(0, 0); err != nil {
		return err
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		return agent.Bootstrap(ctx)
	})
}

// printBootstrap prints how the bootstrap stands.
func (c *call) printBootstrap(b *control.Bootstrap, now time.Time) {
	fmt.Fprintf(c.stdout, "\nbootstrap server, %s\n", dash(b.URI))
	c.say("  ", safe(b.Words))
	c.printTraffic("  ", b.Traffic)
	if !b.Last.IsZero() {
		c.say("  ", "bootstrapped "+c.ago(b.Last, now))
	}
	if !b.Purge.IsZero() {
		c.say("  ", "its account is removed "+c.until(b.Purge, now))
	}
	c.printLastError("  ", b.Words, b.LastError, b.LastErrorTime, b.ErrorCleared, now)
}
