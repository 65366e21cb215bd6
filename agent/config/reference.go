package config

import (
	"fmt"
	"io"
	"strings"
)

//go:generate go run ./gendoc ../../docs/configuration.md

const introduction = `# Configuration

<!-- Made by go generate from the table in agent/config/schema.go. -->

The agent reads ` + "`/etc/lwm2m-agent/agent.toml`" + ` (TOML; ` + "`-config FILE`" + ` names another).
[packaging/agent.toml](../packaging/agent.toml) is the same as a commented file. ` + "`lwm2m-agent check`" + ` says whether
a configuration is right before it is used, and ` + "`lwm2m-agent scan`" + ` prints lines for what a board has.

It is strict: an unknown key, a wrong type, a missing key, two sensors on one address are errors. All of them are told at
once, each with file, line, key, what is wrong and what is allowed:

    /etc/lwm2m-agent/agent.toml:12: sensor "cold room": address: 128 is not valid; allowed: 0x03 to 0x77

## Where values come from

Later wins:

1. the defaults below
2. agent.toml
3. ` + "`agent.d/*.toml`" + ` beside it, in lexical order
4. ` + "`overlay.toml`" + ` in the state directory: what was committed by command or by a server ([remote-configuration.md](remote-configuration.md)); people edit the files above
5. flags: ` + "`-state DIR`, `-socket PATH`" + `

Tables are merged by key, lists of tables by ` + "`name`" + `, servers by ` + "`short_server_id`" + `; any other value replaces the former one.
Relative paths are relative to the file they are in. After an edit ` + "`systemctl reload lwm2m-agent`" + ` (SIGHUP) reads everything
again; a configuration with errors is refused as a whole and the former one stays. What is read at the start only, and waits for the next one, is named in the log.

## Accounts and instance numbers

` + "`[[server]]` and `[bootstrap]`" + ` fill objects 0 and 1 at the first start and again when that very section was edited. Otherwise
what a bootstrap server wrote, or a server wrote to object 1, stays: an account that it replaced comes back with an edit of its section only. A sensor or actuator gets the lowest free instance number
of its object and keeps it for its name, also when others come and go; ` + "`instance`" + ` asks for a certain one.

## Keys and files

A file named by ` + "`key_file` or `private_key_file`" + ` must not be accessible to others than its owner and group, nor writable by the group: mode 0600 or
0640. A ` + "`key`" + ` in a configuration file that everyone can read gives a warning.

## Reference

Times are written as "500ms", "10s", "5m", "24h" or "1h30m".
`

// WriteReference writes docs/configuration.md.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(introduction)
	schema.describe(&b, "")
	_, err := io.WriteString(w, b.String())
	return err
}

// describe writes a section with its keys as a table, and those in it.
func (s *section) describe(b *strings.Builder, outer string) {
	path := strings.TrimPrefix(outer+"."+s.name, ".")
	switch {
	case path == "":
		b.WriteString("\n### At the top\n")
	case s.identity != "":
		fmt.Fprintf(b, "\n### [[%s]]\n\n%s\n", path, s.help)
	default:
		fmt.Fprintf(b, "\n### [%s]\n\n%s\n", path, s.help)
	}
	b.WriteString("\n| key | takes | default | meaning |\n|---|---|---|---|\n")
	for _, k := range s.keys {
		fallback := k.fallback
		switch {
		case k.required:
			fallback = "required"
		case k.driver:
			fallback = strings.TrimPrefix(fallback+"; if the driver takes it", "; ")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", k.name, k.kind.words, fallback, k.help)
	}
	for i := range s.sections {
		s.sections[i].describe(b, path)
	}
}
