package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// magic begins a package that says something of itself; the number is that of the
// layout.
const (
	magic   = "lwm2m-agent firmware "
	layout  = "1"
	maxHead = 4096 // bytes of the lines
	maxText = 255  // bytes of a value
)

// head is what a package says of itself.
type head struct {
	name, version, sum, compatible string
	boots, healthy                 bool
	length                         int // bytes before the image
}

// parse reads the lines at the beginning of a package, of which b has the first
// maxHead bytes or all. A package without them is an image.
func parse(b []byte) (head, error) {
	h := head{boots: true, healthy: true}
	if !bytes.HasPrefix(b, []byte(magic)) {
		return h, nil
	}
	end := bytes.Index(b, []byte("\n\n"))
	if end < 0 {
		return h, fota.Failf(fota.UnsupportedPackage, "the lines at the beginning of the package do not end within %d bytes", maxHead)
	}
	h.length = end + 2
	lines := strings.Split(string(b[:end]), "\n")
	if got := strings.TrimPrefix(lines[0], magic); got != layout {
		return h, fota.Failf(fota.UnsupportedPackage, "the package has layout %.20q; %s is supported", got, layout)
	}
	for _, line := range lines[1:] {
		key, value, ok := strings.Cut(line, "=")
		if key, value = strings.TrimSpace(key), strings.TrimSpace(value); !ok || len(value) > maxText {
			return h, fota.Failf(fota.UnsupportedPackage, "the package has a line %.40q, which is not key = value", line)
		}
		switch key {
		case "name":
			h.name = value
		case "version":
			h.version = value
		case "sha256":
			h.sum = value
		case "compatible":
			h.compatible = value
		case "boots":
			h.boots = value != "no"
		case "healthy":
			h.healthy = value != "no"
		default:
			return h, fota.Failf(fota.UnsupportedPackage, "the package has an unknown key %.40q", key)
		}
	}
	return h, nil
}

// image is a package that was read.
type image struct {
	head
	hash string // of all of it: SHA-256 in hexadecimal
}

// read reads a package from its beginning and returns what it is.
func read(r io.Reader) (image, error) {
	first := make([]byte, maxHead)
	n, err := io.ReadFull(r, first)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF { //nolint:errorlint // ReadFull returns them as they are
		return image{}, err
	}
	first = first[:n]
	if n == 0 {
		return image{}, fota.Failf(fota.UnsupportedPackage, "the package is empty")
	}
	h, err := parse(first)
	if err != nil {
		return image{}, err
	}
	whole, body := sha256.New(), sha256.New()
	_, _ = whole.Write(first)           // never fails
	_, _ = body.Write(first[h.length:]) // likewise
	to := io.Writer(whole)
	if h.sum != "" {
		to = io.MultiWriter(whole, body)
	}
	if _, err := io.Copy(to, r); err != nil {
		return image{}, err
	}
	if sum := hex.EncodeToString(body.Sum(nil)); h.sum != "" && !strings.EqualFold(sum, h.sum) {
		return image{}, fota.Failf(fota.IntegrityFailure, "the image has SHA-256 %.12s, the package says %.12s", sum, h.sum)
	}
	i := image{h, hex.EncodeToString(whole.Sum(nil))}
	if i.name == "" {
		i.name = "image"
	}
	if i.version == "" {
		i.version = "sha256:" + i.hash[:12]
	}
	return i, nil
}

func readFile(name string) (image, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return image{}, fmt.Errorf("read the package: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	return read(f)
}
