package host

import (
	"io/fs"
	"time"
)

// Timezone returns the IANA name of the system's time zone ("Europe/Vienna"),
// "" if it is not known.
func Timezone(root fs.FS) string { return "" }

// HasTimezone reports whether the system's time zone database has a name.
func HasTimezone(root fs.FS, name string) bool { return false }

// UTCOffset returns the offset from UTC in effect at t, as ISO 8601 writes it:
// "+01:00".
func UTCOffset(root fs.FS, t time.Time) string { return "" }

// ZoneOf returns a time zone that always is at an offset, in seconds east of
// UTC: "Etc/GMT-1", or "" if there is none.
func ZoneOf(offset int) string { return "" }
