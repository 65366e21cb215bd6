package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/agent/control"
)

func runStatus(ctx context.Context, c *call) error {
	socket, asJSON := c.socketFlag(), c.jsonFlag()
	if err := c.parse(0, 0); err != nil {
		return err
	}
	return ask(ctx, *socket, func(ctx context.Context, agent *control.Client) error {
		s, err := agent.Status(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return c.printJSON(s)
		}
		c.printStatus(&s)
		return nil
	})
}

func (c *call) printStatus(s *control.Status) {
	now := c.now()
	fmt.Fprintf(c.stdout, "%s, lwm2m-agent %s, running for %s\n", safe(s.Endpoint), s.Version, span(now.Sub(s.Started)))
	if !s.Booted.IsZero() {
		why := ""
		if s.BootWhy != "" {
			why = ", last start: " + safe(s.BootWhy)
		}
		fmt.Fprintf(c.stdout, "machine up for %s%s\n", span(now.Sub(s.Booted)), why)
	}
	if s.Firmware != nil {
		fmt.Fprintln(c.stdout, firmwareLine(s.Firmware, now))
	}
	c.printServers(s.Servers, now)
	for i, m := range s.Modems {
		if i == 0 {
			fmt.Fprintln(c.stdout)
		}
		fmt.Fprintf(c.stdout, "modem %s, %s\n", safe(m.Name), safe(m.Words))
	}
	if n := s.SMS; n != nil && n.Received > 0 {
		fmt.Fprintf(c.stdout, "short messages: %d received, %d woke the agent, %d to wake it were ignored\n", n.Received, n.Woken, n.Ignored)
	}
	if l := s.Location; l != nil {
		fmt.Fprintf(c.stdout, "\nlocation by %s at %s, %s\n", safe(l.Source), safe(l.Where), safe(l.Words))
	}
	if s.Bootstrap != nil {
		c.printBootstrap(s.Bootstrap, now)
	}
	if len(s.Health) == 0 {
		fmt.Fprint(c.stdout, "\nhealth: all is well\n")
		return
	}
	fmt.Fprint(c.stdout, "\nhealth:\n")
	for i := range s.Health {
		c.printTrouble(&s.Health[i], now)
	}
}

func (c *call) printServers(servers []control.Server, now time.Time) {
	if len(servers) == 0 {
		fmt.Fprint(c.stdout, "\nno servers\n")
		return
	}
	fmt.Fprintln(c.stdout)
	var t table
	t.row("SERVER", "URI", "STATE", "SINCE", "NEXT UPDATE", "TRANSPORT", "CID", "SENT", "RECEIVED", "QUEUED")
	for i := range servers {
		s := &servers[i]
		t.row(fmt.Sprint(s.ShortServerID), safe(s.URI), s.State, ago(s.Since, now), until(s.NextUpdate, now),
			dash(s.Transport), dash(s.CID), size(s.SentBytes), size(s.ReceivedBytes), queued(s))
	}
	t.print(c.stdout)
	for i := range servers {
		c.printTraffic(fmt.Sprintf("server %d", servers[i].ShortServerID), servers[i].Traffic)
		c.printLastError(&servers[i], now)
	}
}

// printTraffic prints what a day's traffic with a server was for, on the wire.
func (c *call) printTraffic(server string, all []control.Traffic) {
	var parts []string
	var sum uint64
	for _, t := range all {
		if bytes := t.Day.SentBytes + t.Day.ReceivedBytes; bytes > 0 {
			parts = append(parts, safe(t.Purpose)+" "+size(bytes))
			sum += bytes
		}
	}
	if sum > 0 {
		fmt.Fprintf(c.stdout, "%s: %s on the wire in 24 hours: %s\n", server, size(sum), strings.Join(parts, ", "))
	}
}

func queued(s *control.Server) string {
	if s.Dropped == 0 {
		return strconv.Itoa(s.Queued)
	}
	return fmt.Sprintf("%d (%d dropped)", s.Queued, s.Dropped)
}

// printLastError prints what a server's table row has no room for; health says what to do about it.
func (c *call) printLastError(s *control.Server, now time.Time) {
	if s.Words != s.State {
		fmt.Fprintf(c.stdout, "server %d: %s\n", s.ShortServerID, safe(s.Words))
	}
	if s.LastError == "" || strings.Contains(s.Words, s.LastError) {
		return
	}
	state := ""
	if s.ErrorCleared {
		state = ", over since"
	}
	fmt.Fprintf(c.stdout, "server %d: last error %s%s: %s\n", s.ShortServerID, ago(s.LastErrorTime, now), state, safe(s.LastError))
}

func (c *call) printTrouble(t *control.Trouble, now time.Time) {
	on := ""
	if t.On != "" {
		on = " " + t.Subject + " " + safe(t.On)
	}
	fmt.Fprintf(c.stdout, "  %s %s%s, since %s: %s\n", t.Severity, t.Code, on, span(now.Sub(t.Since)), t.Text)
	if t.Detail != "" {
		fmt.Fprintf(c.stdout, "    why: %s\n", safe(t.Detail))
	}
	fmt.Fprintf(c.stdout, "    what to do: %s\n", t.Remedy)
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(now.Sub(t)) + " ago"
}

func until(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return "in " + span(t.Sub(now))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return safe(s)
}
