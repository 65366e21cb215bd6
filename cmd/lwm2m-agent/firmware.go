package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"lwm2m-agent/agent/control"
)

// firmwareActions are those that take no argument.
var firmwareActions = []string{control.FirmwareAccept, control.FirmwareCancel, control.FirmwareMarkGood, control.FirmwareRollback}

func runFirmware(ctx context.Context, c *call) error {
	socket, asJSON := c.socketFlag(), c.jsonFlag()
	if err := c.parse(1, 2); err != nil {
		return err
	}
	switch action := c.args[0]; {
	case action == "status" && len(c.args) == 1:
		return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
			f, err := agent.Firmware(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				return c.printJSON(f)
			}
			c.printFirmware(&f)
			return nil
		})
	case action == "install" && len(c.args) == 2:
		return c.installFirmware(ctx, *socket, c.args[1])
	case (action == "install" || slices.Contains(firmwareActions, action)) && len(c.args) == 1:
		return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error { return agent.ActOnFirmware(ctx, action) })
	}
	return usageError("needs %s", c.command.arguments)
}

// installFirmware hands a file over. It has no limit of time: the package is large.
func (c *call) installFirmware(ctx context.Context, socket, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return fmt.Errorf("%s is no package: a file with something in it is needed", name)
	}
	if err := control.NewClient(socket).InstallFirmware(ctx, info.Size(), f); err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, `the agent has the package; "lwm2m-agent firmware status" shows how it goes on`)
	return nil
}

// printFirmware prints all that is known about the update.
func (c *call) printFirmware(f *control.Firmware) {
	now := c.now()
	fmt.Fprintln(c.stdout, firmwareLine(f, now))
	if f.URI != "" {
		fmt.Fprintf(c.stdout, "from %s\n", safe(f.URI))
	}
	if f.Source != "" {
		fmt.Fprintf(c.stdout, "by the mirror %s\n", safe(f.Source))
	}
	if d := f.Data; d != nil {
		fmt.Fprintf(c.stdout, "data: %s of %s are used, all of it is there again in %s\n", size(uint64(max(0, d.Used))), size(uint64(max(0, d.Budget))), span(d.Renewed.Sub(now)))
	}
	if f.Wait != nil && f.Wait.Why != "" {
		fmt.Fprintf(c.stdout, "the last attempt: %s\n", safe(f.Wait.Why))
	}
	if f.Reason != "" {
		fmt.Fprintf(c.stdout, "why: %s\n", safe(f.Reason))
	}
	fmt.Fprintln(c.stdout)
	if f.Unknown != "" {
		fmt.Fprintf(c.stdout, "the slots are not known: %s\n", safe(f.Unknown))
		return
	}
	var t table
	t.row("SLOT", "RUNS", "GOOD", "VERSION", "HASH")
	for _, s := range f.Slots {
		t.row(safe(s.Name), yes(s.Booted), yes(s.Good), dash(s.Version), dash(s.Hash[:min(len(s.Hash), 12)]))
	}
	t.print(c.stdout)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// firmwareLine is an update in one line.
func firmwareLine(f *control.Firmware, now time.Time) string {
	line := "firmware: " + f.Phase
	if f.Version != "" {
		line += " " + safe(f.Name) + " " + safe(f.Version)
	}
	switch {
	case f.State == "downloading" && f.Size > 0:
		line += fmt.Sprintf(", %s of %s", size(uint64(max(0, f.OnDisk))), size(uint64(f.Size)))
	case f.State == "downloading":
		line += ", " + size(uint64(max(0, f.OnDisk)))
	}
	if !f.Until.IsZero() {
		line += fmt.Sprintf(", waits for consent, is installed in %s", span(f.Until.Sub(now)))
	}
	if f.Wait != nil {
		line += fmt.Sprintf(", waits %s for %s", span(f.Wait.Until.Sub(now)), safe(f.Wait.For))
	}
	if f.Result != 0 {
		line += fmt.Sprintf(", last result %d (%s)", f.Result, f.Outcome)
	}
	return fmt.Sprintf("%s, for %s", line, span(now.Sub(f.Since)))
}
