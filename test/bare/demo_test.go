//go:build bare

package bare

import (
	"strings"
	"testing"
	"time"
)

// withoutRoot runs a command of ./dev as an ordinary user, who has no sudo and a login's PATH, then as root the command that this prints, and the user's again.
// What it says itself begins with "##".
const withoutRoot = `
login="setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME=/tmp/home PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
install -d -o nobody -g nogroup /tmp/home
if $login ./dev "$@" >/tmp/said 2>&1; then status=0; else status=$?; fi
cat /tmp/said
echo "## exit status $status"
command=$(sed -n "s/^  //p" /tmp/said)
bash -c "$command" >/dev/null || exit
echo "## ran: $command"
exec $login ./dev "$@"
`

// TestDemo is that of a newcomer without root. It uses free ports, since it shares this machine's; the soak run, as root, takes the ones that a
// newcomer gets.
func TestDemo(t *testing.T) {
	p := checkDemo(t, "bookworm", "bash", "-c", withoutRoot, "bash", "demo", "-web", "127.0.0.1:0", "-coap", "127.0.0.1:0", "-coaps", "127.0.0.1:0")
	if status := p.WaitPrefix(t, time.Minute, "## exit status "); status != "2" {
		t.Errorf("exit status %s without root, want 2", status)
	}
	const begin = "apt-get update && apt-get install -y --no-install-recommends "
	if ran := p.WaitPrefix(t, time.Minute, "## ran: "); !strings.HasPrefix(ran, begin) {
		t.Errorf("%q, want it to begin with %q", ran, begin)
	}
}
