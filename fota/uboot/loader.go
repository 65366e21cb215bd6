package uboot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/plain"
)

const defaultConfig = "/etc/fw_env.config"

// Options are what a Loader stands on. Slots is required.
type Options struct {
	Slots     []string // names, of letters, digits and "_"
	Bootcount string   // the variable that has the slot to boot; "": the scheme is Order
	Attempts  int      // that a slot has, in the scheme Order; 3
	Config    string   // of the tools; "": /etc/fw_env.config
	Tool      Tool     // nil: fota.Run
}

// Loader is U-Boot.
type Loader struct {
	opts   Options
	scheme scheme
}

var _ plain.Loader = (*Loader)(nil)

// scheme is what variables mean. Its methods return the changes to be made.
type scheme interface {
	standings(env environment) (map[string]plain.Standing, error)
	activate(env environment, slot string) environment
	good(env environment, slot string) environment
	bad(env environment, slot string) (environment, error)
	probe(env environment) error
	// primary returns the slot that is booted next, as far as nothing fails.
	primary(env environment) string
}

// New returns a Loader.
func New(o Options) *Loader {
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	if o.Tool == nil {
		o.Tool = fota.Run
	}
	l := &Loader{opts: o, scheme: order{o.Slots, o.Attempts}}
	if o.Bootcount != "" {
		l.scheme = bootcount{o.Slots, o.Bootcount}
	}
	return l
}

// Standings implements plain.Loader.
func (l *Loader) Standings(ctx context.Context) (map[string]plain.Standing, error) {
	env, err := l.read(ctx)
	if err != nil {
		return nil, err
	}
	return l.scheme.standings(env)
}

// Activate implements plain.Loader.
func (l *Loader) Activate(ctx context.Context, slot string) error {
	return l.change(ctx, slot, func(env environment) (environment, error) { return l.scheme.activate(env, slot), nil })
}

// Mark implements plain.Loader.
func (l *Loader) Mark(ctx context.Context, slot string, good bool) error {
	return l.change(ctx, slot, func(env environment) (environment, error) {
		if good {
			return l.scheme.good(env, slot), nil
		}
		return l.scheme.bad(env, slot)
	})
}

func (l *Loader) change(ctx context.Context, slot string, f func(environment) (environment, error)) error {
	if !slices.Contains(l.opts.Slots, slot) {
		return fmt.Errorf("there is no slot %q", slot)
	}
	env, err := l.read(ctx)
	if err != nil {
		return err
	}
	if _, err := l.scheme.standings(env); err != nil {
		return err
	}
	changes, err := f(env)
	if err != nil {
		return err
	}
	return l.write(ctx, env, changes)
}

// Probe looks whether the environment is one that a machine can be updated by: that
// it can be read, has what the scheme needs, and is kept twice. The error says what
// to do. The slot that runs should be the one that boots next.
func (l *Loader) Probe(ctx context.Context, booted string) error {
	env, err := l.read(ctx)
	if err != nil {
		return err
	}
	if _, err = l.scheme.standings(env); err != nil {
		return err
	}
	if err = l.scheme.probe(env); err == nil && l.scheme.primary(env) != booted {
		err = fmt.Errorf("slot %q runs, and the environment says that %q is to be booted: U-Boot has fallen back, or boots by other variables", booted, l.scheme.primary(env))
	}
	return errors.Join(err, l.twice())
}

// twice looks whether the environment is kept twice: a cut while the only copy is
// written leaves none. A configuration in another layout than lines is passed over.
func (l *Loader) twice() error {
	f, err := os.Open(l.config())
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	copies := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasSuffix(line, ":") { // YAML, of libubootenv
			return nil
		}
		if line != "" && line[0] != '#' {
			copies++
		}
	}
	if copies != 2 {
		return fmt.Errorf("%s has %d copies of the environment: a power cut while the only one is written leaves none; build U-Boot with CONFIG_SYS_REDUNDAND_ENVIRONMENT and give both", l.config(), copies)
	}
	return nil
}

// without returns a list without a word, and whether it had it.
func without(list []string, word string) ([]string, bool) {
	rest := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == word })
	return rest, len(rest) < len(list)
}

// order is the scheme Order.
type order struct {
	slots    []string
	attempts int
}

const orderVariable = "BOOT_ORDER"

func leftVariable(slot string) string { return "BOOT_" + slot + "_LEFT" }

func (o order) full() string { return strconv.FormatInt(int64(o.attempts), 16) }

