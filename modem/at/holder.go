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

// occupant is a program that has a port; the zero occupant is none that is seen.
type occupant struct {
	words string // "ModemManager (process 812)", and what to do about it
	agent bool   // it is an agent, or may well be
}

// heldBy says that another program has the port, and what to do about it.
func heldBy(by occupant) error {
	if by.agent {
		return fmt.Errorf("%w: %s: %w", ErrHeld, by.words, ErrAgent)
	}
	return fmt.Errorf("%w: %s", ErrHeld, by.words)
}

// holder returns a program that has the port open, or says so by a lock file. Without privileges the files of other users'
// programs are not seen.
func holder(path string) (by occupant) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return by
	}
	if by = fileLocker(target); by != (occupant{}) {
		return by
	}
	if strings.HasPrefix(target, "/dev/pts/") {
		return by // whoever makes a pseudo-terminal may keep its other end open
	}
	return opener(target)
}

// opener names a program that has a port open, of those whose files may be seen.
func opener(path string) (by occupant) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return by
	}
	open, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return by
	}
	for _, fd := range open {
		pid := strings.Split(fd, "/")[2]
		if to, err := os.Readlink(fd); err == nil && to == target && pid != strconv.Itoa(os.Getpid()) {
			return program(pid)
		}
	}
	return by
}

// lockFolders are where programs such as minicom and pppd tell which port is theirs (Filesystem Hierarchy Standard 3.0, clause 5.9).
var lockFolders = []string{"/run/lock", "/var/lock"}

// fileLocker names the program that a lock file of a port is of, if it still runs.
func fileLocker(target string) (by occupant) {
	for _, folder := range lockFolders {
		content, err := os.ReadFile(filepath.Join(folder, "LCK.."+filepath.Base(target)))
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(string(bytes.TrimSpace(content[:min(len(content), 16)])))
		if err != nil || pid < 1 || pid == os.Getpid() {
			continue
		}
		if by = program(strconv.Itoa(pid)); by != (occupant{}) {
			return by
		}
	}
	return by
}

// locker names the program that has locked an open file (proc_locks(5): "1: FLOCK  ADVISORY  WRITE 812 00:15:7 0 EOF").
func locker(fd int) (by occupant) {
	var st unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(fd, &st) != nil {
		return by
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino) //nolint:unconvert // a number of other sizes elsewhere
	for line := range strings.Lines(string(locks)) {
		if f := strings.Fields(line); len(f) > 5 && f[1] == "FLOCK" && f[5] == file && f[4] != strconv.Itoa(os.Getpid()) {
			return program(f[4])
		}
	}
	return by
}

// program says which program a process is, and how it is had to let go of the port.
func program(pid string) (by occupant) {
	comm, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	if err != nil {
		return by // it has ended
	}
	name := cmp.Or(strings.TrimSpace(string(comm)), "a program")
	by.words, by.agent = name+" (process "+pid+")", name == agentProgram
	switch {
	case by.agent: // which stays
	case name == "ModemManager":
		by.words += `: let it alone with this modem by a udev rule that sets ENV{ID_MM_DEVICE_IGNORE}="1"`
	default:
		by.words += ": end it, or give the agent another port of the module"
	}
	return by
}

// agentProgram is the name of this program.
const agentProgram = "lwm2m-agent"

// takers are programs that take the ports of modems by themselves.
var takers = []string{agentProgram, "ModemManager", "pppd", "gpsd", "smsd", "wvdial", "minicom", "picocom"}

// unseen says what is known of a program whose files may not be seen: which of those that run takes such ports.
func unseen(what string) occupant {
	comms, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, taker := range takers {
		for _, path := range comms {
			pid := strings.Split(path, "/")[2]
			if comm, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(comm)) == taker && pid != strconv.Itoa(os.Getpid()) {
				by := program(pid)
				by.words = what + ", perhaps by " + by.words
				return by
			}
		}
	}
	return occupant{words: what + ", by a program that this user may not see (as root: fuser -v on the port)"}
}
