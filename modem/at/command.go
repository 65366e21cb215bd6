package at

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Command is one command line and what answers it.
type Command struct {
	Text string // without AT: "+CSQ", "+CGDCONT=1,\"IP\",\"iot.lab\""

	// Prefix is how the lines begin that answer: "+CSQ:". "" is a command that only a
	// final result code answers; Bare one that lines without a prefix do.
	Prefix string
	// Accept tells answers from URCs of the same prefix; nil takes all. It is given
	// what follows the prefix.
	Accept func(rest string) bool
	// MayBeEmpty says that OK alone answers too.
	MayBeEmpty bool
	// Below says that a message in hexadecimal stands below each line that answers (3GPP
	// TS 27.005, clause 3.4.2).
	Below bool

	Data string // sent after a prompt, and ended by Ctrl-Z (3GPP TS 27.005, clause 3.5.1)
	// Exact says that Data are bytes of any kind, as many as the command has told, which
	// nothing ends.
	Exact bool
	// Prompt is what the modem asks for Data with; zero is '>'. Hold is how long it then wants
	// to be left alone.
	Prompt byte
	Hold   time.Duration
	// Ends tells the result codes of the command's own, that end it and not OK, by whether they are
	// success: "SEND OK", "SEND FAIL". nil: it has none.
	Ends func(line string) (success, ended bool)

	// Counted says how many bytes of any kind follow in the answer, as scanner.counted does.
	// They stand behind their line among what Channel.Do returns.
	Counted func(head string) int

	Limit time.Duration // until the final result code; zero is DefaultLimit
}

// Bare is the Prefix of commands that are answered by lines without a prefix, such
// as AT+CGMI. A line with a prefix is then a URC, but for that of the command itself,
// which some modems put there; and so is what modules say on the way up or down.
const Bare = "*"

// bareURCs are what modules say by themselves without a prefix: Quectel, SIMCom.
var bareURCs = []string{
	"APP RDY", "SMS Ready", "Call Ready", "SMS DONE", "PB DONE",
	"NORMAL POWER DOWN", "UNDER-VOLTAGE POWER DOWN", "POWERED DOWN", "PSM POWER DOWN", "RING",
}

// DefaultLimit is how long a command may take that asks nothing of the network.
const DefaultLimit = 10 * time.Second

// maxCommand bounds a command line, in bytes. The longest ones hold a datagram in hexadecimal.
const maxCommand = 1100

// name is the command without what it is given, which may be secret: "AT+CGAUTH".
func (c *Command) name() string {
	end := strings.IndexAny(c.Text, "=?")
	if end < 0 {
		end = len(c.Text)
	}
	return "AT" + c.Text[:end]
}

// check refuses what would be more than one command: an APN comes from servers.
func (c *Command) check() error {
	if len(c.Text) > maxCommand {
		return fmt.Errorf("%s: the command is longer than %d bytes", c.name(), maxCommand)
	}
	foreign := func(r rune) bool { return r < ' ' || r > '~' }
	if strings.ContainsFunc(c.Text, foreign) || !c.Exact && strings.ContainsAny(c.Data, "\x1a\x1b") {
		return fmt.Errorf("%s: what it is given has characters that cannot be sent", c.name())
	}
	return nil
}

// prompt is what the modem asks for Data with.
func (c *Command) prompt() byte {
	if c.Prompt != 0 {
		return c.Prompt
	}
	return '>'
}

// data is what goes out after the prompt.
func (c *Command) data() string {
	if c.Exact {
		return c.Data
	}
	return c.Data + "\x1a"
}

// escape is what ends the wait for Data in a modem that may still be at it: ESC discards text
// (3GPP TS 27.005, clause 3.5.1), but counted bytes have to come, and are empty lines to a modem
// that does not wait.
func (c *Command) escape() string {
	switch {
	case c.Data == "":
		return ""
	case c.Exact:
		return strings.Repeat("\r", len(c.Data))
	}
	return "\x1b"
}

// ended reads a final result code of this command; see final.
func (c *Command) ended(line string) (error, bool) {
	if c.Ends == nil {
		return final(line, c.name())
	}
	switch success, ended := c.Ends(line); {
	case success:
		return nil, ended
	case ended:
		return &Error{Command: c.name(), Result: line, Code: -1}, true
	}
	if err, ok := final(line, c.name()); ok && err != nil {
		return err, true
	}
	return nil, false
}

// answers reports whether a line belongs to the command's answer.
func (c *Command) answers(line string) bool {
	switch c.Prefix {
	case "":
		return false
	case Bare:
		return !slices.Contains(bareURCs, line) && !strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "^") || strings.HasPrefix(line, c.Text+":")
	}
	rest, ok := strings.CutPrefix(line, c.Prefix)
	return ok && (c.Accept == nil || c.Accept(strings.TrimSpace(rest)))
}

// isPDU reports whether a line is a message in hexadecimal (clause 3.1: <pdu>).
func isPDU(line string) bool {
	return len(line)%2 == 0 && strings.Trim(line, "0123456789ABCDEFabcdef") == ""
}

// quote writes a string parameter (ITU-T V.250, clause 5.4.2.2). What it cannot
// hold is refused by name, so that the value need not be told.
func quote(what, s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' }) {
		return "", fmt.Errorf("%s has a character that an AT command cannot hold: use letters, digits and punctuation of ASCII without quotes", what)
	}
	return `"` + s + `"`, nil
}

// fields splits the parameters of a line at commas outside quotes. Quotes and blanks
// around a parameter are taken off.
func fields(s string) []string {
	var out []string
	begin, quoted := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			out = append(out, unquote(s[begin:i]))
			begin = i + 1
		}
	}
	return append(out, unquote(s[begin:]))
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }
