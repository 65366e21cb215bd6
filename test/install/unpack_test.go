//go:build install

package install

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// opened is a package of OpenWrt.
type opened struct {
	info    map[string]string // what it says of itself: "Architecture" of .ipk, "arch" of .apk
	scripts map[string]member // by the package manager's names: "postinst" of .ipk, "post-install" of .apk
	files   map[string]member // by their paths, from /
}

// member is a file or folder of an archive.
type member struct {
	*tar.Header
	content []byte
}

// open unpacks a package.
func open(t *testing.T, file string) opened {
	t.Helper()
	if filepath.Ext(file) == ".ipk" {
		return openIPK(t, read(t, file))
	}
	return openAPK(t, read(t, file))
}

// openIPK: a compressed archive of two, as OpenWrt's opkg has them (scripts/ipkg-build there).
func openIPK(t *testing.T, file []byte) opened {
	t.Helper()
	outer := untar(t, streams(t, file, 1)[0])
	if v := string(outer["/debian-binary"].content); v != "2.0\n" {
		t.Errorf("debian-binary says %q", v)
	}
	control := untar(t, streams(t, outer["/control.tar.gz"].content, 1)[0])
	p := opened{scripts: make(map[string]member), files: untar(t, streams(t, outer["/data.tar.gz"].content, 1)[0])}
	p.info = fields(control["/control"].content, ":")
	for name, m := range control {
		if name = name[1:]; name != "control" {
			p.scripts[name] = m
		}
	}
	return p
}

// openAPK: two compressed archives, one behind the other, of which the first has no end: apk-package(5), version 2. The
// first says what the second one's hash is, and each file has its own.
func openAPK(t *testing.T, file []byte) opened {
	t.Helper()
	parts := streams(t, file, 2)
	control := untar(t, parts[0])
	p := opened{scripts: make(map[string]member), files: untar(t, parts[1])}
	p.info = fields(control["/.PKGINFO"].content, " =")
	for name, m := range control {
		if name = name[2:]; name != "PKGINFO" {
			p.scripts[name] = m
		}
	}
	rest := bytes.NewReader(file)
	z, err := gzip.NewReader(rest)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	if _, err := io.Copy(io.Discard, z); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(file[len(file)-rest.Len():])
	if want := hex.EncodeToString(hash[:]); p.info["datahash"] != want {
		t.Errorf("datahash is %s, want %s", p.info["datahash"], want)
	}
	return p
}

// streams returns what the compressed streams of a file hold.
func streams(t *testing.T, file []byte, want int) (all [][]byte) {
	t.Helper()
	rest := bytes.NewReader(file)
	for rest.Len() > 0 {
		z, err := gzip.NewReader(rest)
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		content, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content)
	}
	if len(all) != want {
		t.Fatalf("%d compressed streams, want %d", len(all), want)
	}
	return all
}

// untar returns the members of an archive by their paths, from /.
func untar(t *testing.T, archive []byte) map[string]member {
	t.Helper()
	all := make(map[string]member)
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Join("/", h.Name)
		if _, twice := all[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		all[name] = member{h, content}
	}
}

// fields reads lines of a name, a sign and a value.
func fields(text []byte, sign string) map[string]string {
	all := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, sign); ok {
			all[name] = strings.TrimSpace(value)
		}
	}
	return all
}
