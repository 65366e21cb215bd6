package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/agent"
	"lwm2m-agent/agent/config"
)

func runSensor(ctx context.Context, c *call) error {
	r := agent.Recorded{Now: c.now()}
	c.flags.StringVar(&r.Config, "config", config.Installed(), "record: main configuration `file`, which has the sensor NAME")
	c.flags.StringVar(&r.Driver, "driver", "", "record: `driver` of a sensor that no configuration has; then without NAME")
	c.flags.StringVar(&r.Bus, "bus", "/dev/i2c-1", "record, with -driver: I2C `adapter`, or a part on SPI, /dev/spidev0.0")
	address := c.flags.String("address", "", "record, with -driver: I2C `address`, 0x44")
	c.flags.IntVar(&r.Samples, "samples", 3, "record: `number` of samples")
	c.flags.DurationVar(&r.Interval, "interval", time.Second, "record: `time` between samples")
	out := c.flags.String("o", "-", "record: playback `file` to write, - for standard output")
	asJSON := c.flags.Bool("json", false, "replay: print JSON")
	if err := c.parse(1, 2); err != nil {
		return err
	}
	switch verb, rest := c.args[0], c.args[1:]; {
	case verb == "replay" && len(rest) == 1:
		return replaySensor(ctx, c, rest[0], *asJSON)
	case verb == "record" && (len(rest) == 1) != (r.Driver != ""):
		if len(rest) == 1 {
			r.Name = rest[0]
		}
		n, err := strconv.ParseUint(*address, 0, 7)
		if r.Driver != "" && err != nil && (*address != "" || !strings.Contains(r.Bus, "spidev")) {
			return usageError("-address is an I2C address such as 0x44, not %q", *address)
		}
		r.Address = uint16(n)
		if r.Samples < 1 || r.Interval <= 0 {
			return usageError("-samples and -interval are more than 0")
		}
		return recordSensor(ctx, c, r, *out)
	case verb == "record":
		return usageError("needs the NAME of a sensor of the configuration, or -driver, -bus and -address")
	case verb == "replay":
		return usageError("needs the playback FILE")
	default:
		return usageError("there is no subcommand %q; allowed: record, replay", verb)
	}
}

// recordSensor writes the playback file; the readings go to standard error, since
// the file may go to standard output. A file that is not whole does not stay.
func recordSensor(ctx context.Context, c *call, r agent.Recorded, out string) error {
	if out == "-" {
		readings, err := agent.SensorRecord(ctx, r, c.stdout)
		return errors.Join(err, printLines(c.stderr, readings))
	}
	file, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a test's data, for everyone
	if err != nil {
		return err
	}
	readings, err := agent.SensorRecord(ctx, r, file)
	closed := file.Close()
	if readings == nil || closed != nil {
		return errors.Join(err, closed, os.Remove(out)) //nolint:gosec // as above
	}
	return errors.Join(err, printLines(c.stderr, readings))
}

func replaySensor(ctx context.Context, c *call, path string, asJSON bool) error {
	file, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // was only read
	readings, err := agent.SensorReplay(ctx, file)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	if asJSON {
		return errors.Join(err, json.NewEncoder(c.stdout).Encode(append([]string{}, readings...)))
	}
	return errors.Join(err, printLines(c.stdout, readings))
}

func printLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
