//go:build bare

package bare

import "testing"

// TestDemo uses free ports, since it shares this machine's; the soak run takes the ones that a newcomer gets.
func TestDemo(t *testing.T) {
	checkDemo(t, "bookworm", "-web", "127.0.0.1:0", "-coap", "127.0.0.1:0", "-coaps", "127.0.0.1:0")
}
