//go:build soak

package endurance

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
)

const (
	endpoint = "gw-1"
	identity = "gw-1-key"
	patience = 2 * time.Minute

	sensorValue   = "/3303/0/5700"
	minimumPeriod = "/1/0/2" // Default Minimum Period: what a server wrote there stays
)

var key = []byte("0123456789abcdef")

func TestMain(m *testing.M) {
	code := m.Run()
	gateway.RemoveBinaries()
	os.Exit(code)
}

// duration is how long a test goes on.
func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("LWM2M_SOAK_ENDURANCE")
	if text == "" {
		return 20 * time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// start starts a server and an agent that is registered there over DTLS.
func start(t *testing.T) (*leshan.Server, *gateway.Agent) {
	t.Helper()
	s := leshan.Start(t, leshan.Options{Models: leshan.Models(t, 1, 3, 3303)})
	s.PSK(t, endpoint, identity, key)
	a := gateway.Start(t, fmt.Sprintf(`
endpoint = %q
[[server]]
uri             = %q
short_server_id = 101
lifetime        = "1m"
identity        = %q
key             = %q
[[sensor]]
name     = "cold room"
driver   = "sim"
object   = 3303
wave     = "sine"
min      = -20
max      = 20
period   = "20s"
interval = "1s"
`, endpoint, s.CoAPS, identity, hex.EncodeToString(key)))
	s.AwaitRegistered(t, endpoint, patience)
	return s, a
}

// eventually reads a path until it is answered: after a restart, the first requests may go to where the agent no longer is.
func eventually(t *testing.T, s *leshan.Server, path string) string {
	t.Helper()
	var a leshan.Answer
	for end := time.Now().Add(patience); time.Now().Before(end); {
		a = s.Do(t, leshan.Request{Endpoint: endpoint, Op: "read", Path: path, Format: lwm2m.FormatText, Timeout: 3 * time.Second})
		if a.Code == "2.05" {
			return a.Content[path]
		}
	}
	t.Fatalf("read %s: %+v", path, a)
	return ""
}

// TestEnduranceKill kills the agent at random instants. Each time it starts again with what it has on disk, reaches the server by itself,
// and still knows the last value whose write it had acknowledged.
func TestEnduranceKill(t *testing.T) {
	s, a := start(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 0
	for end := time.Now().Add(duration(t)); time.Now().Before(end); kills++ {
		want := strconv.Itoa(kills%60 + 1)
		if w := s.Replace(t, endpoint, minimumPeriod, lwm2m.FormatTLV, leshan.Values{"": want}); w.Code != "2.04" {
			t.Fatalf("seed %d, after %d kills: write: %+v", seed, kills, w)
		}
		// Mostly while it works, one time in four while it starts.
		for again := true; again; again = random.IntN(4) == 0 {
			select {
			case <-time.After(time.Duration(random.IntN(2000)) * time.Millisecond):
			case <-a.Done():
				t.Fatalf("seed %d, after %d kills: the agent ended by itself", seed, kills)
			}
			a.Kill(t)
			a.Restart(t)
		}
		if got := eventually(t, s, minimumPeriod); got != want {
			t.Fatalf("seed %d, after %d kills: %s is %s, %s was acknowledged", seed, kills, minimumPeriod, got, want)
		}
	}
	if kills == 0 {
		t.Error("no time for one kill")
	}
	t.Logf("%d kills, seed %d", kills, seed)
}

// TestEnduranceLoad keeps the agent busy, and looks at its memory at the end.
func TestEnduranceLoad(t *testing.T) {
	s, a := start(t)
	requests := 0
	work := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); requests++ {
			after := s.Now(t)
			if o := s.Observe(t, endpoint, sensorValue, lwm2m.FormatSenMLCBOR); o.Code != "2.05" {
				t.Fatalf("after %d rounds: observe: %+v", requests, o)
			}
			s.AwaitNotification(t, after, patience, endpoint, sensorValue, func(leshan.Content) bool { return true })
			if c := s.Cancel(t, endpoint, sensorValue); c.Code != "2.05" {
				t.Fatalf("after %d rounds: cancel: %+v", requests, c)
			}
			for range 100 {
				if r := s.Read(t, endpoint, "/3/0", lwm2m.FormatTLV); r.Code != "2.05" {
					t.Fatalf("after %d rounds: read: %+v", requests, r)
				}
			}
		}
	}
	total := duration(t)
	work(total / 10)
	before := residentKilobytes(t, a.PID())
	work(total - total/10)
	after := residentKilobytes(t, a.PID())
	if after > before*5/4 {
		t.Errorf("resident memory grew from %d kB to %d kB in %d rounds", before, after, requests)
	}
	t.Logf("%d rounds of 103 requests, %d kB then %d kB resident", requests, before, after)
}

// residentKilobytes is VmRSS of proc_pid_status(5).
func residentKilobytes(t *testing.T, pid int) (kB int) {
	t.Helper()
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			if _, err := fmt.Sscan(rest, &kB); err != nil {
				t.Fatal(err)
			}
			return kB
		}
	}
	t.Fatalf("process %d tells no resident memory", pid)
	return 0
}
