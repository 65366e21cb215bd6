package attest

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

// TestDataMode has a port carry a line's bytes both ways, without what the modem says elsewhere, until the line ends.
func TestDataMode(t *testing.T) {
	m := New(nil)
	m.Set("AT", "OK")
	calls := make(chan net.Conn, 1)
	m.HandleBytes("ATD*99#", func(string) Reply {
		far, near := net.Pipe()
		calls <- far
		return Reply{Chunks: []string{"\r\nCONNECT\r\n"}, Online: near}
	})
	port, at := net.Pipe()
	ended := make(chan struct{})
	go func() {
		m.Serve(at)
		close(ended)
	}()
	said := bufio.NewScanner(port)
	want := func(text string) {
		t.Helper()
		for said.Scan() {
			if line := strings.TrimSpace(said.Text()); line == text {
				return
			} else if line != "" {
				t.Fatalf("%q, want %q", line, text)
			}
		}
		t.Fatalf("nothing, want %q", text)
	}
	for range 2 {
		write(t, port, "\x7eATD*99#\r") // with what a call before has left
		want("CONNECT")
		far := <-calls
		if err := m.Say("+CGEV: NW DETACH"); err != nil {
			t.Fatal(err)
		}
		write(t, far, "down\r\n")
		want("down")
		write(t, port, "AT\r")
		buf := make([]byte, 8)
		if n, err := far.Read(buf); err != nil || string(buf[:n]) != "AT\r" {
			t.Errorf("the line has %q, %v", buf[:n], err)
		}
		if err := far.Close(); err != nil {
			t.Fatal(err)
		}
		want("NO CARRIER")
		write(t, port, "AT\r")
		want("OK")
	}
	if err := port.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}
