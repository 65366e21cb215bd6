package trace

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// CodeOf is a message's code in words: "GET", "2.05 Content".
func CodeOf(m *coap.Message) string {
	if m.Code.IsResponse() {
		return lwm2m.Code(m.Code).String()
	}
	return m.Code.String()
}

// Printable reports whether bytes are text. A character that was cut at the end
// does no harm.
func Printable(text []byte) bool {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 && (utf8.FullRune(text) || len(text) >= utf8.UTFMax) || r < ' ' && r != '\n' && r != '\t' {
			return false
		}
		text = text[size:]
	}
	return true
}

// Partial reports whether the payload is one block of several.
func Partial(m *coap.Message) bool {
	one, hasOne := m.Block1()
	two, hasTwo := m.Block2()
	return hasOne && (one.More || one.Number > 0) || hasTwo && (two.More || two.Number > 0)
}

// Options are those of a message that path, query, token and format do not tell, in words.
func Options(m *coap.Message) string {
	var out []string
	if n, ok := m.Observe(); ok {
		out = append(out, fmt.Sprintf("Observe %d", n))
	}
	if f, ok := m.Accept(); ok {
		out = append(out, "Accept "+lwm2m.Format(f).String())
	}
	if b, ok := m.Block1(); ok {
		out = append(out, "Block1 "+b.String())
	}
	if b, ok := m.Block2(); ok {
		out = append(out, "Block2 "+b.String())
	}
	if l := m.LocationPath(); l != "" {
		out = append(out, "Location "+l)
	}
	return strings.Join(out, ", ")
}
