package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"lwm2m-agent/agent"
	"lwm2m-agent/agent/config"
)

func runBundle(ctx context.Context, c *call) error {
	opts := agent.BundleOptions{Version: buildVersions(), Now: c.now}
	c.flags.StringVar(&opts.Config, "config", config.Installed(), "main configuration `file`")
	c.flags.StringVar(&opts.StateDir, "state", "", "state `directory` instead of the default")
	c.flags.StringVar(&opts.Socket, "socket", config.DefaultSocket, "`path` of the agent's control socket")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	opts.StateDir = cmp.Or(opts.StateDir, config.StateDirOf(opts.Config))
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	const promise = "holds status, configuration and log, and no keys; look into it before you hand it on"
	if c.args[0] == "-" {
		if err := agent.Bundle(ctx, c.stdout, opts); err != nil {
			return err
		}
		fmt.Fprintln(c.stderr, "the archive "+promise)
		return nil
	}
	// Not over anything that is there: whoever runs this is root, as a rule.
	f, err := os.OpenFile(c.args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // who runs this says where
	if err != nil {
		return err
	}
	if err := errors.Join(agent.Bundle(ctx, f, opts), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.args[0])) //nolint:gosec // as above
	}
	fmt.Fprintf(c.stdout, "%s %s\n", safe(c.args[0]), promise)
	return nil
}
