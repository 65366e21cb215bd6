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
	program := filepath.Join(b.temp, "agent-arm")
	b.build(program, nil, "GOARCH=arm", "GOARM=6")
	b.build(here, nil, "PROGRAM=./test/bench/starter")
	cmd := exec.CommandContext(b.ctx, here, b.agent, fmt.Sprint(b.times(boardStarts)))
	cmd.Env = append(os.Environ(), "TMPDIR=/dev/shm")
	out, err := cmd.Output()
	b.must(err, "start the agent")
	ours := b.started(string(out))
	var there startedIn
	b.during(func() {
		board := rig.Start(b, rig.Config{Programs: map[string]string{"/payload/starter": rig.Build(b, "./test/bench/starter"), "/payload/lwm2m-agent": program}})
		there = b.started(board.Run(b, fmt.Sprintf("starter /payload/lwm2m-agent %d", b.times(boardStarts))))
		board.PowerOff(b)
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

// startedIn is what the program starter prints.
type startedIn struct{ serving, registering, work time.Duration }

func (b *bench) started(printed string) (s startedIn) {
	var serving, registering, work int64 // µs
	_, err := fmt.Sscan(strings.TrimSpace(printed), &serving, &registering, &work)
	b.must(err, fmt.Sprintf("understand %q", printed))
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return startedIn{us(serving), us(registering), us(work)}
}
