package main

import (
	"context"
	"encoding/json"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
)

// askTime bounds a question to a running agent. An Execute may take a minute.
const askTime = 70 * time.Second

// socketFlag adds the flag that names the control socket.
func (c *call) socketFlag() *string {
	return c.flags.String("socket", config.DefaultSocket, "`path` of the agent's control socket")
}

// jsonFlag adds the flag that every listing has.
func (c *call) jsonFlag() *bool { return c.flags.Bool("json", false, "print JSON") }

// ask asks a running agent.
func ask(ctx context.Context, socket string, question func(context.Context, *control.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return question(ctx, control.NewClient(socket))
}

// printJSON prints an answer as the control interface gives it.
func (c *call) printJSON(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
