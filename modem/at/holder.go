package at

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// heldBy says that another program has the port, and what to do about it.
func heldBy(by string) error {
	if agent, ok := strings.CutSuffix(by, ": "+ErrAgent.Error()); ok {
		return fmt.Errorf("%w: %s: %w", ErrHeld, agent, ErrAgent)
	}
	return fmt.Errorf("%w: %s", ErrHeld, by)
}

// holder names a program that has the port open, or says so by a lock file: "ModemManager (process 812)"; ""
// if none is seen. Without privileges the files of other users' programs are not.
func holder(path string) string {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	if by := fileLocker(target); by != "" {
		return by
	}
	if strings.HasPrefix(target, "/dev/pts/") {
		return "" // whoever makes a pseudo-terminal may keep its other end open
	}
	return opener(target)
}

// opener names a program that has a port open, of those whose files may be seen.
func opener(path string) string {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	open, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range open {
		pid := strings.Split(fd, "/")[2]
		if to, err := os.Readlink(fd); err == nil && to == target && pid != strconv.Itoa(os.Getpid()) {
			return program(pid)
		}
	}
	return ""
}

// lockFolders are where programs such as minicom and pppd tell which port is theirs (Filesystem Hierarchy Standard 3.0, clause 5.9).
var lockFolders = []string{"/run/lock", "/var/lock"}

// fileLocker names the program that a lock file of a port is of, if it still runs.
func fileLocker(target string) string {
	for _, folder := range lockFolders {
		content, err := os.ReadFile(filepath.Join(folder, "LCK.."+filepath.Base(target)))
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(string(bytes.TrimSpace(content[:min(len(content), 16)])))
		if err != nil || pid < 1 || pid == os.Getpid() {
			continue
		}
		if by := program(strconv.Itoa(pid)); by != "" {
			return by
		}
	}
	return ""
}

// locker names the program that has locked an open file (proc_locks(5): "1: FLOCK  ADVISORY  WRITE 812 00:15:7 0 EOF").
func locker(fd int) string {
	var st unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(fd, &st) != nil {
		return ""
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino) //nolint:unconvert // a number of other sizes elsewhere
	for line := range strings.Lines(string(locks)) {
		if f := strings.Fields(line); len(f) > 5 && f[1] == "FLOCK" && f[5] == file && f[4] != strconv.Itoa(os.Getpid()) {
			return program(f[4])
		}
	}
	return ""
}

// program says which program a process is, and how it is had to let go of the port; "" if it has ended.
func program(pid string) string {
	comm, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	if err != nil {
		return ""
	}
	name := cmp.Or(strings.TrimSpace(string(comm)), "a program")
	return name + " (process " + pid + ")" + advice(name)
}

// agentProgram is the name of this program.
const agentProgram = "lwm2m-agent"

// takers are programs that take the ports of modems by themselves.
var takers = []string{agentProgram, "ModemManager", "pppd", "gpsd", "smsd", "wvdial", "minicom", "picocom"}

// unseen says what is known of a program whose files may not be seen: which of those that run takes such ports.
func unseen(what string) string {
	comms, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, taker := range takers {
		for _, path := range comms {
			pid := strings.Split(path, "/")[2]
			if comm, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(comm)) == taker && pid != strconv.Itoa(os.Getpid()) {
				return what + ", perhaps by " + program(pid)
			}
		}
	}
	return what + ", by a program that this user may not see (as root: fuser -v on the port)"
}

// advice says how a program is had to let go of the port.
func advice(program string) string {
	switch program {
	case "ModemManager":
		return `: let it alone with this modem by a udev rule that sets ENV{ID_MM_DEVICE_IGNORE}="1"`
	case agentProgram:
		return ": " + ErrAgent.Error()
	}
	return ": end it, or give the agent another port of the module"
}
