package plain

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/fota"
)

const (
	magic       = "lwm2m-agent images "
	layout      = "1"
	maxManifest = 64 << 10 // bytes
	maxText     = 255      // characters of a value that servers see (/5/0/6, /5/0/7)
	maxName     = 32       // of an image
	maxImages   = 16
)

// Manifest is what a package says of itself.
type Manifest struct {
	Name       string
	Version    string
	Compatible []string
	Images     []Image
}

// Image is one image of a package.
type Image struct {
	Name   string
	Size   int64  // bytes, when it is unpacked
	Sum    string // SHA-256 of them, in lower-case hexadecimal
	Gzip   bool   // it is packed
	offset int    // place in the package
}

// ParseManifest reads a manifest. The error is a Failure with UnsupportedPackage.
func ParseManifest(text []byte) (*Manifest, error) {
	m := &Manifest{Name: "images"}
	if !bytes.HasPrefix(text, []byte(magic)) {
		return nil, fota.Failf(fota.UnsupportedPackage, "the manifest does not begin with %q", magic+layout)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxManifest+1)
	lines.Scan()
	if got := strings.TrimPrefix(lines.Text(), magic); got != layout {
		return nil, fota.Failf(fota.UnsupportedPackage, "the manifest has layout %.20q; %s is supported", got, layout)
	}
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if key, value = strings.TrimSpace(key), strings.TrimSpace(value); !ok || !printable(value) {
			return nil, fota.Failf(fota.UnsupportedPackage, "the manifest has a line %.40q, which is not key = value", line)
		}
		if err := m.set(key, value); err != nil {
			return nil, err
		}
	}
	if m.Version == "" || len(m.Compatible) == 0 || len(m.Images) == 0 {
		return nil, fota.Failf(fota.UnsupportedPackage, "the manifest lacks version, compatible or image")
	}
	return m, nil
}

// printable reports whether a text may be shown to servers and on terminals.
func printable(s string) bool {
	return s != "" && len(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// set takes one line.
func (m *Manifest) set(key, value string) error {
	switch key {
	case "name":
		m.Name = value
	case "version":
		m.Version = value
	case "compatible":
		m.Compatible = append(m.Compatible, value)
	case "image":
		i, ok := parseImage(value)
		if !ok || len(m.Images) == maxImages || m.image(i.Name) != nil {
			return fota.Failf(fota.UnsupportedPackage, "the manifest has an image %.60q, which is not NAME SIZE SHA256 [gzip], or is there twice, or is more than the %dth", value, maxImages)
		}
		i.offset = len(m.Images)
		m.Images = append(m.Images, i)
	default: // a signed package with rules that this agent does not know
		return fota.Failf(fota.UnsupportedPackage, "the manifest has an unknown key %.40q", key)
	}
	return nil
}

func parseImage(value string) (Image, bool) {
	words := strings.Fields(value)
	if len(words) == 4 && words[3] == "gzip" {
		i, ok := parseImage(strings.Join(words[:3], " "))
		i.Gzip = true
		return i, ok
	}
	if len(words) != 3 || !ValidName(words[0]) {
		return Image{}, false
	}
	size, err := strconv.ParseInt(words[1], 10, 64)
	sum, errSum := hex.DecodeString(words[2])
	ok := err == nil && size > 0 && errSum == nil && len(sum) == 32
	return Image{Name: words[0], Size: size, Sum: hex.EncodeToString(sum)}, ok
}

// ValidName reports whether an image, a slot or a part of one may be called so:
// letters, digits, "-", "_" and, within it, ".".
func ValidName(s string) bool {
	return s != "" && len(s) <= maxName && s[0] != '.' && s != manifestFile && s != signatureFile && !strings.ContainsFunc(s, func(r rune) bool {
		return !digit(r) && !letter(r) && !strings.ContainsRune("-_.", r)
	})
}

func (m *Manifest) image(name string) *Image {
	if at := slices.IndexFunc(m.Images, func(i Image) bool { return i.Name == name }); at >= 0 {
		return &m.Images[at]
	}
	return nil
}
