package attest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Exchange is a command and what comes for it.
type Exchange struct {
	Sent   string   // without the CR at its end
	Chunks []string // what comes, as it is split
}

// Line is a line of a transcript: a mark and what stands behind it.
type Line struct {
	Mark byte
	Text string
}

// ReadLines reads a transcript: "> " what is sent, "< " what comes, with \r, \n and
// \xNN written out, "# " a comment, which is left out; other marks are for who reads it.
func ReadLines(r io.Reader) ([]Line, error) {
	var out []Line
	scan := bufio.NewScanner(r)
	for n := 1; scan.Scan(); n++ {
		text := scan.Text()
		if text == "" || text[0] == '#' {
			continue
		}
		if len(text) < 2 || text[1] != ' ' {
			return nil, fmt.Errorf("line %d: %q has no mark", n, text)
		}
		unquoted, err := strconv.Unquote(`"` + strings.ReplaceAll(text[2:], `"`, `\"`) + `"`)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", n, text, err)
		}
		out = append(out, Line{text[0], unquoted})
	}
	return out, scan.Err()
}

// Read reads a transcript of exchanges. A chunk without line ends is the short
// form of a line: CR and LF are put around it.
func Read(r io.Reader) ([]Exchange, error) {
	lines, err := ReadLines(r)
	if err != nil {
		return nil, err
	}
	var out []Exchange
	for _, l := range lines {
		switch {
		case l.Mark == '>':
			out = append(out, Exchange{Sent: strings.TrimSuffix(l.Text, "\r")})
		case l.Mark == '<' && len(out) > 0:
			last := &out[len(out)-1]
			if !strings.ContainsAny(l.Text, "\r\n") {
				l.Text = "\r\n" + l.Text + "\r\n"
			}
			last.Chunks = append(last.Chunks, l.Text)
		default:
			return nil, fmt.Errorf("a line with mark %q before the first command", l.Mark)
		}
	}
	return out, nil
}
