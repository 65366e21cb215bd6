package host

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

const zoneinfo = "usr/share/zoneinfo/"

// Timezone returns the IANA name of the system's time zone ("Europe/Vienna"): of
// the link /etc/localtime, /etc/timezone, or OpenWrt's /etc/config/system. A
// system with none of them is at UTC (localtime(5)); "" if there is one that has
// no name.
func Timezone(root fs.FS) string {
	if target, err := fs.ReadLink(root, "etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(target, "zoneinfo/"); ok {
			return name
		}
	}
	if name := text(root, "etc/timezone"); name != "" {
		return name
	}
	b, _ := read(root, "etc/config/system")
	if name := uciZonename(string(b)); name != "" {
		return strings.ReplaceAll(name, " ", "_")
	}
	if tz := text(root, "etc/TZ"); exists(root, "etc/localtime") || tz != "" && !strings.HasPrefix(tz, "UTC") && !strings.HasPrefix(tz, "GMT0") {
		return ""
	}
	return "UTC"
}

// uciZonename returns the option zonename of a UCI file, "" if there is none.
func uciZonename(text string) string {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "option")
		if fields := strings.Fields(rest); ok && len(fields) > 1 && fields[0] == "zonename" {
			return unquote(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), "zonename")))
		}
	}
	return ""
}

// isZoneName reports whether a text is what the names of the time zone database
// look like: up to four parts, which cannot leave the database's folder.
func isZoneName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-"
	parts := strings.Split(name, "/")
	for _, part := range parts {
		if part == "" || strings.Trim(part, letters) != "" {
			return false
		}
	}
	return len(parts) <= 4 && len(name) <= 64
}

// HasTimezone reports whether a time zone can be set by its name: it is in the
// system's time zone database, or is one of Etc/GMT…, which need none.
func HasTimezone(root fs.FS, name string) bool {
	_, ok := posixZone(root, name)
	return ok || isZoneName(name) && zoneData(root, zoneinfo+name) != nil
}

// zoneData returns a file of the time zone database (RFC 8536), nil if it is
// none.
func zoneData(root fs.FS, file string) []byte {
	b, err := read(root, file)
	if err != nil || !strings.HasPrefix(string(b), "TZif") {
		return nil
	}
	return b
}

// posixZone returns a time zone in the notation of the environment variable TZ
// ("CET-1CEST,M3.5.0,M10.5.0/3"): for OpenWrt, where programs know no other. It
// is the last line of a file of the database (RFC 8536, section 3.3).
func posixZone(root fs.FS, name string) (string, bool) {
	if name == "UTC" || name == "Etc/UTC" {
		return "UTC0", true
	}
	if hours, ok := strings.CutPrefix(name, "Etc/GMT"); ok {
		// The sign of both notations counts west of UTC.
		if n, err := strconv.Atoi(hours); err == nil && n >= -14 && n <= 12 && n != 0 && fmt.Sprintf("%+d", n) == hours {
			return fmt.Sprintf("<%+03d>%d", -n, n), true
		}
		return "", false
	}
	if !isZoneName(name) {
		return "", false
	}
	lines := strings.Split(string(zoneData(root, zoneinfo+name)), "\n")
	if len(lines) < 3 || lines[len(lines)-2] == "" {
		return "", false
	}
	return lines[len(lines)-2], true
}

// UTCOffset returns the offset from UTC in effect at t, as ISO 8601 writes it:
// "+01:00".
func UTCOffset(root fs.FS, t time.Time) string {
	data := zoneData(root, "etc/localtime")
	if data == nil {
		data = zoneOf(first(text(root, "etc/TZ"), "UTC0"))
	}
	return offsetIn(data, t)
}

// UTCOffsetIn returns the offset from UTC in effect at t in a time zone for whose name
// HasTimezone is true.
func UTCOffsetIn(root fs.FS, name string, t time.Time) string {
	data := zoneData(root, zoneinfo+name)
	if data == nil {
		tz, _ := posixZone(root, name)
		data = zoneOf(tz)
	}
	return offsetIn(data, t)
}

func offsetIn(data []byte, t time.Time) string {
	zone, err := time.LoadLocationFromTZData("", data)
	if err != nil {
		zone = time.UTC
	}
	return t.In(zone).Format("-07:00")
}

// zoneOf returns a file of the time zone database that says no more than a TZ
// text: an empty one of version 1 and one of version 2 with a single local time
// (RFC 8536, section 3).
func zoneOf(tz string) []byte {
	header := func(version byte) []byte {
		b := append([]byte("TZif"), version)
		b = append(b, make([]byte, 15)...)
		for _, n := range []uint32{0, 0, 0, 0, 1, 4} { // counts: one type, four characters of names
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return append(b, "\x00\x00\x00\x00\x00\x00UTC\x00"...)
	}
	out := append(header('2'), header('2')...)
	return append(out, "\n"+tz+"\n"...)
}

// ZoneOf returns a time zone that always is at an offset, in seconds east of
// UTC: "Etc/GMT-1" for an hour, or "" if there is none.
func ZoneOf(offset int) string {
	hours := offset / 3600
	switch {
	case offset%3600 != 0 || hours < -12 || hours > 14:
		return ""
	case hours == 0:
		return "Etc/UTC"
	}
	return fmt.Sprintf("Etc/GMT%+d", -hours)
}
