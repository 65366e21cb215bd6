package control

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// exhaust takes every file descriptor that is left to this process. spare gives back one, free all of them.
func exhaust(t *testing.T) (spare, free func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	const few = 128
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: few, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	spare = func() {
		taken[len(taken)-1].Close()
		taken = taken[:len(taken)-1]
	}
	free = func() {
		for len(taken) > 0 {
			spare()
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(free)
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, unix.EMFILE) {
			return spare, free
		}
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, f)
	}
}

// asks asks for the status on a connection of its own, which it leaves open.
func asks(t *testing.T, path string, spare func()) (net.Conn, error) {
	t.Helper()
	spare()
	c, err := net.Dial("unix", path)
	for errors.Is(err, unix.EMFILE) { // the server has taken it back
		spare()
		c, err = net.Dial("unix", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: agent\r\n\r\n"); err != nil {
		return c, err // it was turned away before
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return c, err
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("%s, %v", r.Status, err)
	}
	return c, nil
}

// TestWithoutFileDescriptors: when the process has none left, one client is served, and others are or are turned away,
// but none waits; with some it is as before.
func TestWithoutFileDescriptors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	end := start(t, newDevice(t), SocketOptions{Path: path})
	if _, err := NewClient(path).Status(t.Context()); err != nil { // it accepts
		t.Fatal(err)
	}
	spare, free := exhaust(t)
	first, err := asks(t, path, spare)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	for range 3 {
		c, err := asks(t, path, spare)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("one more waits: %v", err)
		}
		defer c.Close()
	}
	first.Close()
	free()
	c := NewClient(path)
	for range 2 * enough {
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("with file descriptors: %v", err)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
