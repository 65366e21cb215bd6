package main

import (
	"context"
	"errors"
	"fmt"

	"lwm2m-agent/agent/control"
)

func runObserve(ctx context.Context, c *call) error {
	socket, asJSON := c.socketFlag(), c.jsonFlag()
	if err := c.parse(1, -1); err != nil {
		return err
	}
	err := control.NewClient(*socket).Events(ctx, c.args, func(e control.Event) error {
		if *asJSON {
			return c.printJSON(e)
		}
		c.printEvent(&e)
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return nil // asked to end
	}
	return err
}

// printEvent prints a line for what concerns the observed paths.
func (c *call) printEvent(e *control.Event) {
	switch e.Event {
	case control.EventValue:
		line := fmt.Sprintf("%s  %s  %s  %s", e.Time.In(c.zone).Format("15:04:05.000"), e.Path, e.Name, value(e.Value, e.Type, e.Unit))
		if e.Quality != "good" {
			line += "  " + e.Quality
		}
		fmt.Fprintln(c.stdout, line)
	case control.EventTree:
		if e.Change == "missing" {
			fmt.Fprintf(c.stderr, "there is nothing at %s yet; its values follow when they are there\n", e.Path)
			return
		}
		fmt.Fprintf(c.stdout, "%s  %s  %s\n", c.now().In(c.zone).Format("15:04:05.000"), e.Path, e.Change)
	case control.EventLost:
		fmt.Fprintln(c.stderr, "some changes were missed; all values follow")
	}
}