func (o order) standings(env environment) (map[string]plain.Standing, error) {
	list := strings.Fields(env[orderVariable])
	if len(list) == 0 {
		return nil, fmt.Errorf(`the boot environment has no %s: set it, such as to "%s"`, orderVariable, strings.Join(o.slots, " "))
	}
	out := make(map[string]plain.Standing)
	for _, slot := range o.slots {
		left, err := strconv.ParseUint(strings.TrimPrefix(env[leftVariable(slot)], "0x"), 16, 32) // as setexpr writes it
		switch {
		case !slices.Contains(list, slot):
			out[slot] = plain.Forbidden
		case err == nil && left >= uint64(o.attempts): //nolint:gosec // it is small
			out[slot] = plain.Good
		default: // with none left too: scripts begin anew when no slot has any
			out[slot] = plain.OnTrial
		}
	}
	return out, nil
}

func (o order) primary(env environment) string {
	return strings.Fields(env[orderVariable])[0] // which standings has found
}

func (o order) activate(env environment, slot string) environment {
	rest, _ := without(strings.Fields(env[orderVariable]), slot)
	return environment{orderVariable: strings.Join(append([]string{slot}, rest...), " "), leftVariable(slot): o.full()}
}

func (o order) good(env environment, slot string) environment {
	list := strings.Fields(env[orderVariable])
	if !slices.Contains(list, slot) {
		list = append(list, slot)
	}
	return environment{orderVariable: strings.Join(list, " "), leftVariable(slot): o.full()}
}

func (o order) bad(env environment, slot string) (environment, error) {
	rest, _ := without(strings.Fields(env[orderVariable]), slot)
	if len(rest) == 0 {
		return nil, fmt.Errorf("slot %q is the only one that may be booted: it is not forbidden", slot)
	}
	return environment{orderVariable: strings.Join(rest, " "), leftVariable(slot): "0"}, nil
}

// probe has nothing to look at: the script that reads the variables may be anywhere.
func (o order) probe(environment) error { return nil }

// bootcount is the scheme Bootcount.
type bootcount struct {
	slots    []string
	variable string
}

// Variables of U-Boot.
const (
	available = "upgrade_available"
	count     = "bootcount"
	limit     = "bootlimit"
	fallBack  = "altbootcmd"
)

func (b bootcount) forbidden(env environment) []string { return strings.Fields(env[b.variable+"_bad"]) }

func (b bootcount) primary(env environment) string { return env[b.variable] }

func (b bootcount) standings(env environment) (map[string]plain.Standing, error) {
	if !slices.Contains(b.slots, env[b.variable]) {
		return nil, fmt.Errorf("the boot environment has %s=%.40q: set it to the slot to boot, one of %s", b.variable, env[b.variable], strings.Join(b.slots, ", "))
	}
	out := make(map[string]plain.Standing)
	for _, slot := range b.slots {
		switch {
		case slices.Contains(b.forbidden(env), slot) && env[b.variable] != slot:
			out[slot] = plain.Forbidden
		case env[available] == "1" && env[b.variable] == slot:
			out[slot] = plain.OnTrial
		default:
			out[slot] = plain.Good
		}
	}
	return out, nil
}

// booting returns the changes for a slot to boot, with counting where that may lead
// to another one.
func (b bootcount) booting(slot string, forbidden []string, counted bool) environment {
	counting := "0"
	for _, s := range b.slots {
		if counted && s != slot && !slices.Contains(forbidden, s) {
			counting = "1"
		}
	}
	return environment{b.variable: slot, b.variable + "_bad": strings.Join(forbidden, " "), available: counting, count: "0"}
}

func (b bootcount) activate(env environment, slot string) environment {
	forbidden, _ := without(b.forbidden(env), slot)
	return b.booting(slot, forbidden, true)
}

func (b bootcount) good(env environment, slot string) environment {
	forbidden, _ := without(b.forbidden(env), slot)
	if env[b.variable] == slot {
		return b.booting(slot, forbidden, false)
	}
	return environment{b.variable + "_bad": strings.Join(forbidden, " ")}
}

func (b bootcount) bad(env environment, slot string) (environment, error) {
	forbidden, had := without(b.forbidden(env), slot)
	forbidden = append(forbidden, slot)
	primary := env[b.variable]
	for _, s := range b.slots {
		if primary == slot && !slices.Contains(forbidden, s) {
			primary = s
		}
	}
	if primary == slot {
		return nil, fmt.Errorf("slot %q is the only one that may be booted: it is not forbidden", slot)
	}
	if had && primary == env[b.variable] {
		return environment{}, nil
	}
	return b.booting(primary, forbidden, env[available] == "1"), nil
}

func (b bootcount) probe(env environment) error {
	if n, err := strconv.Atoi(env[limit]); err != nil || n < 1 {
		return fmt.Errorf("the boot environment has %s=%.20q: set it to how often a new system may be started, such as 3; else U-Boot does not fall back", limit, env[limit])
	}
	if !strings.Contains(env[fallBack], b.variable) {
		return fmt.Errorf("%s in the boot environment does not set %s: it has to, to the other slot, and upgrade_available and bootcount to 0; docs/firmware-update.md has one", fallBack, b.variable)
	}
	return nil
}
