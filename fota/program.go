package fota

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// maxOutput bounds what is kept of a program's words, in bytes.
const maxOutput = 300

// output keeps the end of what a program says.
type output []byte

func (o *output) Write(b []byte) (int, error) {
	*o = append(*o, b...)
	if len(*o) > maxOutput {
		*o = (*o)[len(*o)-maxOutput:]
	}
	return len(b), nil
}

// Program returns a Check that runs a program, which must end with 0.
func Program(name string, args ...string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var said output
		c := exec.CommandContext(ctx, name, args...)
		c.Stdout, c.Stderr, c.WaitDelay = &said, &said, time.Second
		err := c.Run()
		if ctx.Err() != nil {
			err = errors.New("it has not ended in time")
		}
		if err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, strings.Join(strings.Fields(string(said)), " "))
		}
		return nil
	}
}
