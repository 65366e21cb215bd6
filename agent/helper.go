package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/helper"
	"lwm2m-agent/host"
)

// helperUser is the agent's own, which may ask the helper beside root.
const helperUser = "lwm2m-agent"

// helperDir is the helper's own, until the machine reboots.
const helperDir = "/run/lwm2m-agent/helper"

// Helper is the root process behind its socket unit, until ctx ends or nobody asks any more.
func Helper(ctx context.Context, w io.Writer) error {
	log := newLogger(w, slog.LevelInfo)
	l, err := inherited(activation.Files(true))
	if err != nil {
		return err
	}
	if l == nil {
		return errors.New("there is no socket: it is started by lwm2m-agent-helper.socket, when the agent asks for something that needs root")
	}
	users := []uint32{0}
	if u, err := user.Lookup(helperUser); err == nil {
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return fmt.Errorf("user %s has no number: %w", helperUser, err)
		}
		users = append(users, uint32(uid))
	}
	dir := cmp.Or(os.Getenv("RUNTIME_DIRECTORY"), helperDir) // systemd.exec(5)
	return helper.Serve(ctx, l, helper.Options{Users: users, Log: log, Firmware: func() (helper.Firmware, error) {
		return openRootSlots(config.DefaultFile, dir, host.Root())
	}})
}
