package host

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Reconnect has OpenWrt's netifd make the connection of one of its interfaces anew, as its program ifup
// does. It returns when netifd has begun.
func Reconnect(ctx context.Context, name string) error {
	for _, do := range []string{"down", "up"} {
		if _, err := runProgram(ctx, "ubus", "call", "network.interface."+name, do); err != nil {
			return fmt.Errorf("take the interface %q %s: %w", name, do, err)
		}
	}
	return nil
}

// Netifd is what netifd says of one of its interfaces (its ubus.c, netifd_dump_status).
type Netifd struct {
	Up     bool `json:"up"`
	Wanted bool `json:"autostart"` // nobody has taken it down on purpose
}

// statusTime bounds a question to netifd.
const statusTime = 10 * time.Second

// WatchNetifd tells what netifd says of an interface, at once and when it has changed, until ctx ends, which gives nil, or netifd cannot be
// heard any more. An interface that there is not, or not yet, tells nothing.
func WatchNetifd(ctx context.Context, name string, told func(Netifd)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ubus", "listen", "network.interface") // no shell
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("%w: there is no program ubus", ErrNotSupported)
	}
	if err != nil {
		return fmt.Errorf("listen to netifd: %w", err)
	}
	look := func() {
		ctx, cancel := context.WithTimeout(ctx, statusTime)
		defer cancel()
		var n Netifd
		said, err := runProgram(ctx, "ubus", "call", "network.interface."+name, "status")
		if err == nil && json.Unmarshal(said, &n) == nil {
			told(n)
		}
	}
	look()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"`+name+`"`) {
			look()
		}
	}
	stopped := ctx.Err() != nil
	cancel()
	err = cmd.Wait()
	if stopped {
		return nil
	}
	return errors.Join(errors.New("listen to netifd: ubus has ended"), lines.Err(), err)
}
