// Command bench measures the speed and size of lwm2m-agent beside Leshan's Java
// client, in one run on one machine, and writes docs/performance.md. It knows
// both from outside: processes, datagrams, files. Where a row says so, the agent runs
// in this process.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

func main() {
	constant := flag.String("constant", "", "answer every request at this `address` with a constant: what the message layer alone can do")
	echoed := flag.Int("echo", 0, "send back what comes from this `port` of the loopback interface")
	changing := flag.String("changing", "", "register at this `URI` as a client with many values that change")
	report := flag.String("o", "docs/performance.md", "`file` to write the report to; - prints it")
	idle := flag.Duration("idle", idleTime, "how long wake-ups are counted")
	only := flag.String("only", "", "make one `measurement` and print it: floor, reads, secure, notifications, memory, servers, handshakes, wakeups, object, load, encoding, creating, sampling, modbus, modem, firmware, start, resume, board, day, size or bytes")
	flag.Parse()
	runtime.GOMAXPROCS(1) // as the agent runs, which is also run in this process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *constant != "" {
		exit(serveConstant(ctx, *constant))
	}
	if *echoed != 0 {
		exit(echo(ctx, *echoed))
	}
	if *changing != "" {
		exit(serveChanging(ctx, *changing))
	}
	b := &bench{ctx: ctx, idle: *idle, divisor: 1, only: *only}
	err := b.guarded(b.run)
	b.cleanUp()
	if err != nil {
		exit(err)
	}
	if *report == "-" || *only != "" {
		fmt.Print(b.report())
		return
	}
	exit(os.WriteFile(filepath.FromSlash(*report), []byte(b.report()), 0o644))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
