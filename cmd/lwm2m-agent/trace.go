package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/trace"
)

// errEnough ends a trace that has shown what was asked for.
var errEnough = errors.New("enough")

func runTrace(ctx context.Context, c *call) (err error) {
	socket, asJSON := c.socketFlag(), c.jsonFlag()
	var file string
	const about = "write a capture for Wireshark to `file`, which must not be there yet; - is standard output"
	c.flags.StringVar(&file, "pcap", "", about)
	c.flags.StringVar(&file, "pcapng", "", about)
	count := c.flags.Uint("count", 0, "end after so many `messages`; 0: when interrupted")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	if *asJSON && file != "" {
		return usageError("-json and -pcap exclude each other")
	}
	show := c.printMessage
	if *asJSON {
		show = func(m *trace.Message) error { return c.printJSON(m) }
	}
	shown, lost, begun := uint(0), uint64(0), false
	if file != "" {
		w, end, failed := c.capture(file)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, end(begun)) }()
		show = w.Write
	}
	err = control.NewClient(*socket).Trace(ctx, func() {
		begun = true
		fmt.Fprintln(c.stderr, "listening; interrupt to end")
	}, func(m trace.Message) error {
		lost += m.Lost
		if err := show(&m); err != nil {
			return err
		}
		if shown++; shown == *count {
			return errEnough
		}
		return nil
	})
	if begun {
		fmt.Fprintf(c.stderr, "%d messages, %d lost\n", shown, lost)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, errEnough) {
		return nil // asked to end
	}
	return err
}

// capture begins a capture file; end closes it, and removes one that nothing has come for.
func (c *call) capture(file string) (w *trace.Writer, end func(begun bool) error, err error) {
	out := c.stdout
	end = func(bool) error { return nil }
	if file != "-" {
		// Not over anything that is there: whoever runs this is root, as a rule.
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, nil, err
		}
		out = f
		end = func(begun bool) error {
			if begun {
				return f.Close()
			}
			return errors.Join(f.Close(), os.Remove(file))
		}
	}
	if w, err = trace.NewWriter(out, "lwm2m-agent"); err != nil {
		return nil, nil, errors.Join(err, end(false))
	}
	return w, end, nil
}

// printMessage prints a message: a line for it, and one for each value.
func (c *call) printMessage(m *trace.Message) error {
	if m.Lost > 0 {
		fmt.Fprintf(c.stdout, "               %d messages are missing here\n", m.Lost)
	}
	server, arrow := fmt.Sprint(m.ShortServerID), "<-"
	if m.ShortServerID == 0 {
		server = "bootstrap"
	}
	if m.Sent {
		arrow = "->"
	}
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s %s", m.Time.In(c.zone).Format("15:04:05.000"), arrow, server)
	for _, part := range []struct{ before, text string }{
		{"", m.Type}, {"", m.Code}, {"", m.Operation}, {"", m.Path}, {"", m.Name}, {"?", m.Query}, {"", m.Options}, {"", m.Format}, {"token ", m.Token},
	} {
		if part.text != "" {
			line.WriteString("  " + part.before + safe(part.text))
		}
	}
	if m.Type != "" {
		fmt.Fprintf(&line, "  id %d", m.ID)
	}
	fmt.Fprintf(&line, "  %d B", m.Size)
	for _, v := range m.Values {
		fmt.Fprintf(&line, "\n    %s  %s  %s", safe(v.Path), safe(v.Name), safe(v.Value))
		if !v.Time.IsZero() {
			line.WriteString("  at " + v.Time.In(c.zone).Format("2006-01-02 15:04:05.000"))
		}
	}
	if m.Text != "" {
		line.WriteString("\n    " + safe(m.Text))
	}
	_, err := fmt.Fprintln(c.stdout, line.String())
	return err
}
