package config

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lwm2m-agent/lwm2m"
)

// kind is what a key takes: in words, and as a function from what the decoder
// made of the text to what the program uses.
type kind struct {
	words string
	read  func(v any) (any, bool)
}

// text takes printable text of 1 to most bytes.
func text(most int) kind {
	return kind{fmt.Sprintf("text of 1 to %d bytes", most), func(v any) (any, bool) {
		s, ok := v.(string)
		return s, ok && s != "" && len(s) <= most && printable(s)
	}}
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func oneOf(words ...string) kind {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return kind{strings.Join(quoted, ", "), func(v any) (any, bool) {
		s, ok := v.(string)
		return s, ok && slices.Contains(words, s)
	}}
}

var boolean = kind{"true, false", func(v any) (any, bool) {
	b, ok := v.(bool)
	return b, ok
}}

func integer(low, high int64) kind {
	return kind{fmt.Sprintf("an integer from %d to %d", low, high), func(v any) (any, bool) {
		i, ok := v.(int64)
		return i, ok && i >= low && i <= high
	}}
}

func number(low, high float64) kind {
	words := "a number"
	if low > -math.MaxFloat64 {
		words = fmt.Sprintf("a number from %v to %v", low, high)
	}
	return kind{words, func(v any) (any, bool) {
		f, ok := v.(float64)
		if i, isInteger := v.(int64); isInteger {
			f, ok = float64(i), true
		}
		return f, ok && f >= low && f <= high // which NaN is not
	}}
}

// address takes the 7-bit addresses of I2C without those that the bus keeps for
// itself (UM10204, section 3.1.12).
var address = kind{"0x03 to 0x77", func(v any) (any, bool) {
	i, ok := v.(int64)
	return i, ok && i >= 0x03 && i <= 0x77
}}

func duration(low, high time.Duration) kind {
	words := fmt.Sprintf("a time from %q to %q", short(low), short(high))
	return kind{words, func(v any) (any, bool) {
		s, _ := v.(string)
		d, err := time.ParseDuration(s)
		return d, err == nil && d >= low && d <= high
	}}
}

// wholeSeconds takes a time that a server can be told.
func wholeSeconds() kind {
	k := duration(0, longest)
	k.words = fmt.Sprintf(`a time in whole seconds such as "90s" or "24h", at most "%ds"`, longest/time.Second)
	inRange := k.read
	k.read = func(v any) (any, bool) {
		d, ok := inRange(v)
		return d, ok && d.(time.Duration)%time.Second == 0
	}
	return k
}

// short writes a duration as a person would: "24h", not "24h0m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// hostName takes the name of a host, no address.
var hostName = kind{"the name of a host, 1 to 253 bytes", func(v any) (any, bool) {
	s, ok := v.(string)
	return s, ok && s != "" && len(s) <= 253 && printable(s) && !strings.ContainsAny(s, " /:[]") && net.ParseIP(s) == nil
}}

// maxIdentity is the length that a server must take (RFC 4279, section 5.3).
const maxIdentity = 128

// maxEndpoint leaves room for "ep=" in a Uri-Query option (RFC 7252, section 5.10).
const maxEndpoint = 252

var endpointName = kind{fmt.Sprintf("text of 1 to %d bytes without white space", maxEndpoint), func(v any) (any, bool) {
	s, ok := v.(string)
	return s, ok && s != "" && len(s) <= maxEndpoint && printable(s) && !strings.ContainsFunc(s, unicode.IsSpace)
}}

// The ports of CoAP (RFC 7252, sections 6.1 and 6.2; RFC 8323, sections 8.1 and 8.2).
var defaultPorts = map[string]string{"coap": "5683", "coaps": "5684", "coap+tcp": "5683", "coaps+tcp": "5684"}

// serverURI takes the address of a server and returns a *url.URL with its port.
var serverURI = kind{`"coap://host:port" or "coaps://host:port", over TCP "coap+tcp://…" or "coaps+tcp://…"`, func(v any) (any, bool) {
	return parseURI(v)
}}

// maxSecondary bounds the other addresses of a server: an attempt goes through all of them.
const maxSecondary = 8

// serverURIs takes a list of addresses of a server and returns a []*url.URL.
var serverURIs = kind{fmt.Sprintf("a list of up to %d addresses like uri", maxSecondary), func(v any) (any, bool) {
	list, ok := v.([]any)
	uris := make([]*url.URL, 0, len(list))
	for _, element := range list {
		u, ok := parseURI(element)
		if !ok {
			return nil, false
		}
		uris = append(uris, u)
	}
	return uris, ok && len(uris) <= maxSecondary
}}

func parseURI(v any) (u *url.URL, ok bool) {
	s, ok := v.(string)
	u, err := url.Parse(s)
	if !ok || err != nil || len(s) > 255 {
		return nil, false
	}
	port, known := defaultPorts[u.Scheme]
	if ascii := !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }); !ascii || strings.Contains(u.Hostname(), ":") && u.Host[0] != '[' {
		return nil, false // names go to the resolver as they are, addresses of IPv6 stand in brackets
	}
	if !known || u.Hostname() == "" || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, false
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, false
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	return u, true
}

// interfaceName takes the name of a network interface.
var interfaceName = kind{"the name of a network interface, 1 to 15 bytes", func(v any) (any, bool) {
	s, ok := v.(string)
	return s, ok && s != "" && len(s) <= 15 && printable(s) && !strings.ContainsAny(s, " /")
}}

// versions are those that can be offered.
var versions = []lwm2m.Version{lwm2m.Version10, lwm2m.Version11, lwm2m.Version12}

var protocolVersion = kind{`"1.0", "1.1", "1.2"`, func(v any) (any, bool) {
	s, _ := v.(string)
	for _, known := range versions {
		if known.String() == s {
			return known, true
		}
	}
	return nil, false
}}

// maxPSK is the length that every implementation must take (RFC 4279, section 5.3).
const maxPSK = 64

var hexKey = kind{fmt.Sprintf("1 to %d bytes in hexadecimal", maxPSK), func(v any) (any, bool) {
	s, _ := v.(string)
	return parseKey([]byte(s))
}}

func parseKey(text []byte) (Secret, bool) {
	text = bytes.TrimSpace(text)
	b := make([]byte, hex.DecodedLen(len(text)))
	defer clear(b)
	if _, err := hex.Decode(b, text); err != nil || len(b) == 0 || len(b) > maxPSK {
		return Secret{}, false
	}
	return NewSecret(b), true
}

var lineName = kind{"a number from 0 to 1023 or the line's name", func(v any) (any, bool) {
	switch v := v.(type) {
	case int64:
		return Line{Given: true, Offset: int(v)}, v >= 0 && v < 1024
	case string:
		return Line{Given: true, Name: v}, v != "" && len(v) <= 32 && printable(v)
	}
	return nil, false
}}

var safeState = kind{`"off", "on", "keep", or a level from 0 to 100`, func(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		switch v {
		case "off":
			return Safe{}, true
		case "on":
			return Safe{On: true, Level: 100}, true
		case "keep":
			return Safe{Keep: true}, true
		}
	case int64:
		return Safe{On: v > 0, Level: float64(v)}, v >= 0 && v <= 100
	case float64:
		return Safe{On: v > 0, Level: v}, v >= 0 && v <= 100
	}
	return nil, false
}}
