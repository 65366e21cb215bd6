package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests of this file need a process to kill, or to limit: this test binary
// itself, told by a variable what to do.
const (
	childTask = "STORE_TEST_TASK"
	childDir  = "STORE_TEST_DIR"
)

func TestMain(m *testing.M) {
	switch task := os.Getenv(childTask); task {
	case "":
		os.Exit(m.Run())
	case "write":
		childWrites(os.Getenv(childDir))
	case "full":
		if err := childFull(os.Getenv(childDir)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

func child(t *testing.T, task, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// childWrites writes and says what it has been told is on disk, until it is
// killed.
func childWrites(dir string) {
	s, err := Open(dir, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	last, _ := s.Bucket(Values).Load("n")
	i := uint64(0)
	if len(last) == 8 {
		i = binary.LittleEndian.Uint64(last)
	}
	for {
		i++
		b := binary.LittleEndian.AppendUint64(nil, i)
		if err := s.SetSmall("n", b); err != nil {
			fmt.Println("error", err)
		}
		fmt.Println("small", i)
		if err := s.DeferSmall("deferred", b); err != nil {
			fmt.Println("error", err)
		}
		if err := s.NoteSmall("noted", b); err != nil {
			fmt.Println("error", err)
		}
		fmt.Println("noted", i)
		err := s.Update(func(tx *Tx) error {
			return errors.Join(tx.Save(Values, "n", b), tx.Save(Client, fmt.Sprint(i%100), b), tx.Save(Accounts, "copy", b))
		})
		if err != nil {
			fmt.Println("error", err)
		}
		fmt.Println("db", i)
	}
}

// TestKilled: a process that is killed at any instant has on disk what it was told
// is on disk, or one step more, and leaves no lock.
func TestKilled(t *testing.T) { killRepeatedly(t, 12) }

func killRepeatedly(t *testing.T, rounds int) {
	t.Helper()
	dir := t.TempDir()
	told := map[string]uint64{}
	for round := range rounds {
		cmd := child(t, "write", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		kill := rand.IntN(60)
		for n := 0; lines.Scan(); n++ {
			var what string
			var i uint64
			if _, err := fmt.Sscan(lines.Text(), &what, &i); err != nil {
				t.Fatalf("round %d: the child says %q", round, lines.Text())
			}
			told[what] = i
			if n == kill {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		checkKilled(t, dir, told)
	}
}

func checkKilled(t *testing.T, dir string, told map[string]uint64) {
	t.Helper()
	s := mustOpen(t, dir, Options{})
	defer s.Close()
	if len(s.Damages()) > 0 {
		t.Fatalf("%+v", s.Damages())
	}
	number := func(b []byte) uint64 {
		if len(b) != 8 {
			return 0
		}
		return binary.LittleEndian.Uint64(b)
	}
	n, _ := s.Bucket(Values).Load("n")
	twin, _ := s.Bucket(Accounts).Load("copy")
	if !slices.Equal(n, twin) {
		t.Errorf("half of a change is there: %v, %v", n, twin)
	}
	if got, want := number(n), told["db"]; got < want || got > want+1 {
		t.Errorf("db has %d, the process was told %d", got, want)
	}
	if got := number(s.Small("deferred")); got < number(n) || got < number(s.Small("noted")) {
		t.Errorf("%d was deferred, and what came later is there: %v in the database, %v noted", got, n, s.Small("noted"))
	}
	for what, key := range map[string]string{"small": "n", "noted": "noted"} {
		if got, want := number(s.Small(key)), told[what]; got < want || got > want+1 {
			t.Errorf("%s has %d, the process was told %d", what, got, want)
		}
	}
}

// childFull runs in a process whose files cannot grow, which is what a full disk
// is to a program.
func childFull(dir string) error {
	signal.Ignore(unix.SIGXFSZ)
	var failures []error
	s, err := Open(dir, Options{OnFailure: func(err error) { failures = append(failures, err) }})
	if err != nil {
		return err
	}
	b := s.Bucket(Values)
	if err := errors.Join(b.Save("k", []byte("old")), s.SetSmall("k", []byte("old"))); err != nil {
		return err
	}
	counter := s.Counter("c")
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 16, Max: before.Max}); err != nil {
		return err
	}
	counter.Add(5)
	for range 3 {
		if err := b.Save("k", []byte("new")); err == nil {
			return errors.New("a record was saved on a full disk")
		}
		if err := s.SetSmall("k", []byte("new")); err == nil {
			return errors.New("a small record was saved on a full disk")
		}
	}
	if got, _ := b.Load("k"); string(got) != "old" || string(s.Small("k")) != "old" {
		return fmt.Errorf("after the failure there are %q and %q", got, s.Small("k"))
	}
	if len(failures) != 6 || failures[5] == nil {
		return fmt.Errorf("OnFailure was told %v", failures)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	if err := errors.Join(b.Save("k", []byte("newer")), s.SetSmall("k", []byte("newer"))); err != nil {
		return fmt.Errorf("with space again: %w", err)
	}
	if last := failures[len(failures)-1]; last != nil {
		return fmt.Errorf("OnFailure was told last: %w", last)
	}
	return s.Close()
}

// TestDiskFull: a failed write leaves what was there, is told, and all works again
// when there is space.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := child(t, "full", dir).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := mustOpen(t, dir, Options{})
	got, _ := s.Bucket(Values).Load("k")
	if string(got) != "newer" || string(s.Small("k")) != "newer" || s.Counter("c").Value() != 5 || len(s.Damages()) > 0 {
		t.Errorf("%q, %q, %d, %v", got, s.Small("k"), s.Counter("c").Value(), s.Damages())
	}
	names, err := folder(dir).list("")
	if err != nil || strings.Contains(strings.Join(names, " "), newSuffix) {
		t.Errorf("left over: %q, %v", names, err)
	}
}
