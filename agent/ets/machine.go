package ets

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Machine is the simulated machine of a sandbox: files as Linux shows them in Root, a
// clock, and sensors. Nothing that is done to it reaches the real machine.
type Machine struct {
	Root    string        // folder that stands for "/"
	reboots chan struct{} // has room for one
	mu      sync.Mutex
	offset  time.Duration // of its clock from the real one
	sensed  Sensed
}

// Sensed is what the machine's modem and receiver report.
type Sensed struct {
	Signal              int64   // dBm
	Latitude, Longitude float64 // degrees, WGS 84
}

// initiallySensed is what a new machine reports.
func initiallySensed() Sensed { return Sensed{Signal: -87, Latitude: 48.2083, Longitude: 16.3731} }

// zone is the time zone that the procedures set, beside those that need no file.
const zone = "Europe/Paris"

// newMachine makes a machine whose files lie in a folder.
func newMachine(root string) (*Machine, error) {
	m := &Machine{Root: root, reboots: make(chan struct{}, 1), sensed: initiallySensed()}
	files := map[string]string{
		"etc/os-release":                     "ID=ets\nVERSION_ID=1.0\n",
		"proc/meminfo":                       "MemTotal: 262144 kB\nMemAvailable: 131072 kB\n",
		"usr/share/zoneinfo/" + zone:         timezone("CET-1CEST,M3.5.0,M10.5.0/3"),
		"sys/class/power_supply/BAT0/type":   "Battery\n",
		"sys/class/power_supply/BAT0/status": "Discharging\n",
		"sys/class/power_supply/USB0/type":   "USB\n",
		"sys/class/power_supply/USB0/online": "1\n",
		"sys/class/net/wwan0/ifindex":        "2147483647\n", // of no interface of the real machine
		"sys/class/net/wwan0/uevent":         "DEVTYPE=wwan\n",
	}
	for name, text := range files {
		if err := m.put(name, text); err != nil {
			return nil, err
		}
	}
	return m, errors.Join(m.boot(), m.Power(3800, 125, 80), m.Traffic(0, 0))
}

// put writes one of the machine's files.
func (m *Machine) put(name, text string) error {
	file := filepath.Join(m.Root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("simulated machine: %w", err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("simulated machine: %w", err)
	}
	return nil
}

// Power sets what the battery says, in mV, mA and percent. The other source, USB, has
// 5 V and the same current.
func (m *Machine) Power(millivolts, milliamperes, percent int64) error {
	const folder = "sys/class/power_supply/"
	return errors.Join(
		m.put(folder+"BAT0/voltage_now", fmt.Sprintln(millivolts*1000)),
		m.put(folder+"BAT0/current_now", fmt.Sprintln(milliamperes*1000)),
		m.put(folder+"BAT0/capacity", fmt.Sprintln(percent)),
		m.put(folder+"USB0/voltage_now", "5000000\n"),
		m.put(folder+"USB0/current_now", fmt.Sprintln(milliamperes*1000)),
	)
}

// Traffic sets what the network interface has counted, in bytes.
func (m *Machine) Traffic(sent, received int64) error {
	const folder = "sys/class/net/wwan0/statistics/"
	return errors.Join(m.put(folder+"tx_bytes", fmt.Sprintln(sent)), m.put(folder+"rx_bytes", fmt.Sprintln(received)))
}

// Sensed returns what modem and receiver report.
func (m *Machine) Sensed() Sensed {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sensed
}

// Sense sets what modem and receiver report.
func (m *Machine) Sense(s Sensed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sensed = s
}

// CanReboot implements host.Control.
func (m *Machine) CanReboot(context.Context) error { return nil }

// Reboot implements host.Control: the sandbox starts the device anew.
func (m *Machine) Reboot(context.Context) error {
	select {
	case m.reboots <- struct{}{}:
		return m.boot()
	default: // it reboots already
	}
	return nil
}

// boot gives the machine another boot ID.
func (m *Machine) boot() error {
	return errors.Join(m.put("proc/sys/kernel/random/boot_id", rand.Text()), m.put("proc/uptime", "1.00 1.00\n"))
}

// SetTime implements host.Control.
func (m *Machine) SetTime(_ context.Context, t time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offset = time.Until(t)
	return nil
}

// SetTimezone implements host.Control.
func (m *Machine) SetTimezone(_ context.Context, name string) error {
	link := filepath.Join(m.Root, "etc/localtime")
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("simulated machine: %w", err)
	}
	if err := os.Symlink("../usr/share/zoneinfo/"+name, link); err != nil {
		return fmt.Errorf("simulated machine: %w", err)
	}
	return nil
}

// Now is the machine's clock.
func (m *Machine) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.offset)
}

// timezone returns a file of the time zone database that says what a text in the
// notation of TZ does (RFC 8536, section 3): two headers, each with one local time.
func timezone(tz string) string {
	header := append([]byte("TZif2"), make([]byte, 15)...)
	for _, n := range []uint32{0, 0, 0, 0, 1, 4} {
		header = binary.BigEndian.AppendUint32(header, n)
	}
	header = append(header, "\x00\x00\x00\x00\x00\x00UTC\x00"...)
	return string(header) + string(header) + "\n" + tz + "\n"
}
