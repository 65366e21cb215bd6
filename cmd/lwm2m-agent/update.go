package main

import (
	"context"
	"strconv"

	"lwm2m-agent/agent/control"
)

func shortServerIDs(texts []string) ([]uint16, error) {
	servers := make([]uint16, len(texts))
	for i, text := range texts {
		id, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, usageError("%q is no Short Server ID", text)
		}
		servers[i] = uint16(id)
	}
	return servers, nil
}

func runUpdate(ctx context.Context, c *call) error {
	socket := c.socketFlag()
	if err := c.parse(0, -1); err != nil {
		return err
	}
	servers, err := shortServerIDs(c.args)
	if err != nil {
		return err
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		return agent.Update(ctx, servers...)
	})
}
