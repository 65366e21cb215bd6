package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// table is rows of cells, printed in columns. The widths are those of the whole
// table, also where a row has cells missing.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// maxColumn is the width up to which cells are aligned.
const maxColumn = 60

// print prints the table without white space at the end of lines, which costs time
// over a slow link.
func (t *table) print(w io.Writer) {
	var widths []int
	for _, cells := range t.rows {
		last := len(cells) - 1
		for last >= 0 && cells[last] == "" {
			last--
		}
		for len(widths) < len(cells) {
			widths = append(widths, 0)
		}
		for i := range last { // the last one needs no space behind it
			if n := utf8.RuneCountInString(cells[i]); n <= maxColumn {
				widths[i] = max(widths[i], n)
			}
		}
	}
	var out []byte
	for _, cells := range t.rows {
		for i, cell := range cells {
			out = fmt.Appendf(out, "%-*s", widths[i]+2, cell)
		}
		out = append(bytes.TrimRight(out, " "), '\n')
	}
	_, _ = w.Write(out) // to a terminal that may have gone
}

// safe returns text that others wrote so that it cannot steer a terminal or look
// like something else: as it is, or quoted.
func safe(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// value returns a value as people read it: with its unit, a time as a date.
func value(v any, typ, unit string) string {
	var text string
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		text = safe(v)
	case json.Number:
		text = number(v, typ)
	default:
		text = fmt.Sprint(v)
	}
	if unit != "" {
		text += " " + safe(unit)
	}
	return text
}

// number returns a number as people read it: a Float with no more digits than a
// sensor has.
func number(n json.Number, typ string) string {
	switch typ {
	case "Time":
		if seconds, err := n.Int64(); err == nil {
			return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		}
	case "Float":
		if f, err := n.Float64(); err == nil {
			rounded, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 9, 64), 64)
			return strconv.FormatFloat(rounded, 'f', -1, 64)
		}
	}
	return n.String()
}

// doubt says what a value is worth, if that is not everything.
func doubt(quality string, at, now time.Time) string {
	if quality == "" || quality == "good" {
		return ""
	}
	if at.IsZero() {
		return quality
	}
	return quality + ", " + span(now.Sub(at)) + " old"
}

// columns are those of a terminal, also of one that is on a serial line.
const columns = 80

// say prints text in lines of 80 columns, all of them behind an indent, the second and later ones behind two more. What is
// longer than a line stays whole, to be copied.
func (c *call) say(indent, text string) {
	var out []byte
	room := columns - len(indent)
	for i, word := range words(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			out = append(out, indent...)
		case n+1 > room:
			out = append(out, "\n  "+indent...)
			room = columns - len(indent) - 2
		default:
			out = append(out, ' ')
			room--
		}
		out = append(out, word...)
		room -= n
	}
	_, _ = c.stdout.Write(append(out, '\n')) // to a terminal that may have gone
}

// words are those of a text. A unit stays with its number.
func words(text string) []string {
	var out []string
	for word := range strings.FieldsSeq(text) {
		if n := len(out); n > 0 && isUnit(word) && strings.ContainsAny(out[n-1][len(out[n-1])-1:], "0123456789") {
			out[n-1] += " " + word
			continue
		}
		out = append(out, word)
	}
	return out
}

// isUnit says whether a word, as it stands in a sentence, is a unit of status.
func isUnit(word string) bool {
	switch strings.TrimRight(word, ",;:.)") {
	case "s", "min", "h", "d", "B", "kB", "MB", "GB", "TB", "dBm", "dB":
		return true
	}
	return false
}

// since, until and ago are an instant by the clock, and how far away it is.
func (c *call) since(t, now time.Time) string {
	if t.IsZero() {
		return "since -"
	}
	return fmt.Sprintf("since %s (%s)", c.clock(t, now), span(now.Sub(t)))
}

func (c *call) until(t, now time.Time) string {
	return fmt.Sprintf("at %s (in %s)", c.clock(t, now), span(t.Sub(now)))
}

func (c *call) ago(t, now time.Time) string {
	if t.IsZero() {
		return "at -"
	}
	return fmt.Sprintf("at %s (%s ago)", c.clock(t, now), span(now.Sub(t)))
}

// clock is the time of the day, with the date where it is another day's.
func (c *call) clock(t, now time.Time) string {
	t, now = t.In(c.zone), now.In(c.zone)
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format("2006-01-02 15:04")
}

// span returns a length of time with the two units that matter: "3 h 5 min".
func span(d time.Duration) string {
	d = max(d, 0)
	day := 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(int(d/time.Minute), "min", int(d%time.Minute/time.Second), "s")
	case d < day:
		return two(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "min")
	}
	return two(int(d/day), "d", int(d%day/time.Hour), "h")
}

func two(a int, unitA string, b int, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unitA)
	}
	return fmt.Sprintf("%d %s %d %s", a, unitA, b, unitB)
}

// size returns a count of bytes: "12.3 kB".
func size(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for units := "kMGTPE"; f >= 1000 && unit < len(units); unit++ {
		f /= 1000
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGTPE"[unit-1])
}
