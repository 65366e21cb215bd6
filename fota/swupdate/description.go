package swupdate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/scanner"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// A package is a cpio archive of SVR4's formats whose first file is the description
// (SWUpdate, "software description").
const (
	descriptionName = "sw-description"
	trailer         = "TRAILER!!!" // the name of what ends a cpio archive
	cpioHead        = 110          // bytes
	maxName         = 4096         // likewise, of a file's name
	maxDescription  = 1 << 20
)

var errNoPackage = errors.New("this is no package of SWUpdate: no cpio archive that begins with sw-description")

// describe reads the name and the version that a package says it has. It is true
// only once SWUpdate has verified the package.
func describe(file string) (fota.Package, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fota.Package{}, fmt.Errorf("read the package: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := description(f)
	if err != nil {
		return fota.Package{}, fota.Failf(fota.UnsupportedPackage, "%v", err)
	}
	if err := stayInside(f); err != nil {
		return fota.Package{}, err
	}
	return parse(text), nil
}

// description returns the text of sw-description.
func description(r io.Reader) ([]byte, error) {
	m, err := nextMember(r)
	if err != nil || m.name != descriptionName || m.size > maxDescription {
		return nil, errNoPackage
	}
	text := make([]byte, m.padded())
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, errNoPackage
	}
	return text[:m.size], nil
}

// stayInside refuses a package with a file whose name leads out of the folder that SWUpdate unpacks to: it writes there, even when it only
// verifies (2022.12).
func stayInside(r io.ReadSeeker) error {
	for {
		m, err := nextMember(r)
		switch {
		case err != nil:
			return fota.Failf(fota.IntegrityFailure, "the package is damaged: %v", err)
		case m.name == trailer:
			return nil
		case !filepath.IsLocal(m.name):
			return fota.Failf(fota.UnsupportedPackage, "the package has a file %.60q, which would be written outside of SWUpdate's folder", m.name)
		}
		if _, err := r.Seek(m.padded(), io.SeekCurrent); err != nil {
			return fmt.Errorf("read the package: %w", err)
		}
	}
}

// member is a file of a cpio archive.
type member struct {
	name string
	size int64 // bytes
}

// padded is what it takes in the archive.
func (m member) padded() int64 { return (m.size + 3) / 4 * 4 }

var errNoMember = errors.New("the cpio archive does not go on as it should")

// nextMember reads the head of the next file of a cpio archive of the new portable format (cpio(5)), which has numbers of eight hexadecimal
// digits: the seventh is the file's size, the twelfth the length of its name with a NUL.
func nextMember(r io.Reader) (member, error) {
	head := make([]byte, cpioHead)
	if _, err := io.ReadFull(r, head); err != nil {
		return member{}, errNoMember
	}
	if s := string(head[:6]); s != "070701" && s != "070702" {
		return member{}, errNoMember
	}
	size, err1 := strconv.ParseUint(string(head[54:62]), 16, 32)
	length, err2 := strconv.ParseUint(string(head[94:102]), 16, 32)
	if err1 != nil || err2 != nil || length < 2 || length > maxName {
		return member{}, errNoMember
	}
	name := make([]byte, (cpioHead+length+3)/4*4-cpioHead)
	if _, err := io.ReadFull(r, name); err != nil {
		return member{}, errNoMember
	}
	text, _, _ := strings.Cut(string(name[:length]), "\x00")
	return member{text, int64(size)}, nil
}

// parse takes the settings "name", in its place "description", and "version" of the group "software", in
// libconfig's or JSON's syntax. What stands deeper is of images and boards.
func parse(text []byte) fota.Package {
	var s scanner.Scanner
	s.Init(bytes.NewReader(text))
	s.Mode = scanner.ScanIdents | scanner.ScanStrings | scanner.ScanInts | scanner.ScanFloats | scanner.ScanComments | scanner.SkipComments
	s.Error = func(*scanner.Scanner, string) {}
	var p fota.Package
	depth, software := 0, -1
	key, described := "", ""
	for token := s.Scan(); token != scanner.EOF; token = s.Scan() {
		word := s.TokenText()
		if unquoted, err := strconv.Unquote(word); err == nil && token == scanner.String {
			word = unquoted
		}
		switch {
		case token == '{' || token == '(' || token == '[':
			depth++
			if key == "software" && software < 0 && token == '{' {
				software = depth
			}
			key = ""
		case token == '#': // libconfig's comment to the end of the line
			skipLine(&s)
		case token == '}' || token == ')' || token == ']':
			depth--
		case token == ',' || token == ';':
			key = ""
		case token == '=' || token == ':':
		case key == "" || token == scanner.Ident:
			key = word
		case token == scanner.String && depth == software:
			switch key {
			case "name":
				p.Name = bounded(word)
			case "version":
				p.Version = bounded(word)
			case "description":
				described = bounded(word)
			}
			key = ""
		default:
			key = word
		}
	}
	if p.Name == "" {
		p.Name = described
	}
	return p
}

func skipLine(s *scanner.Scanner) {
	for next := s.Peek(); next != '\n' && next != scanner.EOF; next = s.Peek() {
		s.Next()
	}
}

// maxText bounds what a package says of itself, in bytes.
const maxText = 255

// bounded is a text as it may be shown.
func bounded(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "?")
}
