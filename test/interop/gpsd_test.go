//go:build interop

package interop

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// TestGPSD: what a receiver says gives the same object 6 through the real gpsd, for which gpsfake plays a log of it, from that log, from a
// serial port, and by a modem's own command. A gpsd that has ended is told, and followed again when it is back.
func TestGPSD(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	a := locating(t, fmt.Sprintf("source = \"gpsd\"\naddress = \"127.0.0.1:%d\"\n", port))
	awaitTrouble(t, a, "receiver-failing", "gpsd")
	daemon := gpsfake(t, port)
	awaitPosition(t, a)
	daemon.Stop(t)
	awaitTrouble(t, a, "receiver-failing", "gpsd")
	gpsfake(t, port)
	a.AwaitStatus(t, "gpsd is back", func(s gateway.Status) bool { return trouble(s, "receiver-failing") == "" })
	a.Stop(t)

	for _, source := range []string{
		fmt.Sprintf("source = \"nmea\"\ndevice = %q\n", receiver(t)),
		fmt.Sprintf("source = \"nmea\"\ndevice = %q\n", recorded(t)),
		fmt.Sprintf("source = \"modem\"\ndevice = \"wwan\"\n[[modem]]\nname = \"wwan\"\ndriver = \"at\"\nport = %q\n", located(t)),
	} {
		a := locating(t, source)
		awaitPosition(t, a)
		a.Stop(t)
	}
}

// locating starts an agent that knows its position by a source.
func locating(t *testing.T, source string) *gateway.Agent {
	t.Helper()
	return gateway.Start(t, "endpoint = \"gw-gnss\"\n[location]\ninterval = \"1s\"\n"+source)
}

// located is the port of an EC25 that is asked for what its receiver says.
func located(t *testing.T) (path string) {
	t.Helper()
	m, path, unplug, err := attest.PlugIn(filepath.Join(workspace.Root(t), "modem", "at", "testdata", "module", "ec25.at"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unplug)
	m.Set("AT+QGPS=1", "OK")
	m.Set("AT+QGPSEND", "OK")
	m.Handle("AT+QGPSLOC=2", func(string) string { return quectel(epoch(time.Now().UTC().Truncate(time.Second))) + "\nOK" })
	return path
}

// quectel says what an epoch of NMEA 0183 does as AT+QGPSLOC=2 has it (Quectel EC25 & EC21 GNSS AT Commands Manual):
// <UTC>,<latitude>,<longitude>,<HDOP>,<altitude>,<fix>,<COG>,<km/h>,<knots>,<date>,<nsat>.
func quectel(epoch string) string {
	said := make(map[string][]string)
	for line := range strings.Lines(epoch) {
		f := strings.Split(line, ",")
		said[f[0]] = f
	}
	degrees := func(text string, digits int) float64 {
		whole, _ := strconv.ParseFloat(text[:digits], 64)
		minutes, _ := strconv.ParseFloat(text[digits:], 64)
		return whole + minutes/60
	}
	rmc, gga, vtg := said["$GPRMC"], said["$GPGGA"], said["$GPVTG"]
	hdop, _ := strconv.ParseFloat(gga[8], 64)
	return fmt.Sprintf("+QGPSLOC: %s,%.5f,%.5f,%.1f,%s,3,%s,%s,%s,%s,%s", rmc[1], degrees(rmc[3], 2), degrees(rmc[5], 3), hdop, gga[9], rmc[8], vtg[7], rmc[7], rmc[9], gga[7])
}

// recorded is a log of what the receiver has said in the last seconds.
func recorded(t *testing.T) (path string) {
	t.Helper()
	var log strings.Builder
	now := time.Now().UTC().Truncate(time.Second)
	for ago := range 5 {
		log.WriteString(epoch(now.Add(time.Duration(ago-4) * time.Second)))
	}
	path = filepath.Join(t.TempDir(), "log.nmea")
	if err := os.WriteFile(path, []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

//go:embed testdata/gpsfake.sh
var gpsfakeScript string

// gpsfakeWhenReady runs gpsfake so that it waits until gpsd listens: by itself it waits for the name of gpsd's control socket, which is there a moment
// before, and names no receiver to a gpsd that does not listen yet.
//
//go:embed testdata/gpsfake.py
var gpsfakeWhenReady string

// gpsfake starts gpsfake, which starts the real gpsd at a port, with a receiver at a pseudo-terminal, and plays a log there again and again.
func gpsfake(t *testing.T, port int) *process.Process {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), "/usr/sbin/gpsd", "-V").Output() // of which gpsfake must be, too
	if err != nil {
		t.Fatalf("gpsd: %v", err)
	}
	dir := workspace.Cached(t, "gpsfake", []string{gpsfakeScript, string(version)}, func(dir string) error {
		fetch := exec.CommandContext(t.Context(), "bash", "-s", dir)
		fetch.Stdin = strings.NewReader(gpsfakeScript)
		if out, err := fetch.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	// -n: gpsd listens to the receiver from the start. -c: an epoch of four sentences each second.
	cmd := exec.CommandContext(t.Context(), "python3", "-c", gpsfakeWhenReady, filepath.Join(dir, "usr/bin/gpsfake"), "-n", "-c", "0.25", "-P", fmt.Sprint(port), recorded(t))
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(dir, "usr/lib/python3/dist-packages"), "TMPDIR="+t.TempDir())
	return process.Start(t, cmd, workspace.Artifact(t, "gpsfake.log"))
}

// awaitPosition waits until object 6 has all that the receiver says.
func awaitPosition(t *testing.T, a *gateway.Agent) {
	t.Helper()
	want := map[string]float64{"/6/0/0": 47 + 17.114/60, "/6/0/1": 8 + 30.1/60, "/6/0/2": 499.6, "/6/0/3": 1.01 * 19, "/6/0/6": 10}
	within := map[string]float64{"/6/0/0": 1e-5, "/6/0/1": 1e-5, "/6/0/2": 0.01, "/6/0/3": 0.2, "/6/0/6": 0.01} // as exactly as gpsd and modules tell it
	const east = "AFoAJA=="                                                                                     // 90 degrees, 36 km/h: 3GPP TS 23.032, clause 8.12
	began := time.Now()
	a.AwaitStatus(t, "a position", func(gateway.Status) bool {
		got := object6(t, a)
		for path, v := range want {
			if n, ok := got[path].(float64); !ok || math.Abs(n-v) > within[path] {
				return false
			}
		}
		at, _ := got["/6/0/5"].(float64)
		when := time.Unix(int64(at), 0)
		return got["/6/0/4"] == east && when.After(began.Add(-time.Minute)) && !when.After(time.Now())
	})
}

// object6 returns the values of object 6.
func object6(t *testing.T, a *gateway.Agent) map[string]any {
	t.Helper()
	out, status := a.Run(t, "read", "-json", "/6")
	var values []struct {
		Path  string
		Value any
	}
	if status != 0 || json.Unmarshal([]byte(out), &values) != nil {
		return nil
	}
	got := make(map[string]any)
	for _, v := range values {
		got[v.Path] = v.Value
	}
	return got
}
