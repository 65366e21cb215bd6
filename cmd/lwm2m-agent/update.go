package main

import (
	"context"
	"strconv"

	"lwm2m-agent/agent/control"
)

func runUpdate(ctx context.Context, c *call) error {
	socket := c.socketFlag()
	if err := c.parse(0, -1); err != nil {
		return err
	}
	servers := make([]uint16, len(c.args))
	for i, text := range c.args {
		id, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return usageError("%q is no Short Server ID", text)
		}
		servers[i] = uint16(id)
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		return agent.Update(ctx, servers...)
	})
}
