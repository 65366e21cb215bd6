package link

import "strings"

// Append adds the links to dst. What a target cannot contain is written as %XX,
// and control characters in values as spaces, so that no value can end a link
// early or begin another.
func Append(dst []byte, links []Link) []byte {
	for i := range links {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendTarget(dst, links[i].Target)
		for _, a := range links[i].Attrs {
			dst = appendAttr(dst, a)
		}
	}
	return dst
}

func appendTarget(dst []byte, target string) []byte {
	const digits = "0123456789ABCDEF"
	dst = append(dst, '<')
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7F || strings.IndexByte("<>\"\\^`{|}", c) >= 0 {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '>')
}

func appendAttr(dst []byte, a Attr) []byte {
	dst = append(append(dst, ';'), a.Name...)
	switch {
	case a.Form == FormFlag:
		return dst
	case a.Form == FormToken && isToken(a.Value):
		return append(append(dst, '='), a.Value...)
	}
	dst = append(dst, '=', '"')
	for i := range len(a.Value) {
		switch c := a.Value[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, ' ')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// isToken reports whether s is a ptoken of RFC 6690, section 2.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	return c > ' ' && c < 0x7F && strings.IndexByte("\",;\\", c) < 0
}
