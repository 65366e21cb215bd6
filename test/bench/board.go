package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lwm2m-agent/test/rig"
)

// boardStarts is how often the agent is started there and here.
const boardStarts = 9

// board measures the cold start on the emulated board of test/rig and on this machine, and how much slower that board is: what it takes there by this
// machine's scale is what the goal is about. The program's file and the state are in memory on both.
func (b *bench) board() {
	here := filepath.Join(b.temp, "starter")
	b.build(here, nil, "PROGRAM=./test/bench/starter")
	cmd := exec.CommandContext(b.ctx, here, b.agent, fmt.Sprint(b.times(boardStarts)))
	cmd.Env = append(os.Environ(), "TMPDIR=/dev/shm")
	out, err := cmd.Output()
	b.must(err, "start the agent")
	ours := b.started(string(out))
	var there startedIn
	b.onBoard(false, func(board *rig.Board) {
		there = b.started(board.Run(b, fmt.Sprintf("starter /payload/lwm2m-agent %d", b.times(boardStarts))))
	})
	slower := float64(there.work) / float64(ours.work)
	scaled := time.Duration(float64(there.serving) / slower)
	const limit = 100 * time.Millisecond
	b.add(row{
		"cold start on an emulated ARM board: process start to the control socket's first answer",
		fmt.Sprintf("%s (Register: %s) on a core %.0f times slower than this machine's: %s by its scale; here %s (Register: %s)",
			micro(there.serving), micro(there.registering), slower, micro(scaled), micro(ours.serving), micro(ours.registering)),
		"100 ms by this machine's scale", "–", scaled <= limit,
	})
}

// onBoard runs f with a board, on which time leaps or not. Where only the code is tried, one does for all rows.
func (b *bench) onBoard(leaps bool, f func(board *rig.Board)) {
	start := func() *rig.Board {
		program := filepath.Join(b.temp, "agent-arm")
		b.build(program, nil, "GOARCH=arm", "GOARM=6")
		return rig.Start(b, rig.Config{Leaps: leaps, Programs: map[string]string{
			"/payload/lwm2m-agent": program, "/payload/starter": rig.Build(b, "./test/bench/starter"), "/payload/day": rig.Build(b, "./test/bench/day"),
		}})
	}
	if b.divisor > 1 {
		if b.shared == nil {
			leaps = true
			b.shared = start()
		}
		f(b.shared)
		return
	}
	b.during(func() {
		board := start()
		f(board)
		board.PowerOff(b)
	})
}

// startedIn is what the program starter prints.
type startedIn struct{ serving, registering, work time.Duration }

func (b *bench) started(printed string) (s startedIn) {
	var serving, registering, work int64 // µs
	_, err := fmt.Sscan(strings.TrimSpace(printed), &serving, &registering, &work)
	b.must(err, fmt.Sprintf("understand %q", printed))
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return startedIn{us(serving), us(registering), us(work)}
}

// Of the day on the emulated board.
const (
	dayTime  = 24 * time.Hour
	dayLimit = 30 * time.Minute // of this machine's time
)

// day has the agent pass a day on the emulated board, where time leaps while the agent waits for it.
func (b *bench) day() {
	var notified, written, sent, logged float64
	b.onBoard(true, func(board *rig.Board) {
		board.Spawn(b, fmt.Sprintf("day /payload/lwm2m-agent %v", dayTime/time.Duration(b.divisor)))
		printed := board.WaitConsole(b, dayLimit, "DAY ")
		_, err := fmt.Sscan(printed, &notified, &written, &sent, &logged)
		b.must(err, fmt.Sprintf("understand %q", printed))
	})
	b.add(row{
		fmt.Sprintf("bytes passed to write in a day with a notification each hour, over DTLS, ten sensors sampled each minute (%.0f notifications)", notified),
		fmt.Sprintf("%s, of which %s are datagrams and %s the log", kilo(written), kilo(sent), kilo(logged)), "500 kB", "–", written <= 500e3,
	})
}

func kilo(f float64) string { return fmt.Sprintf("%.1f kB", f/1e3) }
