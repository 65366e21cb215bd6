package at

import "strings"

// maxLine bounds a line, in bytes. The longest that the standard has, the operators
// of AT+COPS=?, stay below; what is longer is junk of a wrong speed.
const maxLine = 4096

// scanner cuts a stream of bytes into lines (ITU-T V.250, clause 5.7.1: CR and LF
// before and after each; an echoed command has only a CR). Empty lines are left out,
// and lines with bytes that no line has are dropped whole: they are noise. Where counted
// says so, bytes of any kind stand within or below a line.
type scanner struct {
	line []byte
	junk bool // the present line is to be dropped

	// counted returns how many bytes of data follow after what has come of a line, or after a
	// whole line, which then ends with LF; 0 if none do. nil: there are no data.
	counted func(head string) int
	pushes  func(head string) int // the same of data that the modem says by itself, below a whole line
	pushed  bool                  // the data under way are of that kind
	above   string                // the last line, until the byte after its CR has come
	data    []byte
	left    int // bytes of data that are still to come
}

// feed takes bytes as they come, and calls got for each line that they complete, and gotData
// for data, with what of their line stood before them, and whether nobody has asked for them.
func (s *scanner) feed(chunk []byte, got func(line string), gotData func(head, data string, pushed bool)) {
	for _, c := range chunk {
		if s.left > 0 {
			s.data = append(s.data, c)
			if s.left--; s.left == 0 {
				head, data, pushed := string(s.line), string(s.data), s.pushed
				s.reset()
				gotData(head, data, pushed)
			}
			continue
		}
		above := s.above
		s.above = ""
		switch {
		case c == '\n' && above != "":
			s.expect(above + "\n")
		case c == '\r' || c == '\n':
			line := string(s.line)
			keep := !s.junk && line != ""
			s.reset()
			if keep {
				got(line)
				s.above = line
			}
		case c < ' ' && c != '\t' || len(s.line) == maxLine:
			s.junk = true
			s.line = s.line[:0]
		case !s.junk:
			s.line = append(s.line, c)
			s.expect(string(s.line))
		}
	}
}

// maxData bounds data within an answer, in bytes: no module has longer datagrams.
const maxData = 2048

// expect looks whether data follow.
func (s *scanner) expect(head string) {
	if s.counted != nil {
		s.left = min(s.counted(head), maxData)
	}
	if s.left == 0 && s.pushes != nil && strings.HasSuffix(head, "\n") {
		s.left = min(s.pushes(head[:len(head)-1]), maxData)
		s.pushed = s.left > 0
	}
}

// forget gives up data of an answer that will not be told.
func (s *scanner) forget() {
	s.counted = nil
	if !s.pushed {
		s.left, s.data = 0, nil
	}
}

// prompt reports whether the modem waits for text or data: the mark stands at the beginning
// of a line that nothing ends, ">" with a blank behind it (3GPP TS 27.005, clause 3.5.1). It is
// taken.
func (s *scanner) prompt(mark byte) bool {
	if s.junk || len(s.line) == 0 || s.line[0] != mark || len(s.line) > 2 {
		return false
	}
	s.reset()
	return true
}

func (s *scanner) reset() {
	s.line, s.junk, s.above, s.data, s.left, s.pushed = s.line[:0], false, "", nil, 0, false
}
