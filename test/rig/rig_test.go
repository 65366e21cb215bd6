//go:build rig

package rig

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

const answerTime = 20 * time.Second

var turn sync.Mutex

// inTurn is for the tests that run one after the other, beside those of the machines with two slots, which wait for half of their time: all of
// these begin at once, since they take longest.
func inTurn(t *testing.T) {
	t.Helper()
	t.Parallel()
	turn.Lock()
	t.Cleanup(turn.Unlock)
}

// host is the other end of the stand-in program.
type host struct {
	conn *net.UDPConn
	peer *net.UDPAddr
}

func listen(t *testing.T) *host {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &host{conn: conn}
}

// want waits for a message.
func (h *host) want(t *testing.T, want string) {
	t.Helper()
	message := make([]byte, 200)
	if err := h.conn.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		t.Fatal(err)
	}
	n, peer, err := h.conn.ReadFromUDP(message)
	if err != nil {
		t.Fatalf("wait for %q: %v", want, err)
	}
	h.peer = peer
	if got := string(message[:n]); !strings.HasPrefix(got, want) {
		t.Errorf("the board says %q, want %q", got, want)
	}
}

func (h *host) say(t *testing.T, message string) {
	t.Helper()
	if _, err := h.conn.WriteToUDP([]byte(message), h.peer); err != nil {
		t.Fatal(err)
	}
}

func TestBoard(t *testing.T) {
	inTurn(t)
	b := Start(t, Config{
		Programs: map[string]string{"/payload/standin": Build(t, "./test/rig/standin")},
		Files:    map[string][]byte{"/etc/greeting": []byte("hello")},
	})
	h := listen(t)
	address := fmt.Sprintf("%s:%d", Host, h.conn.LocalAddr().(*net.UDPAddr).Port)
	pid := b.Spawn(t, "/payload/standin "+address)
	h.want(t, "up")

	t.Run("shell", func(t *testing.T) { checkShell(t, b) })
	t.Run("temperature", func(t *testing.T) {
		b.SetTemperature(t, 21.5)
		h.say(t, "sample")
		h.want(t, "temperature 21.5")
		b.SetTemperature(t, -5)
		h.say(t, "sample")
		h.want(t, "temperature -5")
	})
	t.Run("pressure", func(t *testing.T) { checkPressure(t, b) })
	t.Run("lines", func(t *testing.T) {
		b.DriveLine(t, 0, 4, true)
		h.want(t, "input true")
		b.DriveLine(t, 0, 4, false)
		h.want(t, "input false")
		h.say(t, "output 1")
		b.WaitOutput(t, answerTime, 5, true)
		if !b.OutputLevel(t, 0, 5) {
			t.Error("the data register says that the output is low")
		}
		h.say(t, "output 0")
		b.WaitOutput(t, answerTime, 5, false)
	})
	t.Run("bus", func(t *testing.T) {
		b.UnbindI2C(t)
		h.say(t, "sample")
		h.want(t, "temperature sysfs-i2c:")
		b.BindI2C(t)
		h.say(t, "sample")
		h.want(t, "temperature -5")
	})
	t.Run("network", func(t *testing.T) {
		b.Network(t, false)
		b.Run(t, "while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 100000; done")
		b.Network(t, true)
		b.Run(t, "while [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do usleep 100000; done")
		h.say(t, "sample")
		h.want(t, "temperature -5")
	})
	b.Run(t, "kill "+pid)
	b.PowerOff(t)
}

func checkShell(t *testing.T, b *Board) {
	t.Helper()
	if got := b.Run(t, "cat /etc/greeting"); got != "hello" {
		t.Errorf("file = %q", got)
	}
	if out, status := b.Try(t, "echo 'it is'; exit 3"); out != "it is\n" || status != 3 {
		t.Errorf("output %q, status %d", out, status)
	}
	year := b.Run(t, "date +%Y")
	if want := time.Now().UTC().Format("2006"); year != want {
		t.Errorf("year = %s, want %s", year, want)
	}
	b.WaitConsole(t, answerTime, "STANDIN UP")
}

func checkPressure(t *testing.T, b *Board) {
	t.Helper()
	b.AddDPS310(t)
	read := "cat /sys/bus/iio/devices/iio:device*/in_pressure_input"
	if got := b.Run(t, read); got != "92.947000000" {
		t.Errorf("pressure = %s kPa", got)
	}
	b.SetPressure(t, 98000)
	if got := b.Run(t, read); got != "98.000000000" {
		t.Errorf("pressure = %s kPa, want 98", got)
	}
}
