//go:build soak

package bare

import (
	"strings"
	"testing"
	"time"
)

// testTime is how long "./dev test" may take on a bare machine of two cores.
const testTime = 90 * time.Minute

// TestSoak runs the two commands of the README on bare machines of both releases.
func TestSoak(t *testing.T) {
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite+" demo", func(t *testing.T) { checkDemo(t, suite, "./dev", "demo") })
		t.Run(suite+" test", func(t *testing.T) {
			p := Start(t, suite, "./dev", "test")
			status := p.Wait(t, testTime)
			lines := p.Output()
			t.Log(lines[len(lines)-1])
			if status != 0 || !strings.Contains(lines[len(lines)-1], " 0 failed") {
				t.Errorf("exit status %d:\n%s", status, strings.Join(lines[max(0, len(lines)-40):], "\n"))
			}
		})
	}
}
