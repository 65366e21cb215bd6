package gnss

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a Tracker in the time of a synctest bubble, and what it has told: "12s none …".
type watched struct {
	*Tracker
	began time.Time

	mu     sync.Mutex
	opened []string // when the receiver was switched on and off
	told   []string
	port   net.Conn // the receiver's end
	absent error
}

func watch(t *testing.T, interval time.Duration, kept *Fix) *watched {
	t.Helper()
	w := &watched{began: time.Now()}
	w.Tracker = NewTracker(Config{
		Source: Stream{Open: func(context.Context) (io.ReadCloser, error) { return w.open() }}, Interval: interval, Kept: kept, Now: time.Now,
		Changed: func(s State) {
			text := "none"
			if s.Fix != nil {
				text = fmt.Sprintf("%.3f", s.Fix.Longitude)
			}
			if s.Why != nil {
				text += ", " + s.Why.Error()
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, w.at()+" "+text)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if w.port != nil {
			_ = w.port.Close()
		}
	})
	synctest.Wait()
	return w
}

func (w *watched) at() string { return time.Since(w.began).Round(time.Second).String() }

// unplug has the port closed, and not opened again unless absent is nil.
func (w *watched) unplug(absent error) {
	w.mu.Lock()
	w.absent = absent
	_ = w.port.Close()
	w.mu.Unlock()
	synctest.Wait()
}

// sleep sleeps until so long after the start.
func (w *watched) sleep(until time.Duration) {
	time.Sleep(time.Until(w.began.Add(until)))
	synctest.Wait()
}

type switched struct {
	net.Conn
	w *watched
}

func (s switched) Close() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.opened = append(s.w.opened, "off "+s.w.at())
	return s.Conn.Close()
}

func (w *watched) open() (io.ReadCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.absent != nil {
		return nil, w.absent
	}
	near, far := net.Pipe()
	w.port, w.opened = far, append(w.opened, "on "+w.at())
	return switched{near, w}, nil
}

// say has the receiver speak each second, and forgets where it is when it is closed.
func (w *watched) say(t *testing.T, seconds int, body func(second int) string) {
	t.Helper()
	w.mu.Lock()
	port := w.port
	w.mu.Unlock()
	for i := range seconds {
		_ = port.SetWriteDeadline(time.Now().Add(time.Second / 2))
		_, _ = io.WriteString(port, line(body(i))) // closed, it is not read
		time.Sleep(time.Until(w.began.Add(time.Since(w.began).Truncate(time.Second) + time.Second)))
		synctest.Wait()
	}
}

func (w *watched) want(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.told, want) {
		t.Errorf("told\n  %s\nwant\n  %s", strings.Join(w.told, "\n  "), strings.Join(want, "\n  "))
	}
	w.told = nil
}

func located(hdop string) func(int) string {
	return func(second int) string {
		return fmt.Sprintf("GPGGA,%06d.00,4717.0,N,%08.3f,E,1,08,%s,,M,,M,,", second, 800+0.06*float64(second), hdop)
	}
}

func void(second int) string { return fmt.Sprintf("GPRMC,%06d.00,V,,,,,,,281126,,,N", second) }

// TestTrackerContinuous: a fix each interval, and words for it when there is none.
func TestTrackerContinuous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, 10*time.Second, &Fix{Longitude: 7})
		w.say(t, 4, void)
		w.want(t)
		w.say(t, 25, located("1.0"))
		w.want(t, "5s 8.000", "15s 8.011", "25s 8.021")
		w.say(t, 70, void)
		w.want(t, "35s 8.024", "1m28s 8.024, "+ErrNoFix.Error())
		w.say(t, 2, located("1.0"))
		w.want(t, "1m40s 8.000")
		w.sleep(3 * time.Minute)
		w.want(t, "1m50s 8.001", "2m40s 8.001, "+errSilent.Error())
		_ = w.port.SetWriteDeadline(time.Time{})
		_, _ = w.port.Write(make([]byte, 2*garbled))
		synctest.Wait()
		w.want(t, "3m0s 8.001, 1024 bytes without a sentence: "+ErrGarbage.Error())
		_, _ = io.WriteString(w.port, "\n")
		w.say(t, 2, located("1.0"))
		w.want(t, "3m0s 8.000")
	})
}

// TestTrackerDuty: the receiver is on only until there is a good fix, or none is to be had.
func TestTrackerDuty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, 10*time.Minute, nil)
		w.say(t, 30, void)
		w.say(t, 20, located("9.0")) // settles for 10 s
		w.want(t, "41s 8.010")
		w.sleep(10 * time.Minute)
		w.say(t, 5, located("1.0"))
		w.want(t, "10m1s 8.000")
		w.sleep(20 * time.Minute)
		w.say(t, 400, void)
		w.want(t, "25m0s 8.000, "+ErrNoFix.Error())
		if want := []string{"on 0s", "off 41s", "on 10m0s", "off 10m1s", "on 20m0s", "off 25m0s"}; !slices.Equal(w.opened, want) {
			t.Errorf("%q, want %q", w.opened, want)
		}
	})
}

// TestTrackerGone: a port that is missing or closed is looked for again with growing pauses,
// and the last fix stays.
func TestTrackerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, 10*time.Second, nil)
		w.say(t, 2, located("1.0"))
		w.unplug(errors.New("there is no such port"))
		w.sleep(time.Minute)
		w.want(t, "1s 8.000", "2s 8.001, "+ErrEnded.Error(), "3s 8.001, there is no such port")
		w.unplug(nil)
		w.sleep(70 * time.Second)
		w.say(t, 2, located("1.0"))
		w.want(t, "1m11s 8.000")
	})
}

// TestStreamLog: a log is read to its end once, and its last instant counts.
func TestStreamLog(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var got []string
	log := lines(located("1.0")(0), located("1.0")(1), void(2), located("1.0")(3))
	err := Stream{Log: true, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(log)), nil }}.Follow(ctx, func(r Report) {
		got = append(got, told(r.Fix))
		if len(got) == 4 {
			cancel()
		}
	})
	if want := []string{"47.283333 8.000000 r19.00", "47.283333 8.001000 r19.00", "none", "47.283333 8.003000 r19.00"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %q", err, got)
	}
}

func TestProbe(t *testing.T) {
	probe := func(text string) (string, error) {
		return Probe(t.Context(), Stream{Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }})
	}
	if words, err := probe(line(located("1.0")(0))); err != nil || words != "47.28333, 8.00000, within 19 m" {
		t.Errorf("%q, %v", words, err)
	}
	if words, err := probe(line(void(0))); !errors.Is(err, ErrEnded) {
		t.Errorf("%q, %v", words, err)
	}
	synctest.Test(t, func(t *testing.T) {
		for text, want := range map[string]error{line(void(0)): ErrNoFix, strings.Repeat("x", 2*garbled): ErrGarbage, "": errSilent} {
			near, far := net.Pipe()
			go func() { _, _ = io.WriteString(far, text) }()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err := Probe(ctx, Stream{Open: func(context.Context) (io.ReadCloser, error) { return near, nil }})
			if !errors.Is(err, want) {
				t.Errorf("%.20q: %v", text, err)
			}
			cancel()
			_ = far.Close()
		}
	})
}
