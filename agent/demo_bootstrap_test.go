//go:build !small

package agent

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/control"
)

// TestDemoBootstrap: the demo's board knows nothing but a bootstrap server, which is the embedded one,
// and gets an account with a key of its own from there; another one when a person asks for it.
func TestDemoBootstrap(t *testing.T) {
	out, say := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Demo(ctx, DemoOptions{
			Web: "127.0.0.1:0", CoAP: "127.0.0.1:0", CoAPS: "127.0.0.1:0", Bootstrap: true, Out: say, Log: slog.New(slog.DiscardHandler),
		})
		say.Close()
	}()
	defer func() {
		cancel()
		go io.Copy(io.Discard, out) // until the demo closes it
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	lines := bufio.NewScanner(out)
	socket := ""
	for socket == "" && lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "  control socket "); ok {
			socket = strings.TrimSpace(rest)
		}
	}
	go func() {
		for lines.Scan() { // else the demo waits for a reader
		}
	}()
	awaitSocket(t, socket)
	c := control.NewClient(socket)
	first := awaitBootstrapped(t, c, time.Time{})
	if err := c.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitBootstrapped(t, c, first)
}

// awaitBootstrapped waits until an agent is registered by a bootstrap after a time, and returns the bootstrap's.
func awaitBootstrapped(t *testing.T, c *control.Client, after time.Time) time.Time {
	t.Helper()
	var s control.Status
	for limit := time.Now().Add(generous); time.Now().Before(limit); <-time.After(10 * time.Millisecond) {
		var err error
		if s, err = c.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b := s.Bootstrap; b != nil && b.Last.After(after) && len(s.Servers) == 1 && s.Servers[0].ShortServerID == demoServerID &&
			s.Servers[0].State == "registered" && !s.Servers[0].Since.Before(b.Last) && s.Servers[0].Transport == "DTLS PSK" {
			return b.Last
		}
	}
	t.Fatalf("not registered by a bootstrap: %+v", s)
	return time.Time{}
}
