package main

import (
	"context"

	"lwm2m-agent/agent/control"
)

func runRead(ctx context.Context, c *call) error {
	socket, asJSON := c.socketFlag(), c.jsonFlag()
	if err := c.parse(1, -1); err != nil {
		return err
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		values, err := agent.Values(ctx, c.args...)
		if err != nil {
			return err
		}
		if *asJSON {
			return c.printJSON(values)
		}
		var t table
		now := c.now()
		for i := range values {
			v := &values[i]
			t.row(v.Path, v.Name, value(v.Value, v.Type, v.Unit), doubt(v.Quality, v.Time, now))
		}
		t.print(c.stdout)
		return nil
	})
}
