package health

import (
	"fmt"
	"io"
	"strings"
)

//go:generate go run ./gendoc ../../docs/troubleshooting.md

const introduction = `# Troubleshooting

<!-- Made by go generate from the table in agent/health/kinds.go. -->

` + "`lwm2m-agent status`" + ` lists what is wrong now, each with a code. This page has one entry for each code. The same list is
` + "`GET /v1/health`" + ` of the control interface, and servers see it as object 26244 (Gateway Health), with code,
subject and reason, and the error codes below as resource /3/0/11 of object Device. The log has
a line when a trouble comes and one when it goes; of one that comes and goes again and again, four, and then one an hour that says how often it has changed and how it is.

- **error**: something that was asked for does not work
- **warning**: it works, but not as it should, or will not for long
- **notice**: worth knowing, nothing to repair

Nothing of this stops the agent: a sensor or server that does not work is tried again by itself, and the entry goes when it
works.
`

// WritePage writes docs/troubleshooting.md.
func WritePage(w io.Writer) error {
	var b strings.Builder
	b.WriteString(introduction)
	for _, k := range kinds {
		fmt.Fprintf(&b, "\n## %s\n\n%s: %s.", k.Code, k.Severity, k.Text)
		if k.Subject != "" {
			fmt.Fprintf(&b, " One entry for each %s.", k.Subject)
		}
		if k.Device != DeviceOK {
			fmt.Fprintf(&b, " Error code of /3/0/11: %d.", k.Device)
		}
		fmt.Fprintf(&b, "\n\n%s\n", k.Remedy)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
