package helper

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// slots are those of a machine that notes what is done with them.
type slots struct {
	mu    sync.Mutex
	trail []string
	hang  chan struct{} // of an installation: it receives when one has begun; nil: none hangs
	err   error         // that all ends with

	goesOn chan struct{} // receives when an installation that hangs is to go on; nil: never
}

func (s *slots) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trail = append(s.trail, fmt.Sprintf(format, args...))
}

func (s *slots) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.trail)
}

func (s *slots) open() (Firmware, error) { return s, nil }

func (s *slots) Slots(context.Context) (Slots, error) {
	return Slots{map[string]string{"A": "good", "B": "forbidden"}, map[string]int64{"/dev/b": 1 << 40}, "0 tryboot"}, s.err
}

func (s *slots) Probe(context.Context) (string, error) { return "slot A runs", s.err }

func (s *slots) Install(ctx context.Context, r io.Reader, slot string) (Image, error) {
	if s.hang != nil {
		s.hang <- struct{}{}
		select {
		case <-s.goesOn:
		case <-ctx.Done():
			s.note("called off")
			return Image{}, ctx.Err()
		}
	}
	text, err := io.ReadAll(r)
	s.note("install %s to %s", text, slot)
	return Image{"2.0", "abcd"}, errors.Join(err, s.err)
}

func (s *slots) Activate(_ context.Context, slot string) error {
	s.note("activate %s", slot)
	return s.err
}

func (s *slots) Mark(_ context.Context, slot string, good bool) error {
	s.note("mark %s %v", slot, good)
	return s.err
}

