package main

import (
	"context"
	"fmt"
	"strings"
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
	fmt.Fprintf(c.stdout, "\nbootstrap server %s: %s\n", dash(safe(b.URI)), safe(b.Words))
	c.printTraffic("    bootstrap", b.Traffic)
	if !b.Last.IsZero() {
		fmt.Fprintf(c.stdout, "    bootstrapped %s\n", ago(b.Last, now))
	}
	if !b.Purge.IsZero() {
		fmt.Fprintf(c.stdout, "    its account is removed %s\n", until(b.Purge, now))
	}
	if b.LastError == "" || strings.Contains(b.Words, b.LastError) {
		return
	}
	state := ""
	if b.ErrorCleared {
		state = ", over since"
	}
	fmt.Fprintf(c.stdout, "    last error %s%s: %s\n", ago(b.LastErrorTime, now), state, safe(b.LastError))
}
