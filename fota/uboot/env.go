package uboot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/fota"
)

// environment is U-Boot's.
type environment map[string]string

// toolTime bounds a run of a tool: flash may be slow to erase.
const toolTime = 30 * time.Second

// Tool runs a program (fota.Run).
type Tool func(ctx context.Context, input, name string, args ...string) (stdout []byte, words string, err error)

func (l *Loader) tool(ctx context.Context, input, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, toolTime)
	defer cancel()
	if l.opts.Config != "" {
		args = append([]string{"-c", l.opts.Config}, args...)
	}
	out, words, err := l.opts.Tool(ctx, input, name, args...)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		err = fmt.Errorf("%w: install the tools of U-Boot's environment (Debian: libubootenv-tool; OpenWrt: uboot-envtools)", err)
	case err != nil:
		err = fmt.Errorf("%w; compare %s with U-Boot's build", err, l.config())
	case strings.Contains(words, "default"): // both tools go on with theirs in place of an environment that is damaged, and end with 0
		err = fmt.Errorf("%s: the environment is damaged or was never written (%s): run saveenv in U-Boot, and compare %s with its build", name, words, l.config())
	}
	return out, err
}

// config is the configuration of the tools.
func (l *Loader) config() string {
	if l.opts.Config == "" {
		return defaultConfig
	}
	return l.opts.Config
}

// read reads the environment.
func (l *Loader) read(ctx context.Context) (environment, error) {
	out, err := l.tool(ctx, "", "fw_printenv")
	if err != nil {
		return nil, fmt.Errorf("read the boot environment: %w", err)
	}
	env := make(environment)
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			env[name] = value
		}
	}
	return env, nil
}

// write makes changes to the environment, if there is anything to change, in one
// run, and looks whether they are there.
func (l *Loader) write(ctx context.Context, env, changes environment) error {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(changes)), func(name string) bool { return env[name] == changes[name] })
	if len(names) == 0 {
		return nil
	}
	var script strings.Builder
	separator := l.separator(ctx)
	for _, name := range names {
		script.WriteString(name + separator + changes[name] + "\n")
	}
	if _, err := l.tool(ctx, script.String(), "fw_setenv", "-s", "-"); err != nil {
		return fmt.Errorf("write the boot environment: %w", err)
	}
	after, err := l.read(ctx)
	if err != nil {
		return err
	}
	for _, name := range names { // libubootenv passes over lines that it does not understand
		if after[name] != changes[name] {
			return fota.Failf(fota.UpdateFailed, "write the boot environment: %s is %.40q after fw_setenv has set it to %.40q", name, after[name], changes[name])
		}
	}
	return nil
}

// separator is what a script for fw_setenv has between name and value: libubootenv
// wants "=", U-Boot's own tool a space. Only the latter tells of U-Boot.
func (l *Loader) separator(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, toolTime)
	defer cancel()
	out, words, _ := l.opts.Tool(ctx, "", "fw_printenv", "-V") // neither tool's status is of use
	if strings.Contains(string(out)+words, "U-Boot") {
		return " "
	}
	return "="
}
