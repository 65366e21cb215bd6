package hw

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

//go:generate go run ./gendoc ../docs/drivers.md ../README.md

// WriteTable writes the table of drivers in Markdown, one line for each.
func WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| driver | for | on | channels | settings (needed in bold) | proof |\n|---|---|---|---|---|---|\n")
	for _, d := range Drivers() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", d.Name, d.describeRole(), d.describeBus(), d.describeChannels(), d.describeSettings(), d.Proof)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteBuses writes a short table in Markdown: for each bus the names of its drivers.
func WriteBuses(w io.Writer) error {
	var kinds []BusKind
	names := make(map[BusKind][]string)
	for _, d := range Drivers() {
		if names[d.Bus] == nil {
			kinds = append(kinds, d.Bus)
		}
		names[d.Bus] = append(names[d.Bus], d.Name)
	}
	slices.Sort(kinds)
	var b strings.Builder
	b.WriteString("| bus | drivers |\n|---|---|\n")
	for _, kind := range kinds {
		fmt.Fprintf(&b, "| %s | %s |\n", kind, strings.Join(names[kind], ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (d Driver) describeRole() string {
	switch {
	case !d.Sensor():
		return d.Summary + " (actuator)"
	case d.Actuator():
		return d.Summary + " (sensor and actuator)"
	}
	return d.Summary
}

func (d Driver) describeBus() string {
	var text strings.Builder
	text.WriteString(string(d.Bus))
	for rest := d.Addresses; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n] == rest[n-1]+1 {
			n++
		}
		fmt.Fprintf(&text, ", %#02x", rest[0])
		if n > 1 {
			fmt.Fprintf(&text, "–%#02x", rest[n-1])
		}
		rest = rest[n:]
	}
	return text.String()
}

func (d Driver) describeChannels() string {
	if d.ChannelsVary != "" {
		return d.ChannelsVary
	}
	texts := make([]string, len(d.Channels))
	for i, c := range d.Channels {
		texts[i] = fmt.Sprintf("%s (%s", c.Name, cmp.Or(c.Unit, c.Kind.String()))
		if c.Range.Known() {
			texts[i] += fmt.Sprintf(", %v to %v", c.Range.Min, c.Range.Max)
		}
		texts[i] += ")"
	}
	return strings.Join(texts, ", ")
}

func (d Driver) describeSettings() string {
	texts := make([]string, len(d.Settings))
	for i, s := range d.Settings {
		if texts[i] = s.Key; s.Required {
			texts[i] = "**" + s.Key + "**"
		}
	}
	return strings.Join(texts, ", ")
}
