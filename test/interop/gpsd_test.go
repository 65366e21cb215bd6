//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// epoch is what a receiver that drives east at 10 m/s says within a second.
func epoch(at time.Time) string {
	clock, date := at.Format("150405.00"), at.Format("020106")
	var out strings.Builder
	for _, body := range []string{
		"GPRMC," + clock + ",A,4717.11400,N,00830.10000,E,19.438,90.00," + date + ",,,A",
		"GPVTG,90.00,T,,M,19.438,N,36.000,K,A",
		"GPGGA," + clock + ",4717.11400,N,00830.10000,E,1,08,1.01,499.6,M,48.0,M,,",
		"GPGSA,A,3,23,29,07,08,09,18,26,28,,,,,1.94,1.01,1.65",
	} {
		var sum byte
		for i := range len(body) {
			sum ^= body[i]
		}
		fmt.Fprintf(&out, "$%s*%02X\r\n", body, sum)
	}
	return out.String()
}

// receiver is a serial port on which a receiver speaks until the test ends, each second.
func receiver(t *testing.T) (path string) {
	t.Helper()
	master, path, err := attest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	hold, err := os.OpenFile(path, os.O_RDWR, 0) // it is there when nobody listens
	if err == nil {
		err = os.Chmod(path, 0o666) // gpsd is another user
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for at := time.Now().UTC().Truncate(time.Second); ctx.Err() == nil; at = at.Add(time.Second) {
			for sentence := range strings.Lines(epoch(at)) {
				_ = master.SetWriteDeadline(time.Now().Add(time.Second))
				_, _ = master.WriteString(sentence) // what nobody reads is lost
				<-time.After(20 * time.Millisecond) // as at 38,400 baud
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(at.Add(time.Second))):
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		hold.Close()
		master.Close()
	})
	return path
}

// TestGPSD: what a receiver says gives the same object 6 through the real gpsd and from its serial port. A gpsd that has ended is told,
// and followed again when it is back.
func TestGPSD(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	a := gateway.Start(t, fmt.Sprintf("endpoint = \"gw-gpsd\"\n[location]\nsource = \"gpsd\"\naddress = \"127.0.0.1:%d\"\ninterval = \"1s\"\n", port))
	awaitTrouble(t, a, "receiver-failing", "gpsd")
	device := receiver(t)
	daemon := gpsd(t, port, device)
	awaitPosition(t, a)
	daemon.Kill(t)
	awaitTrouble(t, a, "receiver-failing", "gpsd")
	gpsd(t, port, device)
	a.AwaitStatus(t, "gpsd is back", func(s gateway.Status) bool { return trouble(s, "receiver-failing") == "" })
	a.Stop(t)

	b := gateway.Start(t, fmt.Sprintf("endpoint = \"gw-nmea\"\n[location]\nsource = \"nmea\"\ndevice = %q\ninterval = \"1s\"\n", receiver(t)))
	awaitPosition(t, b)
	b.Stop(t)
}

// gpsd starts the daemon on a serial port.
func gpsd(t *testing.T, port int, device string) *process.Process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/sbin/gpsd", "-N", "-n", "-b", "-S", fmt.Sprint(port), device)
	return process.Start(t, cmd, workspace.Artifact(t, "gpsd.log"))
}

// awaitPosition waits until object 6 has all that the receiver says.
func awaitPosition(t *testing.T, a *gateway.Agent) {
	t.Helper()
	want := map[string]float64{ // with how far gpsd may round
		"/6/0/0": 47 + 17.114/60, "/6/0/1": 8 + 30.1/60, "/6/0/2": 499.6, "/6/0/3": 1.01 * 19, "/6/0/6": 10,
	}
	var got map[string]float64
	a.AwaitStatus(t, "a position", func(gateway.Status) bool {
		got = object6(t, a)
		for path, v := range want {
			if math.Abs(got[path]-v) > 0.01 {
				return false
			}
		}
		return true
	})
}

// object6 returns the numbers of object 6.
func object6(t *testing.T, a *gateway.Agent) map[string]float64 {
	t.Helper()
	out, status := a.Run(t, "read", "-json", "/6")
	var values []struct {
		Path  string
		Value any
	}
	if status != 0 || json.Unmarshal([]byte(out), &values) != nil {
		return nil
	}
	got := make(map[string]float64)
	for _, v := range values {
		if n, ok := v.Value.(float64); ok {
			got[v.Path] = n
		}
	}
	return got
}
