package rig

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// commandTime is how long a command in the guest may take.
const commandTime = 3 * time.Minute

// shell is the guest's end of the first serial port, where guest/init.sh runs commands one at a time.
type shell struct {
	mu     sync.Mutex
	conn   net.Conn
	in     *bufio.Reader
	number int
}

func dialShell(t workspace.T, p *process.Process, path string) *shell {
	t.Helper()
	conn := dial(t, p, path)
	return &shell{conn: conn, in: bufio.NewReader(conn)}
}

// dial connects to a socket of QEMU, which opens them all before it loads the kernel but after it has started.
func dial(t workspace.T, p *process.Process, path string) net.Conn {
	t.Helper()
	var dialer net.Dialer
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := dialer.DialContext(t.Context(), "unix", path)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		select {
		case <-again.C:
		case <-p.Done():
			t.Fatalf("QEMU has ended: %s", strings.Join(p.Output(), "\n"))
		}
	}
}

// run runs a command and returns its output and exit status.
func (s *shell) run(command string) (output string, status int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	if err := s.conn.SetDeadline(time.Now().Add(commandTime)); err != nil {
		return "", 0, err
	}
	if _, err := fmt.Fprintf(s.conn, "%d %s\n", s.number, base64.StdEncoding.EncodeToString([]byte(command))); err != nil {
		return "", 0, err
	}
	header, err := s.in.ReadString('\n')
	if err != nil {
		return "", 0, err
	}
	var number, length int
	if _, err := fmt.Sscan(header, &number, &status, &length); err != nil || number != s.number || length < 0 {
		return "", 0, fmt.Errorf("answer %q to command %d", header, s.number)
	}
	bytes := make([]byte, length)
	if _, err := io.ReadFull(s.in, bytes); err != nil {
		return "", 0, err
	}
	return string(bytes), status, nil
}
