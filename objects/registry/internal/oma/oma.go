// Package oma reads object definitions as the OMA registry publishes them: one
// XML file for each object, in an archive.
//
// It knows the archive and what the files say of their licences. It is for the
// generator and for tests; the agent has the table.
package oma

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry/internal/ddf"
)

// File is one file of the archive.
type File struct {
	Name       string // "3303.xml", "version_history/3-1_0.xml"
	Definition *model.Definition
	Notice     Notice
}

// Superseded reports whether the file holds an older version of an object.
func (f *File) Superseded() bool { return path.Dir(f.Name) == "version_history" }

// ReadArchive reads a gzip-compressed tar archive of registry files, in order
// of object and version, the newest version first. A version that is there twice
// comes first from the file that is not superseded.
func ReadArchive(r io.Reader) ([]File, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	var (
		files []File
		in    = tar.NewReader(z)
	)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		f, err := read(h.Name, in)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	sortFiles(files)
	return files, nil
}

// ReadFolder reads the archive objects.tar.gz in a folder, and the definitions of our own,
// which lie beside it as files.
func ReadFolder(fsys fs.FS) ([]File, error) {
	f, err := fsys.Open("objects.tar.gz")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	files, err := ReadArchive(f)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(fsys, "*.xml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		own, err := read(name, bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		files = append(files, own)
	}
	sortFiles(files)
	return files, nil
}

// read reads one file.
func read(name string, r io.Reader) (File, error) {
	text, err := io.ReadAll(io.LimitReader(r, ddf.MaxFile+1))
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", name, err)
	}
	d, err := ddf.Parse(text)
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", name, err)
	}
	return File{Name: name, Definition: d, Notice: notice(text)}, nil
}

func sortFiles(files []File) {
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(compare(a.Definition, b.Definition), strings.Compare(a.Name, b.Name)) // a digit comes before "version_history"
	})
}

func compare(a, b *model.Definition) int {
	switch {
	case a.ID != b.ID:
		return int(a.ID) - int(b.ID)
	case a.Version == b.Version:
		return 0
	case b.Version.Less(a.Version):
		return -1
	}
	return 1
}

// Definitions returns one definition for each object and version.
func Definitions(files []File) []*model.Definition {
	var out []*model.Definition
	for i := range files {
		if i == 0 || compare(files[i-1].Definition, files[i].Definition) != 0 {
			out = append(out, files[i].Definition)
		}
	}
	return out
}
