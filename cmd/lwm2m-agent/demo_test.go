//go:build !small

package main

import (
	"strings"
	"testing"
)

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
