package main

import (
	"context"

	"lwm2m-agent/agent/control"
)

func runTree(ctx context.Context, c *call) error {
	socket, asJSON := c.socketFlag(), c.jsonFlag()
	if err := c.parse(0, 1); err != nil {
		return err
	}
	path := ""
	if len(c.args) > 0 {
		path = c.args[0]
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		places, err := agent.Tree(ctx, path)
		if err != nil {
			return err
		}
		if *asJSON {
			return c.printJSON(places)
		}
		c.printTree(places)
		return nil
	})
}

func (c *call) printTree(places []control.Place) {
	var t table
	now := c.now()
	typ := ""
	for i := range places {
		p := &places[i]
		if p.Type != "" {
			typ = p.Type // of the resource; its instances follow
		}
		name := p.Name
		if p.Version != "" {
			name += " " + p.Version
		}
		t.row(p.Path, name, p.Operations, value(p.Value, typ, p.Unit), doubt(p.Quality, p.Time, now))
	}
	t.print(c.stdout)
}
