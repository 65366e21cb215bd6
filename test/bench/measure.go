package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// timing is the outcome of repeated exchanges.
type timing struct {
	rate     float64 // per second
	p50, p99 time.Duration
}

func (t timing) String() string {
	return fmt.Sprintf("%s/s, p50 %s, p99 %s", thousands(t.rate), micro(t.p50), micro(t.p99))
}

// repeat times n runs of f after a tenth as many to warm up.
func (b *bench) repeat(n int, f func()) timing {
	n = b.times(n)
	for range n / 10 {
		f()
	}
	each := make([]time.Duration, n)
	begin := time.Now()
	for i := range each {
		before := time.Now()
		f()
		each[i] = time.Since(before)
	}
	total := time.Since(begin)
	slices.Sort(each)
	return timing{rate: float64(n) / total.Seconds(), p50: each[n/2], p99: each[n*99/100]}
}

// reads times sequential reads of /3/0/0.
func (b *bench) reads(conn *coap.Conn) timing {
	m := get("/3/0/0")
	return b.repeat(readCount, func() { b.do(conn, m) })
}

func thousands(f float64) string {
	s := strconv.Itoa(int(f))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func micro(d time.Duration) string {
	if d >= 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%d µs", d.Microseconds())
}

// statusField reads a number of /proc/PID/status or a thread's.
func (b *bench) statusField(path, field string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0 // a thread that has ended
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			b.must(err, "read "+path)
			return n
		}
	}
	b.Fatalf("%s has no %s", path, field)
	return 0
}

// rss is a process's resident memory in bytes.
func (b *bench) rss(pid int) float64 {
	return float64(b.statusField(fmt.Sprintf("/proc/%d/status", pid), "VmRSS")) * 1024
}

// anonymous is the part of it that no file backs: heap and stacks.
func (b *bench) anonymous(pid int) float64 {
	return float64(b.statusField(fmt.Sprintf("/proc/%d/status", pid), "RssAnon")) * 1024
}

// switches counts how often the threads of a process have run so far.
func (b *bench) switches(pid int) int64 {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	b.must(err, "list threads")
	var n int64
	for _, t := range threads {
		n += b.statusField(t, "voluntary_ctxt_switches")
	}
	return n
}

// wakes is how often a process ran in a minute.
type wakes struct{ moments, switches float64 }

func (w wakes) String() string {
	return fmt.Sprintf("%.1f (%.1f context switches)", w.moments, w.switches)
}

// wakes watches an idle process. Threads that run within the same tenth of a second
// needed the processor to be woken once.
func (b *bench) wakes(pid int) wakes {
	const tenth = 100 * time.Millisecond
	var w wakes
	begin := b.switches(pid)
	awake := false
	for last, left := begin, b.idle; left > 0; left -= tenth {
		b.pause(tenth)
		now := b.switches(pid)
		// What reaches into the next tenth is one wake-up: Go's collection every two minutes takes some 40 ms.
		if awake = now != last && !awake; awake {
			w.moments++
		}
		last = now
	}
	w.switches = float64(b.switches(pid) - begin)
	w.moments /= b.idle.Minutes()
	w.switches /= b.idle.Minutes()
	return w
}

// pause waits, unless the run is ended.
func (b *bench) pause(d time.Duration) {
	select {
	case <-time.After(d / time.Duration(b.divisor)):
	case <-b.ctx.Done():
		b.Fatalf("%v", b.ctx.Err())
	}
}

// effort is what a process has cost so far.
type effort struct {
	time   time.Duration // that its threads ran
	faults int64         // of pages, without those that wait for a disk
}

func (b *bench) effort(pid int) (e effort) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	b.must(err, "list threads")
	for _, t := range threads {
		if text, err := os.ReadFile(t); err == nil { // else it has ended
			e.time += time.Duration(b.number(strings.Fields(string(text))[0]))
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	b.must(err, "look at a process")
	_, fields, _ := strings.Cut(string(text), ") ") // proc_pid_stat(5): from the third on
	e.faults = b.number(strings.Fields(fields)[7])
	return e
}

func (b *bench) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	b.must(err, "read a number of the kernel's")
	return n
}
