package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration:
//
//	/etc/lwm2m-agent/agent.toml:12: sensor "cold room".address: 0x180 is not an I2C address; allowed: 0x03 to 0x77
type Problem struct { //nolint:errname // it is a finding first; Problems is the error that is returned
	File string // "" if it was built in code
	Line int    // from 1; 0 for the file as a whole
	Key  string // "sensor \"cold room\".address", or ""
	Text string // what is wrong; what is allowed
}

// Error returns file, line, key and text.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.Place() + ": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Place returns the file and, as far as it is known, the line: "agent.toml:12".
func (p *Problem) Place() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return p.File
}

// Problems is everything that is wrong, in order of file and line.
type Problems []*Problem //nolint:errname // as above

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}
