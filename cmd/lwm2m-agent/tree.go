package main

import (
	"context"
	"fmt"
	"unicode/utf8"

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

// maxValue is how much of a value tree shows, in characters: a log or a configuration would flood a slow line. read shows all of it.
const maxValue = 60

func shorten(s string) string {
	if n := utf8.RuneCountInString(s); n > maxValue {
		return fmt.Sprintf("%s… (%d characters)", string([]rune(s)[:maxValue/2]), n)
	}
	return s
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
		t.row(p.Path, name, p.Operations, shorten(value(p.Value, typ, p.Unit)), doubt(p.Quality, p.Time, now))
	}
	t.print(c.stdout)
}
