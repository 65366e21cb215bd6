package main

import (
	"context"

	"lwm2m-agent/agent/control"
)

func runDeregister(ctx context.Context, c *call) error {
	socket := c.socketFlag()
	if err := c.parse(0, 0); err != nil {
		return err
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error { return agent.Deregister(ctx) })
}
