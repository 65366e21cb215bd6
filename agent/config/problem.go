package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration:
//
//	/etc/lwm2m-agent/agent.toml:12: sensor "cold room".address: 0x180 is not an I2C address; allowed: 0x03 to 0x77
type Problem struct {
	File string // "" if it was built in code
	Line int    // from 1; 0 for the file as a whole
	Key  string // "sensor \"cold room\".address", or ""
	Text string // what is wrong; what is allowed
}

// Error returns file, line, key and text.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is everything that is wrong, in order of file and line.
type Problems []*Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Section remembers where a section of the configuration stands. The zero
// Section stands nowhere: it was built in code.
type Section struct{}

// Problem returns what is wrong with a key of the section ("" for the section
// itself), at its file and line. It is for those who find out later, such as the
// tables of drivers and objects.
func (s Section) Problem(key, format string, args ...any) *Problem {
	return &Problem{Key: key, Text: fmt.Sprintf(format, args...)}
}
