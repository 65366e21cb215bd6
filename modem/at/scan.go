package at

// maxLine bounds a line, in bytes. The longest that the standard has, the operators
// of AT+COPS=?, stay below; what is longer is junk of a wrong speed.
const maxLine = 4096

// scanner cuts a stream of bytes into lines (ITU-T V.250, clause 5.7.1: CR and LF
// before and after each; an echoed command has only a CR). Empty lines are left out,
// and lines with bytes that no line has are dropped whole: they are noise.
type scanner struct {
	line []byte
	junk bool // the present line is to be dropped
}

// feed takes bytes as they come, and calls got for each line that they complete.
func (s *scanner) feed(chunk []byte, got func(line string)) {
	for _, c := range chunk {
		switch {
		case c == '\r' || c == '\n':
			line := string(s.line)
			keep := !s.junk && line != ""
			s.reset()
			if keep {
				got(line)
			}
		case c < ' ' && c != '\t' || len(s.line) == maxLine:
			s.junk = true
			s.line = s.line[:0]
		case !s.junk:
			s.line = append(s.line, c)
		}
	}
}

// prompt reports whether the modem waits for text (3GPP TS 27.005, clause 3.5.1):
// "> " stands at the beginning of a line that nothing ends. It is taken.
func (s *scanner) prompt() bool {
	if s.junk || len(s.line) == 0 || s.line[0] != '>' || len(s.line) > 2 {
		return false
	}
	s.reset()
	return true
}

func (s *scanner) reset() { s.line, s.junk = s.line[:0], false }
