package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"lwm2m-agent/agent"
	"lwm2m-agent/agent/config"
)

func runCheck(ctx context.Context, c *call) error {
	path := c.flags.String("config", config.DefaultFile, "main configuration `file`")
	state := c.flags.String("state", "", "state `directory` instead of the default")
	asJSON := c.flags.Bool("json", false, "print JSON")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	rows, err := agent.Check(ctx, *path, *state)
	if err != nil {
		return err
	}
	if *asJSON {
		if err := json.NewEncoder(c.stdout).Encode(rows); err != nil {
			return err
		}
	} else {
		printCheck(c, rows)
	}
	failed := 0
	for _, r := range rows {
		if !r.OK {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d parts need attention", failed, len(rows))
	}
	return nil
}

func printCheck(c *call, rows []agent.CheckRow) {
	fmt.Fprintln(c.stdout, "the configuration is valid")
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		verdict := "ok"
		if !r.OK {
			verdict = "FAILS"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", verdict, r.Part, r.Name, r.Where, r.Detail)
	}
	_ = w.Flush() // of a terminal that has gone
}
