package playback

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// File is a playback file.
type File struct {
	Settings []Setting // in order; a key may be there several times
	Steps    []Step
}

// Setting is one line of the head of a file.
type Setting struct{ Key, Value string }

// Get returns the values of a key, in order.
func (f *File) Get(key string) []string {
	var values []string
	for _, s := range f.Settings {
		if s.Key == key {
			values = append(values, s.Value)
		}
	}
	return values
}

// Step is one thing that a driver was asked for, with the transfers that it
// made and what came of them.
type Step struct {
	Line      int // in the file; 0 if it is in none
	Action    Action
	Channel   string // of Set
	Value     string // of Set
	Transfers []Transfer
	Readings  []string // "temperature 25 Cel good"
	Failure   string   // why it failed, or ""
}

// Action is what a driver was asked for.
type Action string

// The actions.
const (
	Open   Action = "open"
	Sample Action = "sample"
	Set    Action = "set"
)

func (s *Step) String() string {
	if s.Action == Set {
		return fmt.Sprintf("set %s %s", s.Channel, s.Value)
	}
	return string(s.Action)
}

// Transfer is one transfer: bytes written, then bytes read.
type Transfer struct {
	Line          int // in the file; 0 if it is in none
	Written, Read []byte
	Err           unix.Errno // 0 if it was done
	NoBus         bool       // the bus could not be opened; nothing was transferred
}

func (t *Transfer) String() string {
	text := ""
	switch {
	case len(t.Written) > 0:
		text = fmt.Sprintf("> % x", t.Written)
	case t.NoBus:
		text = ">"
	case t.Err != 0:
		text = "<"
	}
	switch {
	case t.Err != 0:
		text += " ! " + unix.ErrnoName(t.Err)
	case len(t.Read) > 0:
		text += fmt.Sprintf(" < % x", t.Read)
	}
	return strings.TrimSpace(text)
}

// magic is the first line of a file.
const magic = "lwm2m-agent playback 1"

// Limits of a file: what exceeds them is none that was recorded.
const (
	maxFile  = 4 << 20
	maxBytes = 8192 // of a transfer, as the kernel has it
)

// WriteTo writes the file as text.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	fmt.Fprintln(&b, magic)
	for _, s := range f.Settings {
		fmt.Fprintf(&b, "%s = %s\n", s.Key, line(s.Value))
	}
	b.WriteByte('\n')
	for i := range f.Steps {
		s := &f.Steps[i]
		fmt.Fprintln(&b, s)
		for j := range s.Transfers {
			fmt.Fprintln(&b, &s.Transfers[j])
		}
		for _, r := range s.Readings {
			fmt.Fprintln(&b, "=", line(r))
		}
		if s.Failure != "" {
			fmt.Fprintln(&b, "!", line(s.Failure))
		}
	}
	return b.WriteTo(w)
}

// line makes one line of a text.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

// Parse reads a file. The error names the line that is wrong.
func Parse(r io.Reader) (*File, error) {
	f := new(File)
	lines := bufio.NewScanner(io.LimitReader(r, maxFile))
	lines.Buffer(nil, 4*maxBytes*3)
	number := 0
	for lines.Scan() {
		number++
		text := strings.TrimSpace(lines.Text())
		switch {
		case number == 1 && text != magic:
			return nil, fmt.Errorf("line 1 is %.40q, not %q: this is no playback file of this version", text, magic)
		case number == 1, text == "", text[0] == '#':
			continue
		}
		if err := f.parseLine(number, text); err != nil {
			return nil, fmt.Errorf("line %d, %.60q: %w", number, text, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if number == 0 {
		return nil, errors.New("the file is empty")
	}
	return f, nil
}

func (f *File) parseLine(number int, text string) error {
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case word == string(Open) && rest == "", word == string(Sample) && rest == "":
		f.Steps = append(f.Steps, Step{Line: number, Action: Action(word)})
		return nil
	case word == string(Set):
		channel, value, ok := strings.Cut(rest, " ")
		if !ok {
			return errors.New(`"set" needs a channel and a value`)
		}
		f.Steps = append(f.Steps, Step{Line: number, Action: Set, Channel: channel, Value: strings.TrimSpace(value)})
		return nil
	case len(f.Steps) == 0:
		key, value, ok := strings.Cut(text, " = ")
		if !ok || len(strings.Fields(key)) != 1 {
			return errors.New(`a setting is "KEY = VALUE"; the first step begins with "open"`)
		}
		f.Settings = append(f.Settings, Setting{key, strings.TrimSpace(value)})
		return nil
	}
	return f.Steps[len(f.Steps)-1].parseLine(number, word, rest)
}

// parseLine takes in a line that belongs to the step.
func (s *Step) parseLine(number int, word, rest string) error {
	switch word {
	case "=":
		s.Readings = append(s.Readings, line(rest))
	case "!":
		s.Failure = line(rest)
	case ">", "<":
		t, err := parseTransfer(word + " " + rest)
		if err != nil {
			return err
		}
		t.Line = number
		s.Transfers = append(s.Transfers, t)
	default:
		return errors.New(`it begins with none of "open", "sample", "set", ">", "<", "=", "!", "#"`)
	}
	return nil
}

// errnos are the errors of transfers that a file may have.
var errnos = []unix.Errno{
	unix.ENXIO, unix.EREMOTEIO, unix.EIO, unix.ETIMEDOUT, unix.ENODEV, unix.EAGAIN, unix.EBUSY, unix.EPROTO, unix.EBADMSG,
	unix.EOVERFLOW, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOENT, unix.EACCES, unix.EPERM,
}

func parseTransfer(text string) (t Transfer, err error) {
	if before, name, failed := strings.Cut(text, "!"); failed {
		text = before
		for _, e := range errnos {
			if unix.ErrnoName(e) == strings.TrimSpace(name) {
				t.Err = e
			}
		}
		if t.Err == 0 {
			return t, fmt.Errorf("%.20q is no error of a transfer", strings.TrimSpace(name))
		}
	}
	written, read, _ := strings.Cut(text, "<")
	written = strings.TrimPrefix(strings.TrimSpace(written), ">")
	if t.Written, err = parseBytes(written); err != nil {
		return t, err
	}
	t.Read, err = parseBytes(read)
	if err == nil && len(t.Written) == 0 && len(t.Read) == 0 && t.Err == 0 {
		err = errors.New("nothing is transferred")
	}
	t.NoBus = t.Err != 0 && len(t.Written) == 0 && !strings.Contains(text, "<")
	return t, err
}

func parseBytes(text string) ([]byte, error) {
	text = strings.ReplaceAll(text, " ", "")
	if text == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("bytes are pairs of hexadecimal digits: %w", err)
	case len(b) > maxBytes:
		return nil, fmt.Errorf("%d bytes; a transfer has %d at most", len(b), maxBytes)
	}
	return b, nil
}
