package rauc

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// squashfs begins each bundle that is not encrypted as a whole (squashfs on-disk
// format, superblock, magic).
const squashfs = "hsqs"

// recognize reports whether a file begins as a bundle does. One that RAUC has taken
// for its own, so that it cannot be read, was one.
func recognize(file string) bool {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return errors.Is(err, os.ErrPermission)
	}
	defer f.Close() //nolint:errcheck // only read
	head := make([]byte, len(squashfs))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == squashfs
}

// signs are words of RAUC's errors and what they mean for the server. RAUC gives no
// numbers.
var signs = []struct {
	words  []string
	result fota.Result
}{
	{[]string{"no space left", "too large for", "too small", "does not fit", "exceeds slot", "file too large"}, fota.NoStorage},
	{[]string{"compatible mismatch", "variant", "unsupported", "no such slot", "no target", "not supported"}, fota.UnsupportedPackage},
	{[]string{"signature", "verif", "certificate", "cms", "checksum", "digest", "corrupt"}, fota.IntegrityFailure},
}

// verdict makes a Failure of RAUC's words about a bundle; other errors stay.
func verdict(err error, known bool, result fota.Result) error {
	said, ok := errors.AsType[words](err)
	if !ok {
		return err
	}
	text := strings.ToLower(string(said))
	has := func(words string) bool { return strings.Contains(text, words) }
	for _, sign := range signs {
		if slices.ContainsFunc(sign.words, has) {
			result = sign.result
			break
		}
	}
	if !known && result == fota.IntegrityFailure { // what is no bundle cannot be a damaged one
		result = fota.UnsupportedPackage
	}
	return fota.Failf(result, "%v", err)
}
