package gnss

import (
	"bytes"
	"encoding/hex"
	"strings"
)

// maxLine bounds a sentence, in bytes: NMEA 0183 has 82, receivers with many digits more.
const maxLine = 160

// Counts are what has come of a stream of sentences.
type Counts struct {
	Bytes uint64
	Good  uint64 // sentences with a right checksum, whether they are understood or not
	Bad   uint64 // lines that are none
}

// NMEA makes fixes of the sentences of a receiver (NMEA 0183: GGA, GNS, RMC, VTG, GSA and
// GST of GPS, GLONASS, Galileo, BeiDou, QZSS and NavIC). What belongs to one instant is one
// fix, which is told with the sentence that came last the time before, so that it need not
// wait for the next instant.
type NMEA struct {
	heard  func(*Fix)
	counts Counts

	line     []byte
	overlong bool

	now   epoch
	cycle cycle
}

// cycle is how the sentences of one instant ended.
type cycle struct {
	length int
	last   kind
}

// NewNMEA returns a parser that tells of each instant: its fix, or nil if there is none.
func NewNMEA(heard func(*Fix)) *NMEA { return &NMEA{heard: heard} }

// Counts returns what has come so far.
func (n *NMEA) Counts() Counts { return n.counts }

// Write takes bytes, in pieces of any size. It returns no error.
func (n *NMEA) Write(p []byte) (int, error) {
	n.counts.Bytes += uint64(len(p))
	for rest := p; len(rest) > 0; {
		end := bytes.IndexAny(rest, "\r\n")
		piece := rest
		if end >= 0 {
			piece, rest = rest[:end], rest[end+1:]
		} else {
			rest = nil
		}
		if len(n.line)+len(piece) > maxLine {
			n.line, n.overlong = n.line[:0], true
		} else {
			n.line = append(n.line, piece...)
		}
		if end >= 0 {
			n.end()
		}
	}
	return len(p), nil
}

// Flush tells what is known of the last instant, after which nothing comes.
func (n *NMEA) Flush() {
	n.end()
	n.finish()
}

// end takes in a line.
func (n *NMEA) end() {
	line, overlong := n.line, n.overlong
	n.line, n.overlong = n.line[:0], false
	if len(line) == 0 && !overlong {
		return
	}
	body, ok := sentence(line)
	if !ok || overlong {
		n.counts.Bad++
		return
	}
	n.counts.Good++
	n.take(strings.Split(body, ","))
}

// sentence returns what stands between "$" and "*" of a line whose checksum is right: the
// exclusive or of all those bytes, in hexadecimal. What stands before "$" is the rest of
// something else.
func sentence(line []byte) (string, bool) {
	line = bytes.TrimRight(line[bytes.LastIndexByte(line, '$')+1:], " ")
	at := len(line) - 3
	if at < 5 || line[at] != '*' {
		return "", false
	}
	wanted, err := hex.DecodeString(string(line[at+1:]))
	if err != nil {
		return "", false
	}
	var sum byte
	for _, c := range line[:at] {
		if c < ' ' || c > '~' {
			return "", false
		}
		sum ^= c
	}
	return string(line[:at]), sum == wanted[0]
}

// kind is what a sentence is, as a bit.
type kind uint8

const (
	gga kind = 1 << iota
	gns
	rmc
	gst
	vtg
	gsa
	timed = gga | gns | rmc | gst
)

var kinds = map[string]kind{"GGA": gga, "GNS": gns, "RMC": rmc, "GST": gst, "VTG": vtg, "GSA": gsa}

// talkers are the systems of satellites: GPS, several together, GLONASS, Galileo, BeiDou
// (and its former name), QZSS, NavIC.
var talkers = map[string]bool{"GP": true, "GN": true, "GL": true, "GA": true, "GB": true, "BD": true, "GQ": true, "GI": true}

// take understands a sentence. Those of other kinds are no news.
func (n *NMEA) take(f []string) {
	if len(f[0]) != 5 || !talkers[f[0][:2]] {
		return
	}
	k := kinds[f[0][2:]]
	if k == 0 {
		return
	}
	if k&timed != 0 && n.now.seen != 0 && (n.now.seen&k != 0 || n.now.seen&timed != 0 && n.now.clock != field(f, 1)) {
		n.cycle = cycle{n.now.length, n.now.last}
		n.finish()
		n.now = epoch{}
	}
	n.now.take(k, f)
	if (cycle{n.now.length, n.now.last}) == n.cycle {
		n.finish()
	}
}

// finish tells what is known of the present instant, once.
func (n *NMEA) finish() {
	if n.now.told || n.now.seen&timed == 0 {
		return
	}
	n.now.told = true
	n.heard(n.now.fix())
}

func field(f []string, i int) string {
	if i < len(f) {
		return f[i]
	}
	return ""
}
