package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"lwm2m-agent/agent"
)

// absent says what to do where there is no I2C bus: whoever scans has most likely connected something to one.
func absent(findings []agent.Finding) string {
	if slices.ContainsFunc(findings, func(f agent.Finding) bool { return f.Bus == "i2c" }) {
		return ""
	}
	return "There is no I2C bus. If the board has one, it is switched off (Raspberry Pi: raspi-config, Interface Options; others: the device tree), or " +
		"the module i2c-dev is not loaded (modprobe i2c-dev; for each boot, a line in /etc/modules)."
}

func runScan(ctx context.Context, c *call) error {
	asJSON := c.flags.Bool("json", false, "print JSON")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	findings, lines := agent.Scan(ctx)
	return c.printScan(findings, lines, *asJSON)
}

func (c *call) printScan(findings []agent.Finding, lines string, asJSON bool) error {
	if asJSON {
		// Without any, a list too.
		return json.NewEncoder(c.stdout).Encode(map[string]any{"findings": append([]agent.Finding{}, findings...), "configuration": lines})
	}
	var t table
	for _, f := range findings {
		t.row(f.Bus, f.Where, f.What, f.Detail)
	}
	t.print(c.stdout)
	if len(findings) == 0 {
		fmt.Fprintln(c.stdout, "nothing was found: no I2C bus, GPIO chip, IIO, hwmon or 1-wire device that this user may see")
	}
	if text := absent(findings); text != "" {
		fmt.Fprintln(c.stdout)
		c.say("", text)
	}
	if lines != "" {
		fmt.Fprintf(c.stdout, "\n# for agent.toml:\n%s", lines)
	}
	return nil
}
