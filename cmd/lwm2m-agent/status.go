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
		c.say("", firmwareLine(s.Firmware, now))
	}
	c.printServers(s.Servers, now)
	for i, m := range s.Modems {
		if i == 0 {
			fmt.Fprintln(c.stdout)
		}
		c.say("", "modem "+safe(m.Name)+", "+safe(m.Words))
	}
	if n := s.SMS; n != nil && n.Received > 0 {
		fmt.Fprintf(c.stdout, "short messages: %d received, %d woke the agent, %d to wake it were ignored\n", n.Received, n.Woken, n.Ignored)
	}
	if l := s.Location; l != nil {
		fmt.Fprintln(c.stdout)
		c.say("", fmt.Sprintf("location by %s at %s, %s", safe(l.Source), safe(l.Where), safe(l.Words)))
	}
	if s.Bootstrap != nil {
		c.printBootstrap(s.Bootstrap, now)
	}
	if len(s.Health) == 0 {
		fmt.Fprintf(c.stdout, "\nhealth: %s\n", verdict(s.Servers))
		return
	}
	fmt.Fprint(c.stdout, "\nhealth:\n")
	told := ""
	for i := range s.Health {
		c.printTrouble(&s.Health[i], now)
		remedy := s.Health[i].Remedy
		if remedy == told {
			remedy = "as above"
		}
		c.say("    ", "what to do: "+remedy)
		told = s.Health[i].Remedy
	}
}

// verdict is what can be said without a trouble. A server that does not answer is one only when the first attempt is over, which
// takes up to a minute and a half.
func verdict(servers []control.Server) string {
	for i := range servers {
		switch servers[i].State {
		case "waiting", "connecting", "registering":
			return fmt.Sprintf("nothing is known to be wrong, but server %d is not registered", servers[i].ShortServerID)
		case "stopped":
			return fmt.Sprintf("server %d was deregistered here; a restart of the agent registers it again", servers[i].ShortServerID)
		}
	}
	return "all is well"
}

func (c *call) printServers(servers []control.Server, now time.Time) {
	if len(servers) == 0 {
		fmt.Fprint(c.stdout, "\nno servers\n")
		return
	}
	for i := range servers {
		s := &servers[i]
		fmt.Fprintf(c.stdout, "\nserver %d, %s\n", s.ShortServerID, safe(s.URI))
		state := s.State + " " + c.since(s.Since, now)
		if s.State == "registered" && !s.Registered.IsZero() {
			state = s.State + " " + c.since(s.Registered, now)
		}
		words := safe(s.Words)
		if rest, named := strings.CutPrefix(words, s.State); named && (rest == "" || strings.HasPrefix(rest, " (") || strings.HasPrefix(rest, ";")) {
			if !s.NextUpdate.IsZero() {
				state += ", next update " + c.until(s.NextUpdate, now)
			}
			c.say("  ", state+rest)
		} else {
			c.say("  ", state+": "+strings.TrimPrefix(words, s.State+", "))
		}
		c.say("  ", connectionLine(s))
		c.printTraffic("  ", s.Traffic)
		c.printLastError("  ", s.Words, s.LastError, s.LastErrorTime, s.ErrorCleared, now)
	}
}

// connectionLine says how a server is reached, and what has gone over that connection.
func connectionLine(s *control.Server) string {
	parts := make([]string, 0, 6)
	if s.Transport != "" {
		parts = append(parts, safe(s.Transport))
	}
	if s.CID != "" {
		parts = append(parts, "CID "+safe(s.CID))
	}
	if s.QueueMode {
		parts = append(parts, "queue mode")
	}
	parts = append(parts, "sent "+size(s.SentBytes), "received "+size(s.ReceivedBytes), "queued "+queued(s))
	return strings.Join(parts, ", ")
}

// printTraffic prints what a day's traffic with a server was for, on the wire.
func (c *call) printTraffic(indent string, all []control.Traffic) {
	var parts []string
	var sum uint64
	for _, t := range all {
		if bytes := t.Day.SentBytes + t.Day.ReceivedBytes; bytes > 0 {
			parts = append(parts, safe(t.Purpose)+" "+size(bytes))
			sum += bytes
		}
	}
	if sum > 0 {
		c.say(indent, fmt.Sprintf("%s on the wire in 24 hours: %s", size(sum), strings.Join(parts, ", ")))
	}
}

func queued(s *control.Server) string {
	if s.Dropped == 0 {
		return strconv.Itoa(s.Queued)
	}
	return fmt.Sprintf("%d (%d dropped)", s.Queued, s.Dropped)
}

// printLastError prints what the state does not say already; health says what to do about it.
func (c *call) printLastError(indent, words, text string, at time.Time, over bool, now time.Time) {
	if text == "" || strings.Contains(words, text) {
		return
	}
	state := ""
	if over {
		state = ", over since"
	}
	c.say(indent, fmt.Sprintf("last error %s%s: %s", c.ago(at, now), state, safe(text)))
}

func (c *call) printTrouble(t *control.Trouble, now time.Time) {
	on := ""
	if t.On != "" {
		on = " " + t.Subject + " " + safe(t.On)
	}
	c.say("  ", fmt.Sprintf("%s %s%s, %s: %s", t.Severity, t.Code, on, c.since(t.Since, now), t.Text))
	if t.Detail != "" {
		c.say("    ", "why: "+safe(t.Detail))
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return safe(s)
}
