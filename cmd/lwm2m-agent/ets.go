//go:build !small

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/agent"
	"lwm2m-agent/agent/ets"
	"lwm2m-agent/lwm2m"
)

// etsCommand is left out of builds for little flash (tag small).
func etsCommand() []command {
	return []command{{"ets", "[ID...]", "run OMA's conformance procedures, in sandboxes of their own", runETS}}
}

func runETS(ctx context.Context, c *call) error {
	ids, version := []int(nil), lwm2m.Version12
	c.flags.Func("id", "run only the procedures with these `numbers`: 101,102; they may be arguments too", func(text string) error {
		more, err := parseIDs(text)
		ids = append(ids, more...)
		return err
	})
	c.flags.Func("version", "register with this `version` of LwM2M, 1.0, 1.1 or 1.2 (default 1.2)", func(text string) (err error) {
		version, err = parseVersion(text)
		return err
	})
	asJSON := c.flags.Bool("json", false, "print JSON")
	page := c.flags.String("html", "", "write the results to this `file` as a page too")
	verbose := c.flags.Bool("v", false, "log what the agents under test do")
	if err := c.parse(0, -1); err != nil {
		return err
	}
	for _, arg := range c.args {
		more, err := parseIDs(arg)
		if err != nil {
			return usageError("%v", err)
		}
		ids = append(ids, more...)
	}
	procedures, unknown := ets.Select(ets.ProceduresOf(version), ids) //nolint:contextcheck // lists what RunAll runs with it
	if len(unknown) > 0 {
		return usageError("the list for LwM2M %s has no procedure %d", version, unknown[0])
	}
	var log *slog.Logger
	if *verbose {
		log = slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, stop := untilHangup(ctx)
	defer stop()
	began := time.Now()
	results := agent.ETSLab(log).RunAll(ctx, procedures, version)
	if ctx.Err() != nil {
		return errors.New("interrupted: what had not ended has no result")
	}
	if err := c.printETS(results, version, *asJSON, time.Since(began)); err != nil {
		return err
	}
	if *page != "" {
		if err := writePage(*page, version, results); err != nil {
			return err
		}
	}
	if failed := ets.Count(results).Failed; failed > 0 {
		return fmt.Errorf("%d of %d procedures failed", failed, len(results))
	}
	return nil
}

// parseIDs reads numbers such as "101,102", with or without "int-" before them.
func parseIDs(text string) ([]int, error) {
	var ids []int
	for field := range strings.SplitSeq(text, ",") {
		id, err := strconv.Atoi(strings.TrimPrefix(field, "int-"))
		if err != nil {
			return nil, fmt.Errorf("%q is no number of a procedure, such as 101", field)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func parseVersion(text string) (lwm2m.Version, error) {
	v, err := lwm2m.ParseVersion(text)
	if err != nil || !slices.Contains([]lwm2m.Version{lwm2m.Version10, lwm2m.Version11, lwm2m.Version12}, v) {
		return v, fmt.Errorf("%q is not 1.0, 1.1 or 1.2", text)
	}
	return v, nil
}

func (c *call) printETS(results []ets.Result, v lwm2m.Version, asJSON bool, took time.Duration) error {
	if asJSON {
		return json.NewEncoder(c.stdout).Encode(results)
	}
	var t table
	for _, r := range results {
		reason := r.Reason
		if reason != "" {
			reason = safe(reason) // it may quote what an agent said
		}
		t.row(r.ID, r.Title, r.Result.Words(), reason)
	}
	t.print(c.stdout)
	_, err := fmt.Fprintf(c.stdout, "\nLwM2M %s: %s, in %.0f s\n", v, ets.Count(results), took.Seconds())
	return err
}

// writePage writes results to a file, which says what was tested.
func writePage(file string, v lwm2m.Version, results []ets.Result) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o644) //nolint:gosec // the user names it
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	built := buildVersions()
	about := fmt.Sprintf("lwm2m-agent %s as a client of LwM2M %s", built.Version, v)
	if built.Commit != "" {
		about += ", commit " + built.Commit
	}
	if err := ets.WriteHTML(f, about, results); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
