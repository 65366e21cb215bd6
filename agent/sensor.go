package agent

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/hw"
	"lwm2m-agent/hw/playback"
)

// Recorded says which sensor SensorRecord records: one of a configuration by its
// name, or one that is described here.
type Recorded struct {
	Config string // file that has Name
	Name   string
	Driver string // "": that of the configuration; else Bus and Address are needed too
	Bus    string
	// Address is the 7-bit I2C address.
	Address  uint16
	Samples  int
	Interval time.Duration // between samples; 0 is the configuration's
	Now      time.Time
}

// SensorRecord takes samples of a sensor and writes all that went over its bus, as
// a playback file, to w. It returns the readings, a line each, and what failed.
func SensorRecord(ctx context.Context, r Recorded, w io.Writer) (readings []string, err error) {
	cfg, err := r.sensor()
	if err != nil {
		return nil, err
	}
	f, err := hw.Record(ctx, cfg, r.Samples, fmt.Sprintf("recorded on %s at %s", cfg.Where(), r.Now.UTC().Format(time.RFC3339)), hw.Options{})
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteTo(w); err != nil {
		return nil, fmt.Errorf("write the playback file: %w", err)
	}
	return told(f.Steps), failed(f.Steps)
}

// sensor returns what is to be recorded.
func (r *Recorded) sensor() (hw.Config, error) {
	if r.Driver != "" {
		return hw.Config{Name: cmp.Or(r.Name, r.Driver), Driver: r.Driver, Bus: r.Bus, Address: r.Address, Interval: r.Interval}, nil
	}
	cfg, err := Load(r.Config, "", "")
	if err != nil {
		return hw.Config{}, err
	}
	var names []string
	for _, c := range bind.SetupOf(cfg).Sensors {
		if c.Name == r.Name {
			if r.Interval != 0 {
				c.Interval = r.Interval
			}
			return c, nil
		}
		names = append(names, fmt.Sprintf("%q", c.Name))
	}
	return hw.Config{}, fmt.Errorf("%s has no sensor %q; it has: %s", r.Config, r.Name, strings.Join(names, ", "))
}

// SensorReplay runs the driver of a playback file on what the file has, and
// returns the readings, a line each. The error says where it went otherwise than
// the file has it.
func SensorReplay(ctx context.Context, file io.Reader) (readings []string, err error) {
	f, err := playback.Parse(file)
	if err != nil {
		return nil, err
	}
	steps, err := hw.Replay(ctx, f)
	return told(steps), err
}

// told is what came of steps.
func told(steps []playback.Step) []string {
	var lines []string
	for i := range steps {
		lines = append(lines, steps[i].Readings...)
		if steps[i].Failure != "" {
			lines = append(lines, "failed: "+steps[i].Failure)
		}
	}
	return lines
}

// failed is an error if no step gave a reading.
func failed(steps []playback.Step) error {
	why := "no sample was taken"
	for i := range steps {
		if len(steps[i].Readings) > 0 {
			return nil
		}
		why = steps[i].Failure
	}
	return fmt.Errorf("nothing was measured: %s", why)
}
