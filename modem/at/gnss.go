package at

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/gnss"
	"lwm2m-agent/modem"
)

// receiver is how a module's own receiver of satellites is asked.
type receiver struct {
	on, off []string // commands; one that is refused has been done already
	fix     func(context.Context, *session) (*gnss.Fix, error)
}

// askEvery is the time between two questions while the receiver is on; it has news once a
// second.
const askEvery = 3 * time.Second

// offTime bounds switching the receiver off.
const offTime = 2 * time.Second

// Locate follows the module's receiver, which is on as long as that; see gnss.Source. A modem
// in power saving mode is not woken.
func (m *Modem) Locate(ctx context.Context, report func(gnss.Report)) error {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), offTime)
		defer cancel()
		_ = m.ask(ctx, (*session).stopReceiver) // Run does it when it ends; a modem that is gone has none that is on
	}()
	for {
		found := make(chan gnss.Report, 1)
		err := m.ask(ctx, func(s *session) error {
			r, err := s.locate(ctx)
			found <- r
			return err
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ask the modem for its position: %w", err)
		}
		report(<-found)
		if !pause(ctx, askEvery) {
			return nil
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// locate asks the receiver, which is switched on if it is not.
func (s *session) locate(ctx context.Context) (gnss.Report, error) {
	r := s.dialect.receiver
	switch {
	case s.m.state.Presence == modem.Asleep:
		return gnss.Report{Why: gnss.ErrResting}, nil
	case r == nil:
		return gnss.Report{}, fmt.Errorf("no command for the receiver of %s %s is known", s.m.state.Identity.Manufacturer, s.m.state.Identity.Model)
	}
	if !s.receiving {
		for _, text := range r.on {
			if err := s.try(ctx, text); err != nil {
				return gnss.Report{}, err
			}
		}
		s.receiving = true
	}
	f, err := r.fix(ctx, s)
	if errors.Is(err, ErrRestarted) {
		s.receiving = false
	}
	if f == nil || err != nil {
		return gnss.Report{Why: gnss.ErrNoFix}, err
	}
	return gnss.Report{Fix: f}, nil
}

// stopReceiver switches the receiver off.
func (s *session) stopReceiver() error {
	if !s.receiving || s.m.state.Presence == modem.Asleep {
		return nil
	}
	s.receiving = false
	ctx, cancel := context.WithTimeout(context.Background(), offTime) //nolint:forbidigo // the one who asked has ended
	defer cancel()
	for _, text := range s.dialect.receiver.off {
		if err := s.try(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// satellites makes a fix of parameters in decimal, nil if they are none; those other than
// latitude and longitude may be "".
func satellites(lat, lon, altitude, hdop, kmh, course string, t time.Time) *gnss.Fix {
	north, east := decimal(lat), decimal(lon)
	if north == nil || east == nil || *north < -90 || *north > 90 || *east < -180 || *east > 180 {
		return nil
	}
	f := &gnss.Fix{Time: t, Latitude: *north, Longitude: *east, Altitude: decimal(altitude), Course: decimal(course)}
	if d := decimal(hdop); d != nil {
		f.Radius = gnss.Radius(*d, false)
	}
	if v := decimal(kmh); v != nil {
		f.Speed = new(*v / 3.6)
	}
	return f
}

// decimal reads a decimal number of a size that a position has.
func decimal(s string) *float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > -1e5 && v < 1e5) {
		return nil
	}
	return &v
}

// moment reads a date and a time with a fraction of seconds, zero if they are none.
func moment(layout, s string) time.Time {
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// quectelReceiver: AT+QGPS=1 switches it on, AT+QGPSEND off; AT+QGPSLOC=2 answers
// <UTC>,<latitude>,<longitude>,<HDOP>,<altitude>,<fix>,<COG>,<km/h>,<knots>,<date>,<nsat>, in
// degrees with a sign, or error 516 without a fix (Quectel BG95 & BG77, EC25 & EC21 GNSS
// Application Notes).
var quectelReceiver = receiver{
	on: []string{"+QGPS=1"}, off: []string{"+QGPSEND"},
	fix: func(ctx context.Context, s *session) (*gnss.Fix, error) {
		f, err := s.one(ctx, "+QGPSLOC=2")
		if err != nil || len(f) < 10 {
			return nil, err
		}
		return satellites(f[1], f[2], f[4], f[3], f[7], f[6], moment("020106 150405", f[9]+" "+f[0])), nil
	},
}

// simcomCatReceiver: AT+CGNSPWR switches it; AT+CGNSINF answers <run>,<fix>,<UTC>,<latitude>,
// <longitude>,<altitude>,<km/h>,<course>,<mode>,<reserved>,<HDOP>,… (SIM7000 and
// SIM7070/7080/7090 Series GNSS Application Notes).
var simcomCatReceiver = receiver{
	on: []string{"+CGNSPWR=1"}, off: []string{"+CGNSPWR=0"},
	fix: func(ctx context.Context, s *session) (*gnss.Fix, error) {
		f, err := s.one(ctx, "+CGNSINF")
		if err != nil || len(f) < 11 || f[1] != "1" {
			return nil, err
		}
		return satellites(f[3], f[4], f[5], f[10], f[6], f[7], moment("20060102150405", f[2])), nil
	},
}

// simcomReceiver: AT+CGPS switches it, that of A76xx AT+CGNSSPWR; AT+CGPSINFO answers <ddmm.mmmmmm>,N,<dddmm.mmmmmm>,E,
// <ddmmyy>,<hhmmss.s>,<altitude>,<knots>,<course>, all of them empty without a fix
// (SIM7500/7600 Series and A76XX Series AT Command Manuals).
var simcomReceiver = receiver{
	on: []string{"+CGPS=1", "+CGNSSPWR=1"}, off: []string{"+CGPS=0", "+CGNSSPWR=0"},
	fix: func(ctx context.Context, s *session) (*gnss.Fix, error) {
		f, err := s.one(ctx, "+CGPSINFO")
		if err != nil || len(f) < 9 || f[0] == "" {
			return nil, err
		}
		fix := sentences(sentence("GPRMC", f[5], "A", f[0], f[1], f[2], f[3], f[7], f[8], f[4], "", "", ""))
		if fix != nil {
			fix.Altitude = decimal(f[6])
		}
		return fix, nil
	},
}

// ubloxReceiver: AT+UGPS switches a receiver that is wired to the module; with AT+UGRMC=1 and
// AT+UGGGA=1 it keeps the last sentence of these kinds, which AT+UGRMC? and AT+UGGGA? show
// behind a state (SARA-R4 and SARA-R5 Series AT Commands Manuals).
var ubloxReceiver = receiver{
	on: []string{"+UGPS=1,0", "+UGRMC=1", "+UGGGA=1"}, off: []string{"+UGPS=0"},
	fix: func(ctx context.Context, s *session) (*gnss.Fix, error) {
		var all strings.Builder
		for _, name := range []string{"+UGGGA", "+UGRMC"} {
			lines, err := s.do(ctx, Command{Text: name + "?", Prefix: name + ":", MayBeEmpty: true})
			if err != nil && !refused(err) {
				return nil, err
			}
			for _, l := range lines {
				all.WriteString(l + "\n")
			}
		}
		return sentences(all.String()), nil
	},
}

// sentences returns the last fix that lines of NMEA 0183 give, nil if there is none.
func sentences(text string) *gnss.Fix {
	var last *gnss.Fix
	n := gnss.NewNMEA(func(f *gnss.Fix) { last = f })
	_, _ = n.Write([]byte(text)) // takes everything
	n.Flush()
	return last
}

// sentence puts a sentence together, with its checksum.
func sentence(fields ...string) string {
	body := strings.Join(fields, ",")
	var sum byte
	for i := range len(body) {
		sum ^= body[i]
	}
	return fmt.Sprintf("$%s*%02X", body, sum)
}
