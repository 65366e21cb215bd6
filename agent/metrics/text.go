package metrics

import (
	"fmt"
	"strconv"
	"strings"
)

// Append appends what a snapshot says in the text format.
func Append(b []byte, s *Snapshot) []byte {
	for i := range families {
		f := &families[i]
		begun := false
		f.tell(s, func(value float64, labels ...string) {
			if !begun { // a family without samples is left out
				b = fmt.Appendf(b, "# HELP %s %s\n# TYPE %s %s\n", f.name, helpEscapes.Replace(f.help), f.name, f.typ)
				begun = true
			}
			b = append(f.sample(b, value, labels), '\n')
		})
	}
	return b
}

func (f *family) sample(b []byte, value float64, labels []string) []byte {
	b = append(b, f.name...)
	for i, name := range f.labels {
		b = append(b, map[bool]byte{true: '{', false: ','}[i == 0])
		b = append(append(b, name...), '=', '"')
		b = append(append(b, valueEscapes.Replace(labels[i])...), '"')
	}
	if len(f.labels) > 0 {
		b = append(b, '}')
	}
	return strconv.AppendFloat(append(b, ' '), value, 'g', -1, 64)
}

// What the format escapes.
var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// Page returns the table of docs/metrics.md.
func Page() string {
	var b strings.Builder
	b.WriteString("| name | type | labels | what |\n|---|---|---|---|\n")
	for i := range families {
		f := &families[i]
		labels := make([]string, len(f.labels))
		for i, name := range f.labels {
			labels[i] = "`" + name + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.typ, strings.Join(labels, ", "), f.help)
	}
	return b.String()
}
