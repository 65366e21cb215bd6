package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"lwm2m-agent/agent"
	"lwm2m-agent/agent/config"
)

// built is set by the linker: -X main.built=2026-01-02T03:04:05Z.
var built = ""

// buildTime is when this program was built: what the linker said, else when its last
// commit was made; zero if neither is known.
func buildTime() time.Time {
	said := built
	if info, ok := debug.ReadBuildInfo(); ok && said == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				said = s.Value
			}
		}
	}
	t, err := time.Parse(time.RFC3339, said)
	if err != nil {
		return time.Time{}
	}
	return t
}

func runRun(ctx context.Context, c *call) error {
	opts := agent.RunOptions{Log: c.stderr, Version: buildVersions().Version, Built: buildTime()}
	c.flags.StringVar(&opts.Config, "config", config.Installed(), "main configuration `file`")
	c.flags.StringVar(&opts.StateDir, "state", "", "state `directory` instead of the default")
	c.flags.StringVar(&opts.Socket, "socket", "", "`path` of the control socket instead of the default")
	c.flags.BoolVar(&opts.Deregister, "deregister", false, "end the registrations when the agent ends")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	opts.StateDir = cmp.Or(opts.StateDir, config.StateDirOf(opts.Config))
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	opts.Reload = reload
	return agent.Run(ctx, opts)
}
