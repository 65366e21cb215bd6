package rig

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// tester is QEMU's qtest protocol: lines of text, an answer to each, and "IRQ raise N" and "IRQ lower N" in between.
type tester struct {
	asking  sync.Mutex // held from a question to its answer
	conn    net.Conn
	answers chan string

	mu     sync.Mutex
	levels map[int]bool  // of GPIO chip 0's outputs that changed
	more   chan struct{} // closed and replaced when one changed
}

func dialTester(t workspace.T, p *process.Process, path string) *tester {
	t.Helper()
	q := &tester{conn: dial(t, p, path), answers: make(chan string), levels: map[int]bool{}, more: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		defer close(read)
		q.read()
	}()
	t.Cleanup(func() {
		q.conn.Close()
		<-read
	})
	q.ask(t, "irq_intercept_out "+chipPath(0))
	return q
}

// read takes answers and changes apart until the connection ends.
func (q *tester) read() {
	defer close(q.answers)
	for lines := bufio.NewScanner(q.conn); lines.Scan(); {
		var line int
		if _, err := fmt.Sscanf(lines.Text(), "IRQ raise %d", &line); err == nil {
			q.change(line, true)
		} else if _, err := fmt.Sscanf(lines.Text(), "IRQ lower %d", &line); err == nil {
			q.change(line, false)
		} else {
			q.answers <- lines.Text()
		}
	}
}

func (q *tester) change(line int, high bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.levels[line] = high
	close(q.more)
	q.more = make(chan struct{})
}

// ask sends a command and returns what follows the OK of its answer.
func (q *tester) ask(t workspace.T, command string) string {
	t.Helper()
	q.asking.Lock()
	defer q.asking.Unlock()
	if _, err := fmt.Fprintln(q.conn, command); err != nil {
		t.Fatalf("ask QEMU: %v", err)
	}
	select {
	case answer, ok := <-q.answers:
		if rest, fine := strings.CutPrefix(answer, "OK"); ok && fine {
			return strings.TrimSpace(rest)
		}
		t.Fatalf("ask QEMU %s: %q", command, answer)
	case <-time.After(monitorTime):
		t.Fatalf("ask QEMU %s: no answer within %v", command, monitorTime)
	}
	return ""
}

// chipPath is QEMU's name of a GPIO chip, which it counts from 1 as the data sheet does.
func chipPath(chip int) string { return "/machine/soc/gpio" + strconv.Itoa(chip+1) }

// DriveLine sets a GPIO input from outside. Chip 0 is /dev/gpiochip0; each of the seven chips has 32 lines.
func (b *Board) DriveLine(t workspace.T, chip, line int, high bool) {
	t.Helper()
	level := 0
	if high {
		level = 1
	}
	b.tester.ask(t, fmt.Sprintf("set_irq_in %s unnamed-gpio-in %d %d", chipPath(chip), line, level))
}

// The registers of chip 0 for its interrupts (i.MX 6Dual/6Quad reference manual, chapter 28).
const (
	maskRegister   = 0x0209c014 // GPIO1_IMR
	statusRegister = 0x0209c018 // GPIO1_ISR
)

// Pulse drives an input of chip 0 high and low again, so many times, with a period or more: an edge waits until the kernel has taken the one
// before, which the controller has latched, and looked at the level, after which it lets the next one in.
func (b *Board) Pulse(t workspace.T, line, times int, period time.Duration) {
	t.Helper()
	half := time.NewTicker(period / 2)
	defer half.Stop()
	set := func(register int) bool { return b.register(t, register)>>line&1 == 1 }
	for edge := range 2 * times {
		<-half.C
		for set(statusRegister) || !set(maskRegister) {
			<-half.C
		}
		b.DriveLine(t, 0, line, edge%2 == 0)
	}
}

// OutputLevel returns the level that the board's GPIO data register holds for a line (i.MX 6Dual/6Quad reference manual, chapter 28:
// GPIO1_DR at 0x0209C000, the next chip 0x4000 after it).
func (b *Board) OutputLevel(t workspace.T, chip, line int) bool {
	t.Helper()
	return b.register(t, 0x0209c000+0x4000*chip)>>line&1 == 1
}

// register reads a register of the board.
func (b *Board) register(t workspace.T, address int) uint64 {
	t.Helper()
	answer := b.tester.ask(t, fmt.Sprintf("readl %#x", address))
	value, err := strconv.ParseUint(strings.TrimPrefix(answer, "0x"), 16, 64)
	if err != nil {
		t.Fatalf("read the register %#x: %q", address, answer)
	}
	return value
}

// WaitOutput waits until an output of chip 0 has switched to a level, as a relay on it would see.
func (b *Board) WaitOutput(t workspace.T, timeout time.Duration, line int, high bool) {
	t.Helper()
	late := time.NewTimer(timeout)
	defer late.Stop()
	for {
		b.tester.mu.Lock()
		level, changed := b.tester.levels[line]
		more := b.tester.more
		b.tester.mu.Unlock()
		if changed && level == high {
			return
		}
		select {
		case <-more:
		case <-late.C:
			t.Fatalf("output %d has not become %v within %v", line, high, timeout)
		}
	}
}
