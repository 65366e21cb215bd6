// Package oma reads object definitions as the OMA registry publishes them: one
// XML file for each object, in an archive.
//
// It knows the XML of OMA's LWM2M.xsd and what is irregular in the files. It is
// for the generator and for tests; the agent has the table.
package oma

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// maxFile bounds one file of the archive, in bytes.
const maxFile = 1 << 20

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
	text, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", name, err)
	}
	d, err := Parse(text)
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

type document struct {
	Objects []struct {
		Name      string `xml:"Name"`
		ID        string `xml:"ObjectID"`
		Version   string `xml:"ObjectVersion"`
		Instances string `xml:"MultipleInstances"`
		Mandatory string `xml:"Mandatory"`
		Items     []item `xml:"Resources>Item"`
	} `xml:"Object"`
}

type item struct {
	ID         string `xml:"ID,attr"`
	Name       string `xml:"Name"`
	Operations string `xml:"Operations"`
	Instances  string `xml:"MultipleInstances"`
	Mandatory  string `xml:"Mandatory"`
	Type       string `xml:"Type"`
	Range      string `xml:"RangeEnumeration"`
	Units      string `xml:"Units"`
}

// Parse reads one file, which must define one object.
func Parse(text []byte) (*model.Definition, error) {
	var doc document
	if err := xml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Objects) != 1 {
		return nil, fmt.Errorf("%d objects in one file", len(doc.Objects))
	}
	o := &doc.Objects[0]
	id, err := identifier(o.ID)
	if err != nil {
		return nil, err
	}
	d := &model.Definition{ID: id, Name: words(o.Name), Version: lwm2m.Version10}
	if v := strings.TrimSpace(o.Version); v != "" { // Core, section 7.2.2: missing means 1.0
		if d.Version, err = lwm2m.ParseVersion(v); err != nil {
			return nil, err
		}
	}
	if d.Multiple, err = either(o.Instances, "Multiple", "Single"); err != nil {
		return nil, err
	}
	if d.Mandatory, err = either(o.Mandatory, "Mandatory", "Optional"); err != nil {
		return nil, err
	}
	for i := range o.Items {
		r, err := o.Items[i].definition()
		if err != nil {
			return nil, fmt.Errorf("resource %q: %w", o.Items[i].ID, err)
		}
		d.Resources = append(d.Resources, r)
	}
	return d, order(d)
}

// order sorts the resources, which the files have in any order.
func order(d *model.Definition) error {
	slices.SortFunc(d.Resources, func(a, b model.ResourceDefinition) int { return int(a.ID) - int(b.ID) })
	for i := range d.Resources[1:] {
		if d.Resources[i].ID == d.Resources[i+1].ID {
			return fmt.Errorf("resource %d is there twice", d.Resources[i].ID)
		}
	}
	return nil
}

func (i *item) definition() (r model.ResourceDefinition, err error) {
	if r.ID, err = identifier(i.ID); err != nil {
		return r, err
	}
	r.Name, r.Unit = words(i.Name), strings.TrimSpace(i.Units)
	r.Range = model.ParseRange(i.Range)
	if r.Ops, err = operations(i.Operations); err != nil {
		return r, err
	}
	if r.Multiple, err = either(i.Instances, "Multiple", "Single"); err != nil {
		return r, err
	}
	if r.Mandatory, err = either(i.Mandatory, "Mandatory", "Optional"); err != nil {
		return r, err
	}
	r.Type, err = lwm2m.ParseType(i.Type)
	return r, err
}

func identifier(s string) (uint16, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil || n == lwm2m.MaxID {
		return 0, fmt.Errorf("%q is no identifier", s)
	}
	return uint16(n), nil
}

// words returns a name on one line with single spaces.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// either reads a word that is one of two.
func either(s, yes, no string) (bool, error) {
	switch strings.TrimSpace(s) {
	case yes:
		return true, nil
	case no:
		return false, nil
	}
	return false, fmt.Errorf("%q is neither %s nor %s", s, yes, no)
}

func operations(s string) (ops model.Ops, err error) {
	for _, letter := range strings.TrimSpace(s) {
		switch letter {
		case 'R':
			ops |= model.OpRead
		case 'W':
			ops |= model.OpWrite
		case 'E':
			ops |= model.OpExecute
		default:
			return 0, fmt.Errorf("operations %q", s)
		}
	}
	return ops, nil
}
