package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/test/process"
)

// floor times what no program can do without: a datagram to and fro between two bare sockets
// over loopback, each read by a thread that waits in the kernel.
func (b *bench) floor() {
	b.placed("two bare sockets, a datagram to and fro: what the kernel takes of each exchange", func(name string) {
		b.add(row{name, b.bareExchanges(shortDatagram).String(), "–", "–", true})
	})
}

// placed makes a measurement with both processes on one processor, and then as the kernel places them.
func (b *bench) placed(what string, measure func(name string)) {
	b.bound(func() { measure(what + "; both processes on one processor") })
	if b.divisor == 1 { // else it is the same once more
		measure("the same, as the kernel places the processes")
	}
}

// bound runs f with this process, and what it starts, on one processor. Where two processes have one each, every
// message must first wake a processor that sleeps, which a virtual machine takes longer for than for all the rest.
func (b *bench) bound(f func()) {
	var all, one unix.CPUSet
	b.must(unix.SchedGetaffinity(0, &all), "ask for the processors")
	for cpu := range len(all) * 64 {
		if all.IsSet(cpu) && one.Count() == 0 {
			one.Set(cpu)
		}
	}
	b.bind(&one)
	defer b.bind(&all)
	f()
}

// bind lets the threads of this process run on some processors; threads and processes that they start inherit it.
func (b *bench) bind(set *unix.CPUSet) {
	threads, err := os.ReadDir("/proc/self/task")
	b.must(err, "list the threads")
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		b.must(err, "list the threads")
		if err := unix.SchedSetaffinity(id, set); !errors.Is(err, unix.ESRCH) {
			b.must(err, "bind a thread to processors")
		}
	}
}

// Sizes of datagrams in bytes: of a request without a body, and the most that is sent.
const (
	shortDatagram   = 20
	longestDatagram = 2048
)

// bareExchanges times datagrams of a size to and fro between two processes.
func (b *bench) bareExchanges(size int) (t timing) {
	b.during(func() {
		s := b.bareSocket()
		self, err := os.Executable()
		b.must(err, "find this program")
		cmd := exec.CommandContext(b.ctx, self, "-echo", fmt.Sprint(s.port))
		process.Start(b, cmd, filepath.Join(b.temp, "echo.log"))
		t = s.exchanges(size)
	})
	return t
}

// roundTrips is how many exchanges a second of a body's block the bare sockets make.
func (b *bench) roundTrips(block int) float64 { return b.bareExchanges(block + shortDatagram).rate }

// bareSocket is a blocking UDP socket on a loopback port.
type bareSocket struct {
	b        *bench
	fd, port int
}

func (b *bench) bareSocket() *bareSocket {
	fd, port, err := openBare(0)
	b.must(err, "open a socket")
	b.Cleanup(func() { _ = unix.Close(fd) })
	return &bareSocket{b, fd, port}
}

// exchanges waits for the other end and sends it datagrams.
func (s *bareSocket) exchanges(size int) timing {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	buf := make([]byte, longestDatagram)
	_, from, err := unix.Recvfrom(s.fd, buf, 0)
	s.b.must(err, "wait for the other end")
	s.b.must(unix.Connect(s.fd, from), "connect")
	return s.b.repeat(readCount, func() {
		_, err := unix.Write(s.fd, buf[:size])
		s.b.must(err, "send")
		_, err = unix.Read(s.fd, buf)
		s.b.must(err, "receive")
	})
}

// openBare opens a blocking UDP socket on loopback and connects it to a port there, unless
// that is 0. It returns the socket's own port.
func openBare(peer int) (fd, port int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, 0, err
	}
	loopback := [4]byte{127, 0, 0, 1}
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback})
	if err == nil && peer != 0 {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: peer, Addr: loopback})
	}
	var at unix.Sockaddr
	if err == nil {
		at, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, 0, err
	}
	return fd, at.(*unix.SockaddrInet4).Port, nil //nolint:forcetypeassert // it is bound to one
}

// echo sends back what comes from a port, until ctx ends or the other end is gone.
func echo(ctx context.Context, port int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, _, err := openBare(port)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	second := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &second); err != nil {
		return err
	}
	buf := make([]byte, longestDatagram)
	_, err = unix.Write(fd, buf[:1])
	for err == nil && ctx.Err() == nil {
		var n int
		if n, err = unix.Read(fd, buf); errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			err = nil // time to look at ctx
			continue
		}
		if err == nil {
			_, err = unix.Write(fd, buf[:n])
		}
	}
	return nil // the other end is gone
}

// median runs f several times and returns the median of what it takes.
func (b *bench) median(runs int, f func() time.Duration) time.Duration {
	each := make([]time.Duration, b.times(runs))
	for i := range each {
		each[i] = f()
	}
	slices.Sort(each)
	return each[len(each)/2]
}

// startOf is how long a program takes to start, do next to nothing and end.
func (b *bench) startOf(program string, args ...string) time.Duration {
	return b.median(starts, func() time.Duration {
		before := time.Now()
		b.must(exec.CommandContext(b.ctx, program, args...).Run(), "start a program")
		return time.Since(before)
	})
}

// empty builds a program of Go that does nothing.
func (b *bench) empty() string {
	dir := b.TempDir()
	source, program := filepath.Join(dir, "empty.go"), filepath.Join(dir, "empty")
	b.must(os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600), "write a program")
	cmd := exec.CommandContext(b.ctx, "go", "build", "-ldflags", "-s -w", "-o", program, source)
	out, err := cmd.CombinedOutput()
	b.must(err, string(out))
	return program
}
