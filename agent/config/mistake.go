package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// mistake says what is wrong with a value that a kind does not take, where that is one of the usual mistakes: quotes,
// the unit of a time, the form of an address.
func mistake(k kind, v any) string {
	takes := func(v any) bool {
		_, ok := k.read(v)
		return ok
	}
	switch v := v.(type) {
	case string:
		i, noInt := strconv.ParseInt(v, 0, 64)
		b, noBool := strconv.ParseBool(v)
		if noInt == nil && takes(i) || noBool == nil && takes(b) {
			return ": write it without quotes"
		}
		if k.words == serverURI.words {
			return addressMistake(v)
		}
	case int64, float64:
		if d, ok := k.read(fmt.Sprint(v) + "s"); ok {
			if _, ok := d.(time.Duration); ok {
				return fmt.Sprintf(": a time has quotes and a unit, \"%vs\"", v)
			}
		}
		if text := fmt.Sprint(v); text[0] != '-' && takes(text) {
			return ": write it in quotes"
		}
	}
	return ""
}

// addressMistake says what is wrong with the address of a server.
func addressMistake(s string) string {
	scheme, host, ok := strings.Cut(s, "://")
	switch {
	case !ok || defaultPorts[scheme] == "":
		return ": it begins with coap:// or coaps://"
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		return ": write the name in its ASCII form, xn--…"
	case strings.ContainsFunc(host, unicode.IsSpace):
		return ": there is white space in it"
	case strings.Count(host, ":") > 1 && !strings.Contains(host, "["):
		return ": an IPv6 address stands in brackets, [2001:db8::1]"
	case strings.Contains(host, "%") && !strings.Contains(host, "%25"):
		return ": the zone of an address is written with %25, [fe80::1%25eth0]"
	}
	return ""
}
