package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lwm2m-agent/agent/control"
)

var errNotSent = errors.New("not every server took it")

func runSend(ctx context.Context, c *call) error {
	socket, asJSON := c.socketFlag(), c.jsonFlag()
	to := c.flags.String("to", "", "Short Server `IDs`, separated by commas; all if it is not given")
	if err := c.parse(1, -1); err != nil {
		return err
	}
	var texts []string
	if *to != "" {
		texts = strings.Split(*to, ",")
	}
	servers, err := shortServerIDs(texts)
	if err != nil {
		return err
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		outcomes, err := agent.Send(ctx, c.args, servers...)
		if err != nil {
			return err
		}
		return c.printOutcomes(outcomes, *asJSON)
	})
}

func (c *call) printOutcomes(outcomes []control.SendOutcome, asJSON bool) error {
	var failed error
	for _, o := range outcomes {
		result := "sent"
		if !o.Sent {
			result, failed = "not sent: "+safe(o.Error), errNotSent
		}
		if !asJSON {
			fmt.Fprintf(c.stdout, "server %d: %s\n", o.ShortServerID, result)
		}
	}
	if asJSON {
		return errors.Join(c.printJSON(outcomes), failed)
	}
	return failed
}
