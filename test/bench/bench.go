package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lwm2m-agent/test/rig"
	"lwm2m-agent/test/workspace"
)

// How much is measured, unless a bench divides it.
const (
	readCount       = 30_000
	readTurns       = 5
	handshakeCount  = 500
	manyServers     = 16
	growthReads     = 100_000
	growthRegisters = 1_000
	notifyCount     = 20_000
	javaNotifyCount = 2_000
	bigReads        = 20
	bigInstances    = 1_000
	starts          = 10
	javaStarts      = 3
	restarts        = 40
	idleTime        = 2 * time.Minute
	settled         = 5 * time.Second // from the registration until starting has left nothing to do
	patience        = time.Minute     // with anything that should answer at once
)

// bench is one run. It is the workspace.T of what it starts.
type bench struct {
	ctx      context.Context
	idle     time.Duration
	divisor  int    // of all counts and pauses: 1, or more where only the code is tried
	only     string // "" or the name of the one measurement to make
	cleanups []func()
	temp     string
	rows     []row
	layer    []string // reads a second of the message layer alone: on one processor, and as the kernel places the processes
	parts    []part   // of the program for little flash
	agent    string   // path of the binary that is measured
	shared   *rig.Board
}

var _ workspace.T = (*bench)(nil)

// failed carries a Fatalf to guarded.
type failed struct{ error }

// guarded runs f and returns what Fatalf ended it with.
func (b *bench) guarded(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failed:
			err = r.error
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

func (b *bench) cleanUp() {
	for _, f := range slices.Backward(b.cleanups) {
		if err := b.guarded(f); err != nil {
			fmt.Fprintln(os.Stderr, "bench: clean up:", err)
		}
	}
}

// Helper implements workspace.T.
func (b *bench) Helper() {}

// Name implements workspace.T.
func (b *bench) Name() string { return "bench" }

// Context implements workspace.T.
func (b *bench) Context() context.Context { return b.ctx }

// Logf implements workspace.T.
func (b *bench) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Errorf implements workspace.T: a benchmark has no use for half a result.
func (b *bench) Errorf(format string, args ...any) { b.Fatalf(format, args...) }

// Fatalf implements workspace.T.
func (b *bench) Fatalf(format string, args ...any) { panic(failed{fmt.Errorf(format, args...)}) }

// Cleanup implements workspace.T.
func (b *bench) Cleanup(f func()) { b.cleanups = append(b.cleanups, f) }

// TempDir implements workspace.T.
func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp("", "lwm2m-bench-")
	if err != nil {
		b.Fatalf("make a temporary directory: %v", err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Logf("remove %s: %v", dir, err)
		}
	})
	return dir
}

func (b *bench) must(err error, what string) {
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// measurement makes one row or several.
type measurement struct {
	name string
	make func()
}

func (b *bench) measurements() []measurement {
	return []measurement{
		{"floor", b.floor},
		{"reads", b.readsPlain},
		{"secure", b.readsSecure},
		{"notifications", b.notifications},
		{"memory", b.memory},
		{"servers", b.perServer},
		{"handshakes", b.handshakes},
		{"wakeups", b.wakeUps},
		{"object", b.bigObject},
		{"load", b.load},
		{"encoding", b.encoding},
		{"creating", b.creating},
		{"sampling", b.sampling},
		{"modbus", b.manyRegistersPolled},
		{"modem", b.talkative},
		{"firmware", b.firmware},
		{"start", b.startUp},
		{"resume", b.resume},
		{"board", b.board},
		{"day", b.day},
		{"size", b.size},
		{"packages", b.packages},
		{"bytes", b.bytes},
	}
}

// run measures everything, row by row.
func (b *bench) run() {
	b.prepare()
	for _, m := range b.measurements() {
		if b.ctx.Err() != nil {
			b.Fatalf("%v", b.ctx.Err())
		}
		if b.only == "" || b.only == m.name {
			m.make()
		}
	}
}

// prepare builds what is measured.
func (b *bench) prepare() {
	b.temp = b.TempDir()
	b.agent = filepath.Join(b.temp, "lwm2m-agent")
	linked := b.agent + ".linked"
	b.build(linked, nil)
	b.must(install(linked, b.agent), "install the agent")
}

// times is how often something is done that is done n times in a full run.
func (b *bench) times(n int) int { return max(1, n/b.divisor) }

// during runs f with cleanups of its own, so that what f starts ends with it.
func (b *bench) during(f func()) {
	outer := b.cleanups
	b.cleanups = nil
	err := b.guarded(f)
	b.cleanUp()
	b.cleanups = outer
	if err != nil {
		panic(failed{err})
	}
}
