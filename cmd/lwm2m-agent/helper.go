package main

import (
	"context"

	"lwm2m-agent/agent"
)

func runHelper(ctx context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	return agent.Helper(ctx, c.stderr)
}
