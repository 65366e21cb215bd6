//go:build !small

package main

import (
	"context"
	"log/slog"
	"os/signal"
	"syscall"

	"lwm2m-agent/agent"
)

// demoCommand is left out of builds for little flash (tag small).
func demoCommand() []command {
	return []command{{"demo", "", "a simulated board, a server and a web page, with nothing installed", runDemo}}
}

func runDemo(ctx context.Context, c *call) error {
	opts := agent.DemoOptions{Out: c.stdout, Version: buildVersions().Version, Built: buildTime()}
	c.flags.StringVar(&opts.Web, "web", "127.0.0.1:8080", "`address` of the page")
	c.flags.StringVar(&opts.CoAP, "coap", "127.0.0.1:15683", "`address` of the embedded server, plain")
	c.flags.StringVar(&opts.CoAPS, "coaps", "127.0.0.1:15684", "`address` of the embedded server, DTLS")
	c.flags.StringVar(&opts.Server, "server", "", "register at the server with this `URI` instead, such as coaps://host:5684")
	c.flags.StringVar(&opts.ID, "identity", "", "pre-shared key `identity` at that server")
	c.flags.BoolVar(&opts.Bootstrap, "bootstrap", false, "the server, embedded or not, is a bootstrap server that gives the board its account")
	c.flags.StringVar(&opts.Endpoint, "endpoint", "", "endpoint client `name` of the board")
	key := c.flags.String("key", "", "pre-shared key at that server, in `hex`")
	verbose := c.flags.Bool("v", false, "log what happens")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	var err error
	if opts.Key, err = agent.ParseKey(*key); err != nil {
		return usageError("-key: %v", err)
	}
	if err := opts.Check(); err != nil {
		return usageError("%v", err)
	}
	if *verbose {
		opts.Log = slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, stop := untilHangup(ctx)
	defer stop()
	return agent.Demo(ctx, opts)
}

// untilHangup returns a context that also ends when the terminal is closed, for a command that
// leaves nothing behind; not where that is ignored (nohup).
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}
