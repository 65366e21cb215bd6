package main

import (
	"context"

	"lwm2m-agent/agent/control"
)

func runWrite(ctx context.Context, c *call) error {
	socket := c.socketFlag()
	if err := c.parse(2, 2); err != nil {
		return err
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		return agent.Write(ctx, map[string]any{c.args[0]: c.args[1]})
	})
}

func runExecute(ctx context.Context, c *call) error {
	socket := c.socketFlag()
	if err := c.parse(1, 2); err != nil {
		return err
	}
	args := ""
	if len(c.args) > 1 {
		args = c.args[1]
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		return agent.Execute(ctx, c.args[0], args)
	})
}
