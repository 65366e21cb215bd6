package plain

import (
	"cmp"
	"strings"
)

// Compare orders versions as the UAPI Group's Version Format Specification does, by
// which systemd compares IMAGE_VERSION: numbers by value, and "1.0~rc1" < "1.0" <
// "1.0-2" < "1.0^git" < "1.0.1". It returns -1, 0 or 1. The steps are those of its
// section "Version Comparison".
func Compare(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, skipped), strings.TrimLeftFunc(b, skipped) // 1
		switch first := func(c string) bool { return strings.HasPrefix(a, c) || strings.HasPrefix(b, c) }; {
		case first("~"): // 2
		case a == "" || b == "": // 3
			return cmp.Compare(len(a), len(b))
		case first("-"), first("^"), first("."): // 4 to 6
		default:
			var order int
			if order, a, b = component(a, b); order != 0 {
				return order
			}
			continue
		}
		for _, c := range []string{"~", "-", "^", "."} {
			one, other := strings.HasPrefix(a, c), strings.HasPrefix(b, c)
			switch {
			case one && other:
				a, b = a[1:], b[1:]
			case one:
				return -1
			case other:
				return 1
			default:
				continue
			}
			break
		}
	}
}

// component compares what two strings begin with, and returns what is behind it:
// digits if one of them has any (7), else letters (8).
func component(a, b string) (order int, restA, restB string) {
	kind := letter
	if digit(rune(a[0])) || digit(rune(b[0])) {
		kind = digit
	}
	restA, restB = strings.TrimLeftFunc(a, kind), strings.TrimLeftFunc(b, kind)
	x, y := a[:len(a)-len(restA)], b[:len(b)-len(restB)]
	if kind('0') {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		order = cmp.Compare(len(x), len(y))
	}
	return cmp.Or(order, strings.Compare(x, y)), restA, restB
}

func digit(r rune) bool  { return r >= '0' && r <= '9' }
func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// skipped tells what has no meaning in a version.
func skipped(r rune) bool { return !digit(r) && !letter(r) && !strings.ContainsRune("-.~^", r) }
