// Command lwm2m-agent is a LwM2M gateway agent for embedded Linux. This package
// holds the command line: one small file for each command, which parses flags and
// calls the agent or its control interface. It knows signals and exit codes, and
// must not know how anything works.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"lwm2m-agent/agent/config"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// command is one line of the table of commands.
type command struct {
	name      string
	arguments string // as the usage line shows them
	summary   string
	run       func(ctx context.Context, c *call) error
}

// commands is the table of commands, in the order in which help lists them.
func commands() []command {
	return slices.Concat(demoCommand(), []command{
		{"run", "", "the agent in the foreground", runRun},
		{"check", "", "validate the configuration and probe what it names", runCheck},
		{"scan", "", "list what this board has, with configuration lines", runScan},
		{"sensor", "record [NAME] | replay FILE", "record what a sensor says as a playback file, and run one", runSensor},
		{"status", "", "registration at each server, and what is wrong", runStatus},
		{"tree", "[PATH]", "list the object tree, with names, values and units", runTree},
		{"read", "PATH...", "print last known values", runRead},
		{"write", "PATH VALUE", "write a value", runWrite},
		{"execute", "PATH [ARGS]", "run an executable resource", runExecute},
		{"observe", "PATH...", "print values as they change, until interrupted", runObserve},
		{"trace", "", "print messages to and from servers, decoded, without keys", runTrace},
		{"send", "PATH...", "tell servers present values, unasked", runSend},
		{"update", "[SHORT_SERVER_ID...]", "send a registration Update now", runUpdate},
		{"bootstrap", "", "ask the bootstrap server for accounts now", runBootstrap},
		{"deregister", "", "end the registrations, until the agent is started anew", runDeregister},
		{"provision", "[psk|rpk|x509|list|account FILE]", "make, import and list keys and accounts, in files or a TPM", runProvision},
		{"firmware", "status | install [FILE] | accept | cancel | mark-good | rollback", "show and drive the firmware update", runFirmware},
		{"config", "show | diff [FILE] | apply FILE | confirm | rollback | reset-accounts", "show the configuration, and set it as a transaction", runConfig},
		{"bundle", "FILE", "write a support archive without secrets (.tar.gz; -: to stdout)", runBundle},
		{"helper", "", "the root process behind its socket unit; not for people", runHelper},
		{"version", "", "print version, commit, Go version and supported LwM2M versions", runVersion},
	}, etsCommand())
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends a process that does not come to its end.
	context.AfterFunc(ctx, stop)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs the command that args name and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		printUsage(stderr)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		if args = append(args[1:], "-h"); args[0] == "-h" {
			printUsage(stdout)
			return exitDone
		}
	case "-version", "--version":
		args[0] = "version"
	}
	for _, cmd := range commands() {
		if cmd.name == args[0] {
			return report(stderr, cmd.name, cmd.run(ctx, newCall(cmd, args[1:], stdout, stderr)))
		}
	}
	fmt.Fprintf(stderr, "lwm2m-agent: there is no command %q; run \"lwm2m-agent help\"\n", args[0])
	return exitUsage
}

// report prints a command's error and returns the exit code for it.
func report(stderr io.Writer, name string, err error) int {
	var problems config.Problems
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems)
		return exitUsage
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "lwm2m-agent %s: %v; run \"lwm2m-agent %s -h\"\n", name, err, name)
		return exitUsage
	}
	fmt.Fprintf(stderr, "lwm2m-agent %s: %v\n", name, err)
	return exitFailed
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "usage: lwm2m-agent COMMAND [flags] [arguments]\n\n")
	var t table
	for _, cmd := range commands() {
		t.row("  "+cmd.name, cmd.summary)
	}
	t.print(w)
	fmt.Fprint(w, "\n\"lwm2m-agent COMMAND -h\" shows the flags of a command.\n")
}
