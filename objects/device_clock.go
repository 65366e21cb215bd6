package objects

import (
	"context"
	"math"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Prepare lets servers set time and time zone.
func (d *Device) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	if len(e.Create) > 0 || len(e.Delete) > 0 && len(e.Set) == 0 {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "object 3 (Device) stays as it is")
	}
	e.Delete = nil // a Replace takes nothing away: it is the device's
	var tx sequence
	for _, n := range e.Set {
		if err := d.prepare(&tx, n); err != nil {
			return nil, err
		}
	}
	// The clock tells what is so now; the steps publish what has changed.
	e.Set = nil
	return &tx, nil
}

func (d *Device) prepare(tx *sequence, n lwm2m.Node) error {
	switch n.Path.Resource() {
	case ridCurrentTime:
		t := n.Value.Time()
		if t.Unix() > math.MaxUint32 {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %d is too far ahead", n.Path, t.Unix())
		}
		if limit := d.host.NotBefore(); t.Before(limit) {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %s is in the past: it is %s at least", n.Path, t.Format(time.RFC3339), limit.UTC().Format(time.RFC3339))
		}
		began := d.host.Now()
		tx.add(func(ctx context.Context) error { return d.host.SetTime(ctx, t) },
			func(ctx context.Context) error { return d.host.SetTime(ctx, began.Add(d.host.Now().Sub(t))) })
		return nil
	case ridTimezone:
		if !d.host.HasTimezone(n.Value.Text()) {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %.64q is not a time zone that this device knows", n.Path, n.Value.Text())
		}
		d.zoneSteps(tx, n.Value.Text())
		return nil
	case ridUTCOffset:
		return d.prepareOffset(tx, n)
	}
	return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be written", n.Path)
}

// prepareOffset chooses a time zone for an offset, unless the present one has it
// now.
func (d *Device) prepareOffset(tx *sequence, n lwm2m.Node) error {
	offset, ok := parseOffset(n.Value.Text())
	if !ok {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: %.20q is no offset such as +01:00", n.Path, n.Value.Text())
	}
	if now, ok := parseOffset(d.host.UTCOffset()); ok && now == offset {
		return nil
	}
	zone := d.host.ZoneOf(offset)
	if zone == "" || !d.host.HasTimezone(zone) {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: no time zone is always at %.20q: write the time zone (/3/0/15)", n.Path, n.Value.Text())
	}
	d.zoneSteps(tx, zone)
	return nil
}

// zoneSteps adds the step that sets the time zone and publishes it.
func (d *Device) zoneSteps(tx *sequence, name string) {
	set := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := d.host.SetTimezone(ctx, name); err != nil {
				return err
			}
			return d.ClockChanged()
		}
	}
	var undo func(context.Context) error
	if old := d.host.Timezone(); old != "" {
		undo = set(old)
	}
	tx.add(set(name), undo)
}

// parseOffset reads an offset as ISO 8601 writes it ("Z", "+01", "+0130",
// "-03:30"), optionally behind "UTC", in seconds east of UTC. Time zones lie
// between -12 and +14 hours.
func parseOffset(s string) (seconds int, ok bool) {
	if len(s) > 3 && s[:3] == "UTC" {
		s = s[3:]
	}
	if s == "Z" || s == "UTC" {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = s[:3] + s[4:]
	}
	if len(s) != 3 && len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	digits := []int{0, 0, 0, 0}
	for i, c := range []byte(s[1:]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		digits[i] = int(c - '0')
	}
	minutes := digits[2]*10 + digits[3]
	seconds = (digits[0]*10+digits[1])*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, minutes < 60 && seconds >= -12*3600 && seconds <= 14*3600
}
