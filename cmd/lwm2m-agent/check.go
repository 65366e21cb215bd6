package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"lwm2m-agent/agent"
	"lwm2m-agent/agent/config"
)

func runCheck(ctx context.Context, c *call) error {
	path := c.flags.String("config", config.Installed(), "main configuration `file`")
	state := c.flags.String("state", "", "state `directory` instead of the default")
	asJSON := c.flags.Bool("json", false, "print JSON")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	rows, err := agent.Check(ctx, *path, cmp.Or(*state, config.StateDirOf(*path)))
	if problems, ok := errors.AsType[config.Problems](err); ok && *asJSON {
		rows = rowsOf(problems)
	} else if err != nil {
		if ok && os.Geteuid() != 0 && strings.Contains(err.Error(), fs.ErrPermission.Error()) {
			fmt.Fprintln(c.stderr, "what only the service and root can read, root can check: run it as root")
		}
		return err
	}
	if *asJSON {
		if err := errors.Join(c.printJSON(append([]agent.CheckRow{}, rows...)), err); err != nil {
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

// rowsOf are the problems of a configuration as rows, for programs.
func rowsOf(problems config.Problems) []agent.CheckRow {
	rows := make([]agent.CheckRow, len(problems))
	for i, p := range problems {
		rows[i] = agent.CheckRow{Part: "configuration", Name: p.Key, Where: p.Place(), Detail: p.Text}
	}
	return rows
}

func printCheck(c *call, rows []agent.CheckRow) {
	fmt.Fprintln(c.stdout, "the configuration is valid")
	if !slices.ContainsFunc(rows, func(r agent.CheckRow) bool { return r.Part == "server" }) {
		fmt.Fprintln(c.stdout, "there is no server in it: add a [[server]] or [bootstrap] section")
	}
	var t table
	for _, r := range rows {
		verdict := "ok"
		if !r.OK {
			verdict = "FAILS"
		}
		t.row(verdict, r.Part, safe(r.Name), r.Where)
	}
	var parts strings.Builder
	t.print(&parts)
	lines := strings.Split(parts.String(), "\n")
	width := 0
	for i := range rows {
		width = max(width, utf8.RuneCountInString(lines[i]))
	}
	for i, r := range rows {
		switch {
		case r.Detail == "":
			fmt.Fprintln(c.stdout, lines[i])
		case width+2+utf8.RuneCountInString(r.Detail) <= columns:
			fmt.Fprintf(c.stdout, "%-*s  %s\n", width, lines[i], r.Detail)
		default:
			fmt.Fprintln(c.stdout, lines[i])
			c.say("    ", r.Detail)
		}
	}
}