// pack makes a package, open for reading from its end.
func pack(tb testing.TB, content string) *os.File {
	tb.Helper()
	f, err := os.Create(filepath.Join(tb.TempDir(), "package"))
	if err == nil {
		_, err = f.WriteString(content)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

func TestSlots(t *testing.T) {
	s := &slots{}
	path, _ := serving(t, Options{Users: me(), Firmware: s.open})
	c := Client{path}
	if got, err := c.Slots(t.Context()); err != nil || got.Standings["B"] != "forbidden" || got.Rooms["/dev/b"] != 1<<40 || got.Argument != "0 tryboot" {
		t.Errorf("%+v, %v", got, err)
	}
	if text, err := c.ProbeSlots(t.Context()); err != nil || text != "slot A runs" {
		t.Errorf("%q, %v", text, err)
	}
	image, err := c.InstallSlot(t.Context(), pack(t, "a package"), "B")
	if err != nil || image != (Image{"2.0", "abcd"}) {
		t.Errorf("%+v, %v", image, err)
	}
	if err := errors.Join(c.ActivateSlot(t.Context(), "B"), c.MarkSlot(t.Context(), "B", true), c.MarkSlot(t.Context(), "A", false)); err != nil {
		t.Error(err)
	}
	if want := []string{"install a package to B", "activate B", "mark B true", "mark A false"}; !slices.Equal(s.told(), want) {
		t.Errorf("%q, want %q", s.told(), want)
	}
}

// TestSlotRefusals: nothing is done for a request that is not right.
func TestSlotRefusals(t *testing.T) {
	s := &slots{}
	path, _ := serving(t, Options{Users: me(), Firmware: s.open})
	c := Client{path}
	for _, name := range []string{"", "../B", "B\n", "/dev/sda", "B=1", strings.Repeat("B", 33)} {
		_, installed := c.InstallSlot(t.Context(), pack(t, "x"), name)
		for _, err := range []error{installed, c.ActivateSlot(t.Context(), name), c.MarkSlot(t.Context(), name, true)} {
			if err == nil || !strings.Contains(err.Error(), "name of a slot") {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	pipe, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer other.Close()
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for _, f := range []*os.File{pipe, folder} {
		if _, err := c.InstallSlot(t.Context(), f, "B"); err == nil || !strings.Contains(err.Error(), "the package is no file") {
			t.Errorf("%v", err)
		}
	}
	if _, err := c.InstallSlot(t.Context(), nil, "B"); err == nil || !strings.Contains(err.Error(), "there is no package") {
		t.Errorf("%v", err)
	}
	if got := s.told(); len(got) > 0 {
		t.Errorf("it was done: %q", got)
	}
	none, _ := serving(t, Options{Users: me()})
	if _, err := (Client{none}).Slots(t.Context()); err == nil || !strings.Contains(err.Error(), "there are no slots") {
		t.Errorf("%v", err)
	}
}

// TestVerdicts: what an error means for the update arrives with it.
func TestVerdicts(t *testing.T) {
	s := &slots{err: fmt.Errorf("install: %w", &Verdict{5, "it is not signed"})}
	path, _ := serving(t, Options{Users: me(), Firmware: s.open})
	_, err := Client{path}.InstallSlot(t.Context(), pack(t, "x"), "B")
	v, ok := errors.AsType[*Verdict](err)
	if !ok || v.Result != 5 || !strings.Contains(v.Text, "it is not signed") {
		t.Errorf("%v", err)
	}
	s = &slots{err: errors.New("no verdict")}
	path, _ = serving(t, Options{Users: me(), Firmware: s.open})
	if err := (Client{path}).ActivateSlot(t.Context(), "B"); err == nil || errors.As(err, &v) || !strings.Contains(err.Error(), "the helper: activate-slot: no verdict") {
		t.Errorf("%v", err)
	}
}

// TestHangingUp: who has a package written and goes calls it off, and the next change waits until that is over. Nothing
// else waits meanwhile.
func TestHangingUp(t *testing.T) {
	s := &slots{hang: make(chan struct{})}
	path, _ := serving(t, Options{Users: me(), Firmware: s.open})
	c := Client{path}
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := c.InstallSlot(ctx, pack(t, "x"), "B")
		ended <- err
	}()
	<-s.hang
	changed := make(chan error)
	go func() { changed <- c.MarkSlot(t.Context(), "B", false) }()
	if _, err := c.Slots(t.Context()); err != nil {
		t.Error(err)
	}
	if got := s.told(); len(got) > 0 {
		t.Errorf("beside an installation: %q", got)
	}
	hangUp()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
	if got := s.told(); !slices.Equal(got, []string{"called off", "mark B false"}) {
		t.Errorf("%q", got)
	}
}

// TestIdleness: a call that takes long is none, however many others end meanwhile.
func TestIdleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var called atomic.Int32
		i := newIdleness(time.Minute, func() { called.Add(1) })
		i.begin()
		i.begin()
		i.end()
		time.Sleep(time.Hour)
		if called.Load() > 0 {
			t.Error("it is idle in the middle of a call")
		}
		i.end()
		time.Sleep(59 * time.Second)
		if called.Load() > 0 {
			t.Error("it is idle at once")
		}
		time.Sleep(2 * time.Second)
		if called.Load() != 1 {
			t.Errorf("it is idle %d times", called.Load())
		}
	})
}

// TestFilesBesideRequests: open files that nobody asked for are closed.
func TestFilesBesideRequests(t *testing.T) {
	s := &slots{}
	path, _ := serving(t, Options{Users: me(), Firmware: s.open})
	before := openFiles(t)
	for n, want := range map[int]string{1: `{"slots":`, 2: "no more than one", 20: "no more than one"} {
		f := pack(t, "x")
		fds := make([]int, n)
		for i := range fds {
			fds[i] = int(f.Fd())
		}
		answer := ask(t, path, "{\"verb\":\"slots\"}\n", unix.UnixRights(fds...))
		if !strings.HasPrefix(answer, want) && !strings.Contains(answer, want) {
			t.Errorf("%d files: %s", n, answer)
		}
		_ = f.Close()
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

// openFiles counts the open files of this process, sockets apart.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("the open files are not known: %v", err)
	}
	n := 0
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasSuffix(target, "/package") {
			n++
		}
	}
	return n
}

// ask sends bytes and returns the answer.
func ask(tb testing.TB, path, request string, control []byte) string {
	tb.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	_, _, _ = c.WriteMsgUnix([]byte(request), control, nil) // a part of what is too long may not be taken
	_ = c.CloseWrite()
	answer, _ := bufio.NewReader(c).ReadString('\n')
	return answer
}

