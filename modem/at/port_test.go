package at

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/modem/at/attest"
)

// ptyModem is a simulated modem at a pseudo-terminal.
func ptyModem(t *testing.T) (m *attest.Modem, path string, unplug func()) {
	t.Helper()
	master, path, err := attest.OpenPTY()
	if err != nil {
		t.Skip(err)
	}
	hold, err := os.OpenFile(path, os.O_RDWR, 0) // else the master reads EIO until somebody opens it
	if err != nil {
		t.Fatal(err)
	}
	m = attest.New(nil)
	m.Set("AT", "OK")
	var wait sync.WaitGroup
	wait.Go(func() { m.Serve(master) })
	unplug = sync.OnceFunc(func() {
		_ = hold.Close()
		_ = master.Close()
		wait.Wait()
	})
	t.Cleanup(unplug)
	return m, path, unplug
}

func open(t *testing.T, name string) (*Channel, <-chan error) {
	t.Helper()
	port, err := Open(t.Context(), name, 115200)
	if err != nil {
		t.Fatal(err)
	}
	c := NewChannel(port, func(string) {})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var wait sync.WaitGroup
	wait.Go(func() { ended <- c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wait.Wait()
	})
	return c, ended
}

func TestSerialPort(t *testing.T) {
	m, path, unplug := ptyModem(t)
	m.Echo(true)
	m.Set("AT+CSQ", "+CSQ: 18,99", "OK")
	c, ended := open(t, path)
	got, err := c.Do(t.Context(), Command{Text: "+CSQ", Prefix: "+CSQ:"})
	if !slices.Equal(got, []string{"+CSQ: 18,99"}) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Open(t.Context(), path, 115200); !errors.Is(err, ErrHeld) {
		t.Errorf("opened twice: %v", err)
	}
	m.Silence(true)
	time.AfterFunc(50*time.Millisecond, unplug)
	if _, err := c.Do(t.Context(), Command{Text: "+CSQ", Prefix: "+CSQ:"}); !errors.Is(err, ErrClosed) {
		t.Errorf("unplugged: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("unplugged, and Run says nothing")
	}
}

func TestTCPPort(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := attest.New(nil)
	m.Set("AT+CSQ", "+CSQ: 18,99", "OK")
	var wait sync.WaitGroup
	wait.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		m.Serve(conn)
	})
	t.Cleanup(func() {
		_ = l.Close()
		wait.Wait()
	})
	c, _ := open(t, "tcp:"+l.Addr().String())
	if got, err := c.Do(t.Context(), Command{Text: "+CSQ", Prefix: "+CSQ:"}); len(got) != 1 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFind has a port that never answers before the one that does.
func TestFind(t *testing.T) {
	quiet, quietPath, _ := ptyModem(t)
	quiet.Silence(true)
	m, path, _ := ptyModem(t)
	m.Set("AT", "ERROR") // an answer all the same
	dir := t.TempDir()
	for name, to := range map[string]string{"ttyUSB0": quietPath, "ttyUSB1": path} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Find(t.Context(), filepath.Join(dir, "ttyUSB*"), 115200)
	if got != filepath.Join(dir, "ttyUSB1") || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Find(t.Context(), filepath.Join(dir, "ttyACM*"), 115200); err == nil {
		t.Error("found what is not there")
	}
}

func TestPortsThatCannotBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"/dev/ttyNONE7": "plugged in", file: "no terminal", "tcp:127.0.0.1:1": "refused",
	} {
		if _, err := Open(t.Context(), name, 9600); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
