package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// call is one run of a command: its flags, its arguments, and where it prints.
type call struct {
	command command
	flags   *flag.FlagSet
	raw     []string // what followed the command's name
	args    []string // after parse: what is no flag
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	now     func() time.Time // wall clock
	zone    *time.Location   // in which times are printed
}

// errUsage is wrapped by errors of wrong usage.
var errUsage = errors.New("wrong usage")

func usageError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

func newCall(cmd command, raw []string, stdout, stderr io.Writer) *call {
	c := &call{command: cmd, raw: raw, stdin: os.Stdin, stdout: stdout, stderr: stderr, now: time.Now, zone: time.Local}
	c.flags = flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	c.flags.SetOutput(io.Discard)
	c.flags.Usage = func() {}
	return c
}

// parse reads flags before, between and after the arguments, of which there must
// be at least least and, unless most is negative, at most most. "--" ends the
// flags; a negative number is an argument. It returns flag.ErrHelp after -h.
func (c *call) parse(least, most int) error {
	for rest := c.raw; len(rest) > 0; {
		end := slices.IndexFunc(rest, isNegativeNumber)
		switch end {
		case 0:
			c.args, rest = append(c.args, rest[0]), rest[1:]
			continue
		case -1:
			end = len(rest)
		}
		if err := c.flags.Parse(rest[:end]); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				c.printHelp()
				return err
			}
			return usageError("%v", err)
		}
		taken := end - c.flags.NArg()
		if taken > 0 && rest[taken-1] == "--" {
			c.args = append(c.args, rest[taken:]...)
			break
		}
		if taken < end {
			c.args = append(c.args, rest[taken])
			taken++
		}
		rest = rest[taken:]
	}
	switch n := len(c.args); {
	case n < least:
		return usageError("needs %s", c.command.arguments)
	case most >= 0 && n > most:
		return usageError("unexpected argument %q", c.args[most])
	}
	return nil
}

func isNegativeNumber(s string) bool {
	return len(s) > 1 && s[0] == '-' && (s[1] >= '0' && s[1] <= '9' || s[1] == '.')
}

func (c *call) printHelp() {
	line := "usage: lwm2m-agent " + c.command.name + " [flags]"
	if c.command.arguments != "" {
		line += " " + c.command.arguments
	}
	c.say("", line)
	fmt.Fprintln(c.stdout)
	c.say("", c.command.summary)
	for i, text := range details[c.command.name] {
		if i == 0 {
			fmt.Fprintln(c.stdout)
		}
		c.say("", text)
	}
	first := true
	c.flags.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprint(c.stdout, "\nflags:\n")
			first = false
		}
		c.printFlag(f)
	})
}

// printFlag prints a flag as the flag package does, in lines that fit.
func (c *call) printFlag(f *flag.Flag) {
	value, help := flag.UnquoteUsage(f)
	fmt.Fprintln(c.stdout, strings.TrimRight("  -"+f.Name+" "+value, " "))
	switch f.DefValue {
	case "", "0", "0s", "false":
	default:
		help += " (default " + f.DefValue + ")"
	}
	c.say("    ", help)
}
