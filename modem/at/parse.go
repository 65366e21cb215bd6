package at

import (
	"net/netip"
	"strconv"
	"strings"
)

// before returns what stands before the first of some characters.
func before(s, chars string) string {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i]
	}
	return s
}

// field returns a parameter, "" where there are fewer.
func field(f []string, i int) string {
	if i < len(f) {
		return f[i]
	}
	return ""
}

// number reads a decimal parameter.
func number(f []string, i int) (int, bool) {
	n, err := strconv.Atoi(field(f, i))
	return n, err == nil
}

// count reads a number of bytes.
func count(f []string, i int) (uint64, bool) {
	n, err := strconv.ParseUint(field(f, i), 10, 64)
	return n, err == nil
}

// decibels reads a parameter with or without a fraction.
func decibels(f []string, i int) *float64 {
	v, err := strconv.ParseFloat(field(f, i), 64)
	if err != nil || v < -250 || v > 100 {
		return nil
	}
	return &v
}

// coverage reads a level of coverage enhancement: 0 to 3.
func coverage(f []string, i int) *int64 {
	level, ok := number(f, i)
	if !ok || level < 0 || level > 3 {
		return nil
	}
	return new(int64(level))
}

// hexadecimal reads a location or cell as 3GPP TS 27.007 writes it: "01A2D003".
func hexadecimal(s string) *int64 {
	v, err := strconv.ParseInt(strings.TrimPrefix(s, "0x"), 16, 64)
	if err != nil || v < 0 {
		return nil
	}
	return &v
}

// bits reads a parameter of binary digits, "00100001".
func bits(s string) (byte, bool) {
	v, err := strconv.ParseUint(s, 2, 8)
	return byte(v), err == nil
}

// address reads an address in any of the forms of 3GPP TS 27.007, clauses 10.1.23 and
// 10.1.40: dotted decimal octets, 4 or 16 of them, with as many of a mask behind, or
// as RFC 4291 writes it. The unspecified address is none.
func address(s string) (netip.Addr, bool) {
	s = before(s, "/ ")
	a, err := netip.ParseAddr(s)
	if err != nil {
		a = octets(strings.Split(s, "."))
	}
	return a, a.IsValid() && !a.IsUnspecified()
}

func octets(parts []string) netip.Addr {
	n := len(parts)
	if n == 8 || n == 32 {
		n /= 2
	}
	b := make([]byte, 0, 16)
	for _, p := range parts[:n] {
		v, err := strconv.ParseUint(p, 10, 8)
		if err != nil {
			return netip.Addr{}
		}
		b = append(b, byte(v))
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// bandOf reads a band out of "LTE BAND 20", "EUTRAN-BAND39" or "NR5G BAND 78"; 0 if
// there is none.
func bandOf(s string) int {
	_, digits, ok := strings.Cut(s, "BAND")
	n, err := strconv.Atoi(strings.TrimLeft(digits, " -_"))
	if !ok || err != nil {
		return 0
	}
	return n
}
