package at

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHolds is no test but another program, where it is told a port to hold: "flock", "exclusive" or "open", and its name.
func TestHolds(t *testing.T) {
	path, how, name := os.Getenv("HOLD_PORT"), os.Getenv("HOLD_HOW"), os.Getenv("HOLD_NAME")
	if path == "" {
		return
	}
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	switch how {
	case "flock":
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	case "exclusive":
		err = unix.IoctlSetInt(int(f.Fd()), unix.TIOCEXCL, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("holds")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the other test ends
	if how == "exclusive" {
		_ = unix.IoctlSetInt(int(f.Fd()), unix.TIOCNXCL, 0) // the other end of the pseudo-terminal stays open
	}
}

// hold has another program of a name hold a port until end.
func hold(t *testing.T, path, how, name string) (pid int, end func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHolds$")
	cmd.Env = append(os.Environ(), "HOLD_PORT="+path, "HOLD_HOW="+how, "HOLD_NAME="+name)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "holds\n" {
		end()
		t.Fatalf("%q, %v", line, err)
	}
	return cmd.Process.Pid, end
}

// TestHeldPort names the program that has a port, by whatever it is seen, and says what to do. When the program has ended, the port is free.
func TestHeldPort(t *testing.T) {
	_, path, _ := ptyModem(t)
	defer func(before []string) { lockFolders = before }(lockFolders)
	lockFolders = []string{t.TempDir()}
	lockFile := filepath.Join(lockFolders[0], "LCK.."+filepath.Base(path))
	refused := func(t *testing.T, want string) {
		t.Helper()
		if port, err := Open(t.Context(), path, 115200); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
			if err == nil {
				_ = port.Close()
			}
		}
	}
	free := func(t *testing.T) {
		t.Helper()
		port, err := Open(t.Context(), path, 115200)
		if err != nil {
			t.Fatal(err)
		}
		_ = port.Close()
		release(t, path)
	}
	t.Run("flock", func(t *testing.T) {
		pid, end := hold(t, path, "flock", "smsd")
		refused(t, fmt.Sprintf("another program holds the port: smsd (process %d): end it, or give the agent another port of the module", pid))
		end()
		free(t)
	})
	t.Run("lock file", func(t *testing.T) {
		pid, end := hold(t, path, "open", "minicom")
		if err := os.WriteFile(lockFile, fmt.Appendf(nil, "%10d\n", pid), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, fmt.Sprintf("another program holds the port: minicom (process %d)", pid))
		end()
		free(t) // the file stays, and its process has ended
		if err := os.Remove(lockFile); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("exclusive", func(t *testing.T) {
		_, end := hold(t, path, "exclusive", "ModemManager")
		unprivileged(t, func() { // there may be another one on this machine
			refused(t, "it was opened exclusively, perhaps by ModemManager (process ")
			refused(t, "): let it alone with this modem by a udev rule")
		})
		end()
		free(t)
	})
	t.Run("by whom is not seen", func(t *testing.T) {
		_, end := hold(t, path, "exclusive", "something")
		defer end()
		unprivileged(t, func() {
			if err := openAs(t, path); err == nil || !strings.Contains(err.Error(), "it was opened exclusively") && !strings.Contains(err.Error(), "something (process") {
				t.Error(err)
			}
		})
	})
}

func openAs(t *testing.T, path string) error {
	t.Helper()
	port, err := Open(t.Context(), path, 115200)
	if err == nil {
		_ = port.Close()
	}
	return err
}

// release takes back that a pseudo-terminal is exclusive, which ends with the last one that has it open: here that is the test.
func release(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.IoctlSetInt(int(f.Fd()), unix.TIOCNXCL, 0); err != nil {
		t.Fatal(err)
	}
}

// unprivileged runs f without what lets root open a port that is another's (CAP_SYS_ADMIN).
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}
