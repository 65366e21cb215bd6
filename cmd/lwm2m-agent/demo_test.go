//go:build !small

package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUntilHangup: a closed terminal ends the demo, which then cleans up; with nohup it goes on.
func TestUntilHangup(t *testing.T) {
	defer signal.Reset(syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 2), syscall.SIGHUP) // not ignored, whatever the test was started by
	ctx, stop := untilHangup(t.Context())
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the terminal was closed, and the demo goes on")
	}
	signal.Ignore(syscall.SIGHUP)
	ctx, stop = untilHangup(t.Context())
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil || ctx.Err() != nil || !signal.Ignored(syscall.SIGHUP) {
		t.Errorf("with nohup: %v, %v", err, ctx.Err())
	}
}

// TestDemoUsage: options that are wrong or contradict one another are refused before anything
// is started.
func TestDemoUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-web 8080", `-web "8080" is not an address`},
		{"-coaps here", `-coaps "here" is not an address`},
		{"-server example.com", `-server "example.com" is not a URI`},
		{"-server http://example.com", `-server "http://example.com" is not a URI`},
		{"-server coaps://example.com", "a coaps server needs -identity and -key"},
		{"-server coaps://example.com -identity gw", "a coaps server needs -identity and -key"},
		{"-server coap://example.com -identity gw -key 00", "coap is not secured"},
		{"-identity gw", "give its -server"},
		{"-key 00", "give its -server"},
		{"-key 0", "not in hexadecimal"},
	} {
		out, problems, code := run(t.Context(), append([]string{"demo"}, strings.Fields(tt.args)...)...)
		if code != 2 || out != "" || !strings.Contains(problems, tt.want) {
			t.Errorf("%s: %d %q %q", tt.args, code, out, problems)
		}
	}
}
