package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report returns docs/performance.md.
func (b *bench) report() string {
	var s strings.Builder
	fmt.Fprintf(&s, `# Speed and size

Made by `+"`./dev bench`"+` on %s: %s, %d cores, %s/%s, %s. Server's side, agent and peer ran on this machine,
over loopback; Leshan's Java client (its newest release on Maven Central that resolves) was measured in the same run.

| what | lwm2m-agent | goal | met | Leshan's client |
|---|---|---|---|---|
`, time.Now().UTC().Format(time.DateOnly), processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, r := range b.rows {
		met := "yes"
		if !r.met {
			met = "**no**"
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s |\n", r.what, r.ours, r.goal, met, r.java)
	}
	s.WriteString(notes())
	if len(b.layer) == 2 {
		fmt.Fprintf(&s, `- Goals in reads, notifications and milliseconds were set on a machine where a minimal message layer answered %s reads a second. In this run
  the message layer alone answered %s on one processor, and %s as the kernel placed the processes: compare what is measured with the other
  columns, and across machines by that.
`, thousands(goalLayer), b.layer[0], b.layer[1])
	}
	fmt.Fprintf(&s, "- Other work on the machine: load average %s when the report was written; rates are lower and delays longer than on an idle one.\n", load())
	if b.parts != nil {
		s.WriteString(where(b.parts))
	}
	return s.String()
}

// notes say how the figures came about.
func notes() string {
	return fmt.Sprintf(`
- The bare sockets are the floor: where they make fewer exchanges than a goal wants, no program can meet it on that machine.
- "On one processor": the measuring process and the one that is measured are bound to the same one, as by taskset(1). Where each has its own, every
  message must first wake a processor that sleeps, which a virtual machine takes several times longer for than for all the rest; the kernel mostly
  keeps the bare sockets together by itself.
- The measuring process runs Go code on one thread at a time, as the agent does.
- Reads are confirmable GETs, one after the other, %d of them after a tenth as many to warm up; "the message layer alone" is package
  `+"`lwm2m/coap`"+` answering every request with a constant, in a process of its own; both are measured in %d turns, and the turn with the median share is told.
- Over DTLS the server's side is `+"`lwm2m/dtls/dtlstest`"+`: the package's own records in the server's role.
- Notifications: the next change is made when the notification of the last one has arrived. The client runs in the measuring process,
  Leshan's is told its values over standard input.
- Memory is VmRSS five seconds after registration; when it has started, the agent gives back the pages of its own file that only starting
  needed. Work brings some of them back and lets the heap reach its size, so growth counts from a tenth of it on.
- The handshakes' own processor time is that of the client's thread, the mean of %d in memory with the server on another thread. What a further
  server costs is heap and stacks five seconds after the registrations, the median of %d turns.
- Wake-ups are the tenths of a second in which any thread ran; of two in succession one counts, so that a process that runs in
  each of them shows 300 a minute. The Go runtime's monitor wakes once a minute and naps for a moment, which makes
  two context switches; the agent itself has no timer before the next Update. A modem by AT commands is asked for its signal each minute, ModemManager tells it.
- Sampling is what all threads of the agent use of a core over %v, registered and observed by nobody.
- The talkative modem is a simulated one at a pseudo-terminal, in the measuring process; its share is that of the whole agent over as long, and ends with the last line's cell
  in object 4.
- A pull takes from the write of the URI to the notification that the package is there and verified (the back end is `+"`file`"+`, the image random); "one block
  after the other" is what the bare sockets make of datagrams that long when each waits for the one before. The disk's speed is that of writing the same
  bytes in one call and syncing them, just before. A push ends with the answer to its last block, and is the median of %d.
- "The libraries alone" is `+"`test/bench/libraries`"+`, built in the same way: HTTP, TLS, JSON, TOML, bbolt and D-Bus, each used once.
- Start-up is the median of %d starts (%d of Leshan's client), from before the process is made to the arrival of its Register; that of a session
  that goes on is the median of %d. What its threads ran and the page faults are those up to the notification. The program lies in memory
  as an installation by dpkg leaves it there.
- The cold start is the median of %d starts, each with an empty state directory, ten sensors and a server, by the program `+"`test/bench/starter`"+` on both machines; program and
  state are in memory. How much slower the board (docs/testing.md) is than this machine says the time of the same compression of text, compiled from Go for both. The
  first start there takes several times longer, since the emulator then translates the program.
- The day is one of the emulated board's clock, which leaps to the next timer while nothing runs there: the program that ships, on Linux, with a server beside it
  (`+"`test/bench/day`"+`). It begins an hour after the registration, and the bytes are those of /proc/PID/io (wchar), whatever they were written to. What is
  neither a datagram nor log goes to the state directory, but for the Go runtime's own wake-ups of 8 bytes.
`, readCount, readTurns, handshakeCount, readTurns, sampleTime, pushes, starts, javaStarts, restarts, boardStarts)
}

// load is the load average over 1, 5 and 15 minutes.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 3 {
		return strings.Join(fields[:3], ", ")
	}
	return "unknown"
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown processor"
}
