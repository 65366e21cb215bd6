package registry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry/internal/ddf"
)

// maxOwn bounds the files of a folder.
const maxOwn = 256

// FileError is what is wrong with a file of a folder of definitions.
type FileError struct {
	File string // with its folder
	Line int    // from 1; 0 for the file as a whole
	Err  error
}

func (e *FileError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.File, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// AddFolder adds the objects that the files *.xml in a folder define, one in each
// file, in the form in which OMA publishes definitions. It is called before anybody
// else has the registry. It returns all that is wrong with the files, and what
// is well is added: an object that the registry has, or another file, is not.
func (r *Registry) AddFolder(folder string) []*FileError {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return []*FileError{{File: folder, Err: errors.Unwrap(err)}}
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !strings.HasSuffix(e.Name(), ".xml") || e.IsDir() })
	if len(entries) > maxOwn {
		return []*FileError{{File: folder, Err: fmt.Errorf("there are %d files; %d are the most", len(entries), maxOwn)}}
	}
	var wrong []*FileError
	from := make(map[uint16]string)
	for _, e := range entries { // in order of their names
		d, failure := readOwn(filepath.Join(folder, e.Name()))
		switch {
		case failure != nil:
		case from[d.ID] != "":
			failure = &FileError{Err: fmt.Errorf("object %d (%s) is in %s already; keep one", d.ID, d.Name, from[d.ID])}
		default:
			if registered, ok := r.Object(d.ID); ok {
				failure = &FileError{Err: fmt.Errorf("object %d is %s in the registry; give yours another number", d.ID, registered.Name)}
			}
		}
		if failure != nil {
			failure.File = filepath.Join(folder, e.Name())
			wrong = append(wrong, failure)
			continue
		}
		from[d.ID] = e.Name()
		at, _ := r.findOwn(d.ID)
		r.own = slices.Insert(r.own, at, d)
	}
	return wrong
}

// readOwn reads one file.
func readOwn(path string) (*model.Definition, *FileError) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &FileError{Err: errors.Unwrap(err)}
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, ddf.MaxFile+1))
	if err != nil {
		return nil, &FileError{Err: errors.Unwrap(err)}
	}
	d, err := ddf.Parse(text)
	if at, ok := errors.AsType[*ddf.LineError](err); ok {
		return nil, &FileError{Line: at.Line, Err: at.Err}
	}
	if err != nil {
		return nil, &FileError{Err: err}
	}
	return d, nil
}

// findOwn returns where a definition from a folder is, or would be.
func (r *Registry) findOwn(oid uint16) (int, bool) {
	return slices.BinarySearchFunc(r.own, oid, func(d *model.Definition, oid uint16) int { return int(d.ID) - int(oid) })
}

// makeOwnKeys returns the keys of the definitions from a folder: none is one
// of the registry's.
func (r *Registry) makeOwnKeys() []string {
	taken := make(map[string]bool)
	if len(r.own) > 0 {
		for _, k := range r.keys() {
			taken[k] = true
		}
	}
	keys := make([]string, len(r.own))
	for i, d := range r.own {
		keys[i] = unique(d.Name, d.ID, taken)
	}
	return keys
}
