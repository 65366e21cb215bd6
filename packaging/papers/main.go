// Command papers writes what accompanies the program in a package, made from the
// program itself: its manual page and completion from what its commands say of
// themselves, its licences and bill of materials from what is linked into it. It must
// not know how packages are made.
//
//	papers DIR PROGRAM      writes lwm2m-agent.1, lwm2m-agent.bash, copyright and sbom.cdx.json
package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: papers DIR PROGRAM")
		os.Exit(2)
	}
	if err := write(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "papers:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, dir, program string) error {
	commands, err := ask(ctx, program)
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read what %s is built from: %w", program, err)
	}
	copyright, err := licences(ctx, info)
	if err != nil {
		return err
	}
	bill, err := bom(info)
	if err != nil {
		return err
	}
	return errors.Join(
		save(dir, "lwm2m-agent.1", manual(commands)),
		save(dir, "lwm2m-agent.bash", completion(commands)),
		save(dir, "copyright", copyright),
		save(dir, "sbom.cdx.json", bill),
	)
}

func save(dir, name string, content []byte) error {
	return os.WriteFile(filepath.Join(dir, name), content, 0o644)
}

// command is what a command of the program says of itself.
type command struct {
	name, arguments, summary string
	flags                    []flag
}

// chosen finds the words of a usage of which one is to be chosen: "show | apply FILE".
var chosen = regexp.MustCompile(`(?:^|\| *|\[)([a-z][a-z0-9-]+)`)

// words returns what may follow a command: flags, and words to choose from.
func (c *command) words() []string {
	words := make([]string, 0, len(c.flags))
	for _, m := range chosen.FindAllStringSubmatch(strings.TrimPrefix(c.arguments, "[flags] "), -1) {
		words = append(words, m[1])
	}
	for _, f := range c.flags {
		words = append(words, "-"+f.name)
	}
	return words
}

type flag struct{ name, value, help string }

var (
	listed = regexp.MustCompile(`(?m)^  ([a-z]+) +(.+)$`)
	usage  = regexp.MustCompile(`^usage: lwm2m-agent [a-z]+ ?((?:.+\n)*)`)
	option = regexp.MustCompile(`(?m)^  -([a-z-]+)(?: (\S+))?\n((?:    .*\n)+)`)
)

// ask has the program list its commands and their flags.
func ask(ctx context.Context, program string) ([]command, error) {
	say := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
		}
		return string(out), nil
	}
	help, err := say("help")
	if err != nil {
		return nil, err
	}
	var commands []command
	for _, m := range listed.FindAllStringSubmatch(help, -1) {
		c := command{name: m[1], summary: m[2]}
		text, err := say(c.name, "-h")
		if err != nil {
			return nil, err
		}
		if m := usage.FindStringSubmatch(text); m != nil {
			c.arguments = oneLine(m[1])
		}
		for _, m := range option.FindAllStringSubmatch(text, -1) {
			c.flags = append(c.flags, flag{m[1], m[2], oneLine(m[3])})
		}
		commands = append(commands, c)
	}
	if len(commands) == 0 {
		return nil, fmt.Errorf("%s help lists no commands", program)
	}
	return commands, nil
}

// oneLine takes the line breaks out of a text.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// manual returns the manual page.
func manual(commands []command) []byte {
	var b bytes.Buffer
	b.WriteString(`.TH LWM2M-AGENT 1 "" "" "lwm2m-agent"
.SH NAME
lwm2m-agent \- LwM2M gateway agent
.SH SYNOPSIS
.B lwm2m-agent
.I COMMAND
[\fIflags\fR] [\fIarguments\fR]
.SH DESCRIPTION
Makes the sensors and outputs of a gateway, and the system itself, manageable from any OMA LightweightM2M server. The service runs
.BR "lwm2m-agent run" ;
the other commands ask it through its control socket. Members of the group lwm2m-agent may read, root and members of lwm2m-agent-admin may change something.
.SH COMMANDS
`)
	for _, c := range commands {
		fmt.Fprintf(&b, ".TP\n.B lwm2m-agent %s %s\n%s.\n", roff(c.name), roff(c.arguments), roff(c.summary))
		for _, f := range c.flags {
			fmt.Fprintf(&b, ".RS\n.TP\n.BI \\-%s \" %s\"\n%s\n.RE\n", roff(f.name), roff(f.value), roff(f.help))
		}
	}
	b.WriteString(`.SH FILES
.TP
.I /etc/lwm2m-agent/agent.toml
the configuration; every key stands there with its meaning
.TP
.I /etc/lwm2m-agent/agent.d/*.toml
more of it; what comes later in the alphabet wins
.TP
.I /etc/lwm2m-agent/keys/
keys, which only root and the service may read
.TP
.I /var/lib/lwm2m-agent/
what the agent keeps
.TP
.I /run/lwm2m-agent/agent.sock
the control socket
.SH EXIT STATUS
0 done, 1 failed, 2 wrong usage or configuration.
.SH SEE ALSO
The pages in /usr/share/doc/lwm2m\-agent.
`)
	return b.Bytes()
}

// roff quotes text for troff.
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, ".", `\&.`).Replace(s)
}

// completion returns the completion for bash.
func completion(commands []command) []byte {
	var b bytes.Buffer
	b.WriteString("# Completion of lwm2m-agent for bash.\n_lwm2m_agent() {\n  local words\n  case ${COMP_CWORD}:${COMP_WORDS[1]:-} in\n    1:*) words='")
	for i, c := range commands {
		if i > 0 {
			b.WriteString(" ")
		}
		b.WriteString(c.name)
	}
	b.WriteString("' ;;\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "    *:%s) words='%s' ;;\n", c.name, strings.Join(c.words(), " "))
	}
	b.WriteString("  esac\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\ncomplete -o default -F _lwm2m_agent lwm2m-agent\n")
	return b.Bytes()
}
