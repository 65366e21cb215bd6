package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestRecordsOutliveTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	s := mustOpen(t, dir, Options{})
	b := s.Bucket(Client)
	if err := b.Save("registration/101", []byte("/rd/5a3f")); err != nil {
		t.Fatal(err)
	}
	if err := b.Save("empty", []byte{}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSmall("edge", []byte{7}); err != nil {
		t.Fatal(err)
	}
	s.Counter("sent").Add(3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Save("late", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed store: %v", err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}

	s = mustOpen(t, dir, Options{})
	b = s.Bucket(Client)
	if got, err := b.Load("registration/101"); string(got) != "/rd/5a3f" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, _ := b.Load("empty"); got == nil || len(got) != 0 {
		t.Errorf("an empty record is %v", got)
	}
	if got, _ := b.Load("none"); got != nil {
		t.Errorf("no record is %q", got)
	}
	if got := s.Small("edge"); !slices.Equal(got, []byte{7}) || s.Small("none") != nil {
		t.Errorf("a small record is %v", got)
	}
	if got := s.Counter("sent").Value(); got != 3 {
		t.Errorf("the counter is %d", got)
	}
	if err := b.Save("registration/101", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSmall("edge", nil); err != nil {
		t.Fatal(err)
	}
	if got, _ := b.Load("registration/101"); got != nil || s.Small("edge") != nil {
		t.Errorf("removed records: %q, %v", got, s.Small("edge"))
	}
	if list, err := b.List(); err != nil || !cmp.Equal(list, map[string][]byte{"empty": {}}) {
		t.Errorf("%q, %v", list, err)
	}
}

// TestLoadedBytesAreOwn: who alters what it got does not alter what is stored.
func TestLoadedBytesAreOwn(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	b := s.Bucket(Values)
	mine := []byte("abc")
	if err := b.Save("k", mine); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSmall("k", mine); err != nil {
		t.Fatal(err)
	}
	mine[0] = 'X'
	got, _ := b.Load("k")
	got[1] = 'X'
	list, _ := b.List()
	list["k"][2] = 'X'
	s.Small("k")[1] = 'X'
	if got, _ := b.Load("k"); string(got) != "abc" || string(s.Small("k")) != "abc" {
		t.Errorf("%q, %q", got, s.Small("k"))
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	if err := s.Bucket(Accounts).Save("a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("changed my mind")
	err := s.Update(func(tx *Tx) error {
		if err := tx.Save(Accounts, "a", []byte("2")); err != nil {
			return err
		}
		if got := tx.Load(Accounts, "a"); string(got) != "2" {
			t.Errorf("inside of the change there is %q", got)
		}
		if err := tx.Save(Values, "b", []byte("3")); err != nil {
			return err
		}
		if err := tx.Save(Accounts, "a", nil); err != nil {
			return err
		}
		if got := tx.Load(Accounts, "a"); got != nil {
			t.Errorf("removed inside of the change there is %q", got)
		}
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("the error is %v", err)
	}
	a, _ := s.Bucket(Accounts).Load("a")
	b, _ := s.Bucket(Values).Load("b")
	if string(a) != "1" || b != nil {
		t.Errorf("%q, %q", a, b)
	}
}

// TestSameCostsNoWrite: a commit is 12 kB to flash.
func TestSameCostsNoWrite(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	save := func() {
		t.Helper()
		if err := s.Bucket(Values).Save("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		if err := s.Bucket(Values).Save("none", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.SetSmall("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	save()
	db, log := image(t, dir), s.log.size
	save()
	if !slices.Equal(db, image(t, dir)) || log != s.log.size {
		t.Error("the same records were written again")
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, lockFile), []byte("12345678901\n"), 0o600); err != nil { // a longer number than ours
		t.Fatal(err)
	}
	s := mustOpen(t, dir, Options{})
	_, err := Open(dir, Options{})
	if want := fmt.Sprintf("state directory %s is in use by another process (%d); stop it, or give another one with -state DIR", dir, os.Getpid()); !errors.Is(err, ErrInUse) || err.Error() != want {
		t.Errorf("error: %v\nwant: %s", err, want)
	}
	inherited, err := unix.Dup(int(s.lock.Fd())) // as by a program that is just being started
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	s.Close()
	mustOpen(t, dir, Options{})
}

func TestVolatile(t *testing.T) {
	for name, tt := range map[string]struct {
		fsType int64
		want   error
	}{
		"tmpfs": {unix.TMPFS_MAGIC, ErrVolatile}, "ramfs": {unix.RAMFS_MAGIC, ErrVolatile}, "ext4": {unix.EXT4_SUPER_MAGIC, nil},
	} {
		fsType := func(string) (int64, error) { return tt.fsType, nil }
		s, err := open(t.TempDir(), Options{RefuseVolatile: true}, fsType)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			s.Close()
		}
		if s, err = open(t.TempDir(), Options{}, fsType); err != nil {
			t.Errorf("%s, not asked to refuse: %v", name, err)
		} else {
			if s.Volatile() != (tt.want != nil) {
				t.Errorf("%s: volatile is %v", name, s.Volatile())
			}
			s.Close()
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs("/proc", &st); err != nil {
		t.Fatal(err)
	}
	if got, err := fileSystemType("/proc"); err != nil || got != unix.PROC_SUPER_MAGIC {
		t.Errorf("/proc is %#x, %v", got, err)
	}
}

// TestNewerLayout: what a newer agent wrote is left as it is.
func TestNewerLayout(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if err := s.Bucket(own).Save(layoutKey, []byte("2")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	before := image(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("the error is %v", err)
	}
	if !slices.Equal(before, image(t, dir)) {
		t.Error("the file was changed")
	}
}

// TestUnknownBucket: a newer agent's bucket outlives a start of this one.
func TestUnknownBucket(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if err := s.Bucket("accounts.2").Save("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = mustOpen(t, dir, Options{})
	if err := s.Bucket(Accounts).Save("k", []byte("w")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = mustOpen(t, dir, Options{})
	if got, _ := s.Bucket("accounts.2").Load("k"); string(got) != "v" {
		t.Errorf("%q", got)
	}
}

// onDisk is a counter as a power cut would leave it.
func onDisk(t *testing.T, dir, name string) uint64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, smallFile))
	if err != nil {
		return 0
	}
	record := replaySmall(b).small["counter/"+name]
	if len(record) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(record)
}

// TestCountersReachTheDisk after FlushAfter, and not each time; nothing is due
// while nothing has changed.
func TestCountersReachTheDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, dir, Options{FlushAfter: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		defer running.Wait()
		defer cancel()
		c := s.Counter("sent")
		for range 100 {
			c.Add(1)
			<-time.After(500 * time.Millisecond)
		}
		if got := onDisk(t, dir, "sent"); got != 0 {
			t.Errorf("after 50 s %d are on disk", got)
		}
		<-time.After(11 * time.Second)
		if got := onDisk(t, dir, "sent"); got != 100 {
			t.Errorf("after a minute %d are on disk", got)
		}
		before, err := os.Stat(filepath.Join(dir, smallFile))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(24 * time.Hour)
		if after, err := os.Stat(filepath.Join(dir, smallFile)); err != nil || after.Size() != before.Size() {
			t.Errorf("a day without changes was written to disk: %v", err)
		}
		c.Add(1)
		<-time.After(time.Minute + time.Second)
		if got := onDisk(t, dir, "sent"); got != 101 {
			t.Errorf("later %d are on disk", got)
		}
	})
}

func TestInstances(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	anyNumber := func(names ...string) []Claim {
		claims := make([]Claim, len(names))
		for i, n := range names {
			claims[i] = Claim{3303, n, Any}
		}
		return claims
	}
	steps := []struct {
		name   string
		claims []Claim
		want   []uint16
		err    string
	}{
		{"the lowest", anyNumber("a", "b", "c"), []uint16{0, 1, 2}, ""},
		{"kept in another order", anyNumber("c", "a", "b"), []uint16{2, 0, 1}, ""},
		{"not taken over by another name", anyNumber("c", "new"), []uint16{2, 3}, ""},
		{"and still there when the name is back", anyNumber("a", "new"), []uint16{0, 3}, ""},
		{"another object counts for itself", []Claim{{3304, "a", Any}, {3303, "a", Any}}, []uint16{0, 0}, ""},
		{"a wish is granted", []Claim{{3303, "w", 7}, {3303, "a", Any}}, []uint16{7, 0}, ""},
		{"against one who had it", []Claim{{3303, "w", 0}, {3303, "a", Any}}, []uint16{0, 4}, ""},
		{"and one who is away", []Claim{{3303, "w", 1}}, []uint16{1}, ""},
		{"who gets another one", anyNumber("b"), []uint16{0}, ""},
		{"a wish by its holder", []Claim{{3303, "w", 1}}, []uint16{1}, ""},
		{"two wishes", []Claim{{3303, "x", 1}, {3303, "y", 1}}, nil, `object 3303: instance 1 is asked for by "x" and "y"`},
		{"one name twice", anyNumber("x", "x"), nil, `object 3303: "x" claims two instances`},
		{"a wish beyond", []Claim{{3303, "x", 65535}}, nil, `object 3303: instance 65535 of "x" is not from 0 to 65534`},
		{"refusals change nothing", anyNumber("a", "new"), []uint16{4, 3}, ""},
		{"none", nil, []uint16{}, ""},
	}
	for _, step := range steps {
		got, err := s.Instances(step.claims)
		if step.err != "" {
			if err == nil || err.Error() != step.err {
				t.Errorf("%s: error %v, want %s", step.name, err, step.err)
			}
			continue
		}
		if err != nil || !cmp.Equal(got, step.want) {
			t.Errorf("%s: %v, %v, want %v", step.name, got, err, step.want)
		}
		// Each step is a new start.
		s.Close()
		s = mustOpen(t, dir, Options{})
	}
}

// TestInstancesAreBounded: names that come and go for ever fill neither the
// directory nor the numbers.
func TestInstancesAreBounded(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	s.records.set(Instances, "3303/last", []byte{0xfe, 0xff}) // 65534
	for i := range maxKept + 50 {
		numbers, err := s.Instances([]Claim{{3303, "steady", Any}, {3303, fmt.Sprintf("name %d", i), Any}})
		if err != nil || numbers[0] != 0 {
			t.Fatal(numbers, err)
		}
	}
	list, _ := s.Bucket(Instances).List()
	if len(list) > maxKept+2 {
		t.Errorf("%d names are kept", len(list))
	}
}

func TestAllInstancesGiven(t *testing.T) {
	a := allocation{object: 1, had: make(map[string]uint16), taken: make(map[uint16]string)}
	for i := range maxInstance + 1 {
		a.had[fmt.Sprint(i)] = uint16(i)
	}
	a.taken[0] = "0"
	numbers := make([]uint16, 1)
	if err := a.fill([]Claim{{1, "new", Any}}, []int{0}, numbers); err != nil || numbers[0] != 1 {
		t.Errorf("%v, %v: want the lowest that is not in use", numbers, err)
	}
	for i := range maxInstance + 1 {
		a.taken[uint16(i)] = "x"
	}
	if err := a.fill([]Claim{{1, "new", Any}}, []int{0}, numbers); !errors.Is(err, ErrFull) {
		t.Errorf("the error is %v", err)
	}
}

// TestCopies: a copy of the directory that is taken while it is written opens, and
// has nothing that nobody wrote.
func TestCopies(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			value := []byte(strings.Repeat(fmt.Sprintf("%06d", i), 50))
			if err := s.Bucket(Values).Save(fmt.Sprint(i%40), value); err != nil {
				t.Error(err)
			}
			if err := s.SetSmall(fmt.Sprint(i%40), value[:60]); err != nil {
				t.Error(err)
			}
		}
	})
	defer writing.Wait()
	defer close(stop)
	for range 15 {
		copied := t.TempDir()
		for _, name := range []string{databaseFile, smallFile} {
			copySlowly(t, filepath.Join(dir, name), filepath.Join(copied, name))
		}
		c := mustOpen(t, copied, Options{})
		records, _ := c.Bucket(Values).List()
		for key, value := range records {
			if want := strings.Repeat(string(value[:6]), 50); string(value) != want {
				t.Fatalf("record %s is %q", key, value)
			}
		}
	}
}

// copySlowly copies a file in small pieces, so that what is written meanwhile gets
// in between.
func copySlowly(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var all []byte
	piece := make([]byte, 512+rand.IntN(4096))
	for {
		n, err := in.Read(piece)
		if n == 0 || err != nil {
			break
		}
		all = append(all, piece[:n]...)
	}
	if err := os.WriteFile(to, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStrangeFiles: what stands where a file of the agent should is told with what to do, and never waited for.
func TestStrangeFiles(t *testing.T) {
	for name, put := range map[string]struct {
		make func(name string) error
		want string
	}{
		"folder": {func(name string) error { return os.Mkdir(name, 0o700) }, "move away what is none of the agent's"},
		"FIFO":   {func(name string) error { return unix.Mkfifo(name, 0o600) }, "move away what is none of the agent's"},
		"link":   {func(name string) error { return os.Symlink("elsewhere", name) }, "a symbolic link is not followed there"},
	} {
		for _, file := range []string{databaseFile, smallFile} {
			dir := t.TempDir()
			if err := put.make(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, Options{})
			if err == nil {
				s.Close()
				t.Errorf("%s for %s: is taken", name, file)
				continue
			}
			if !strings.HasPrefix(err.Error(), "state directory "+dir+": ") || !strings.Contains(err.Error(), put.want) {
				t.Errorf("%s for %s: %v", name, file, err)
			}
		}
	}
	if os.Geteuid() == 0 {
		return // whom no permission stops
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, lockFile), nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "chown -R") {
		t.Errorf("another user's: %v", err)
	}
}
