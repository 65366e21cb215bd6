// Supervisor does on the board, which has no systemd, what systemd does with descriptors (sd_notify(3): FDSTORE, FDSTOREREMOVE, BARRIER,
// READY): it runs its arguments, keeps what they hand over, and starts them again with that when they end in another way than by SIGTERM,
// which it passes on. "SUPERVISOR run N ready with M" tells when the N-th process was ready, which was handed M descriptors.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const socket = "/tmp/notify"

// store is what was handed over; it belongs to the goroutine that takes notifications, but while no process runs.
type store struct {
	names []string
	files []*os.File
}

func main() {
	if err := supervise(os.Args[1:]); err != nil {
		fmt.Println("SUPERVISOR", err)
		os.Exit(1)
	}
}

func supervise(args []string) error {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	var (
		kept    store
		process atomic.Pointer[os.Process]
		told    atomic.Bool
	)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, unix.SIGTERM)
	go func() {
		<-terminate
		told.Store(true)
		_ = process.Load().Signal(unix.SIGTERM) // it may have gone
	}()
	for run := 1; !told.Load(); run++ {
		names := slices.Clone(kept.names)
		// The child tells its own number to itself: LISTEN_PID.
		cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, args...)...)
		cmd.ExtraFiles = kept.files
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		process.Store(cmd.Process)
		ended := make(chan error, 1)
		go func() { ended <- serve(conn, &kept, fmt.Sprintf("run %d ready with %d", run, len(names))) }()
		_ = cmd.Wait() // however it ends
		if err := errors.Join(conn.SetReadDeadline(time.Now()), <-ended, conn.SetReadDeadline(time.Time{})); err != nil {
			return err
		}
	}
	return nil
}

// serve takes notifications until the connection's deadline.
func serve(conn *net.UnixConn, kept *store, ready string) error {
	state, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	for {
		n, m, _, _, err := conn.ReadMsgUnix(state, rights)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		file, err := handed(rights[:m])
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(string(state[:n]), "FDNAME=")
		name, _, _ = strings.Cut(name, "\n")
		switch said := string(state[:n]); {
		case strings.HasPrefix(said, "FDSTORE=1"):
			kept.names, kept.files = append(kept.names, name), append(kept.files, file)
			continue
		case strings.HasPrefix(said, "FDSTOREREMOVE=1"):
			for i := slices.Index(kept.names, name); i >= 0; i = slices.Index(kept.names, name) {
				_ = kept.files[i].Close() // a line
				kept.names, kept.files = slices.Delete(kept.names, i, i+1), slices.Delete(kept.files, i, i+1)
			}
		case strings.Contains(said, "READY=1"):
			fmt.Println("SUPERVISOR", ready)
		}
		if file != nil {
			_ = file.Close() // of a barrier: what came before it is done
		}
	}
}

// handed returns the file that came with a message, nil if none did.
func handed(rights []byte) (*os.File, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(descriptors[0]), "handed"), nil
}
