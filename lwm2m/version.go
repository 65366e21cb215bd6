package lwm2m

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a version of the enabler or of an object: "1.2".
type Version struct {
	Major, Minor uint8
}

// The versions of the enabler.
var (
	Version10 = Version{1, 0}
	Version11 = Version{1, 1}
	Version12 = Version{1, 2}
)

// ParseVersion reads "1.2"; a missing minor number is 0.
func ParseVersion(s string) (Version, error) {
	major, minor, ok := strings.Cut(s, ".")
	if !ok {
		minor = "0"
	}
	a, err1 := strconv.ParseUint(major, 10, 8)
	b, err2 := strconv.ParseUint(minor, 10, 8)
	if err1 != nil || err2 != nil {
		return Version{}, fmt.Errorf("%q is not a version like 1.2", s)
	}
	return Version{uint8(a), uint8(b)}, nil
}

// String returns "1.2".
func (v Version) String() string {
	return strconv.Itoa(int(v.Major)) + "." + strconv.Itoa(int(v.Minor))
}

// Less reports whether v is older than w.
func (v Version) Less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// IsZero reports whether no version was given.
func (v Version) IsZero() bool { return v == Version{} }
