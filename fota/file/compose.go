package file

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Compose makes a package of an image; more are further lines, such as
// "healthy = no".
func Compose(name, version string, image []byte, more ...string) []byte {
	sum := sha256.Sum256(image)
	b := fmt.Appendf(nil, "%s%s\nname = %s\nversion = %s\nsha256 = %s\n", magic, layout, name, version, hex.EncodeToString(sum[:]))
	for _, line := range more {
		b = fmt.Appendf(b, "%s\n", line)
	}
	return append(append(b, '\n'), image...)
}
