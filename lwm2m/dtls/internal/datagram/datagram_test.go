package datagram

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestIsLoss(t *testing.T) {
	for err, want := range map[error]bool{
		io.EOF:                 false,
		os.ErrDeadlineExceeded: false,
		net.ErrClosed:          false,
		syscall.EBADF:          false,
		syscall.ECONNREFUSED:   true,
		fmt.Errorf("read: %w", os.NewSyscallError("recvfrom", syscall.EHOSTUNREACH)): true,
	} {
		if got := IsLoss(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// A port that answers with ICMP, then a server there: the write that reports the
// ICMP message is made good.
func TestWriteAfterICMP(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := server.LocalAddr().(*net.UDPAddr)
	server.Close()
	conn, err := net.DialUDP("udp", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := Write(conn, []byte("to nobody")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 10)); !IsLoss(err) {
		t.Fatalf("read: %v", err)
	}
	if err := Write(conn, []byte("to nobody")); err != nil { // leaves an ICMP error for the next
		t.Fatal(err)
	}
	if server, err = net.ListenUDP("udp", addr); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := Write(conn, []byte("hello")); err != nil {
		t.Fatalf("write: %v", err)
	}
	buf := make([]byte, 10)
	if n, err := server.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("server read %q, %v", buf[:n], err)
	}
}

// failing is a connection whose writes fail.
type failing struct {
	net.Conn

	err    error
	writes int
}

func (f *failing) Write([]byte) (int, error) {
	f.writes++
	return 0, f.err
}

func TestWriteFails(t *testing.T) {
	for err, writes := range map[error]int{syscall.ENETUNREACH: 2, io.ErrClosedPipe: 1} {
		f := &failing{err: err}
		if got := Write(f, nil); !errors.Is(got, err) || f.writes != writes {
			t.Errorf("%v after %d writes, want %v after %d", got, f.writes, err, writes)
		}
	}
}