// FuzzRequest: whatever is sent, and however it is divided, is answered by one line of JSON; slots are changed only by their name.
func FuzzRequest(f *testing.F) {
	for _, request := range []string{
		`{"verb":"slots"}`, `{"verb":"probe-slots"}`, `{"verb":"install-slot","slot":{"name":"B"}}`, `{"verb":"activate-slot","slot":{"name":"B"}}`,
		`{"verb":"mark-slot","slot":{"name":"B","good":true}}`, `{"verb":"mark-slot","slot":{"name":"../B"}}`, `{"verb":"led","led":{"name":"a","attribute":"brightness","value":"1"}}`,
		`{"verb":"mark-slot","slot":{"name":"B","path":"/dev/sda"}}`, `{"verb":"install-slot","slot":{"name":"B"},"slot":{"name":"C"}}`, "\x00", "{", "[]", `{"verb":1}`,
	} {
		f.Add([]byte(request+"\n"), uint8(1))
		f.Add([]byte(request+"\n"+request), uint8(0))
		f.Add([]byte(request), uint8(2))
	}
	s := &slots{}
	path := filepath.Join(f.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		f.Fatal(err)
	}
	ended, ctx, sys := make(chan struct{}), f.Context(), f.TempDir()
	go func() {
		defer close(ended)
		_ = Serve(ctx, l, Options{Users: me(), Firmware: s.open, Sys: sys, Idle: time.Hour, Log: quiet()})
	}()
	f.Cleanup(func() { _ = l.Close(); <-ended })
	file := pack(f, "a package")
	f.Fuzz(func(t *testing.T, request []byte, files uint8) {
		var control []byte
		if n := int(files % 4); n > 0 {
			control = unix.UnixRights(slices.Repeat([]int{int(file.Fd())}, n)...)
		}
		if len(request) == 0 {
			return // a control message needs a byte
		}
		text := ask(t, path, string(request), control)
		var answer Answer
		if err := json.Unmarshal([]byte(text), &answer); err != nil && len(request) <= maxLine { // what is longer may be cut off by a reset
			t.Errorf("%q is answered by %q", request, text)
		}
		for _, done := range s.told() {
			words := strings.Fields(done)
			if name := words[len(words)-1]; name == "true" || name == "false" {
				words = words[:len(words)-1]
			}
			if name := words[len(words)-1]; len(name) > 32 || strings.ContainsAny(name, "/.\x00=") {
				t.Errorf("%q has done %q", request, done)
			}
		}
		s.mu.Lock()
		s.trail = nil
		s.mu.Unlock()
	})
}

// TestInstallationOutlivesTheStop: a helper that is told to end, as by an upgrade of its package, first does what it was asked for, and then takes nothing more.
func TestInstallationOutlivesTheStop(t *testing.T) {
	s := &slots{hang: make(chan struct{}, 1), goesOn: make(chan struct{})}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended, installed := make(chan error, 1), make(chan error, 1)
	go func() { ended <- Serve(ctx, l, Options{Users: me(), Firmware: s.open, Log: quiet()}) }()
	file := pack(t, "a package")
	go func() {
		_, err := Client{path}.InstallSlot(t.Context(), file, "B")
		installed <- err
	}()
	<-s.hang
	stop()
	for { // until it takes nothing more
		if _, err := (Client{path}).ProbeSlots(t.Context()); err != nil {
			break
		}
	}
	close(s.goesOn)
	if err := errors.Join(<-installed, <-ended); err != nil {
		t.Error(err)
	}
	if got := s.told(); !slices.Equal(got, []string{"install a package to B"}) {
		t.Errorf("%q", got)
	}
}

// TestNoHelper: who does not reach the helper is told where to look.
func TestNoHelper(t *testing.T) {
	_, err := Client{Path: filepath.Join(t.TempDir(), "none.sock")}.ProbeSlots(t.Context())
	if err == nil || !strings.HasSuffix(err.Error(), `look at "systemctl status lwm2m-agent-helper.socket"`) {
		t.Errorf("got %v", err)
	}
}
