package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// source is one parsed Go file, whatever its build constraints say.
type source struct {
	file  string // slash-separated, relative to the module's root
	test  bool
	tree  *ast.File
	lines int
}

// pkg is the Go files of one folder.
type pkg struct {
	dir     string
	sources []source
}

// load parses every Go file of the module in fsys, and gives its path and its packages in order.
func load(fsys fs.FS, fset *token.FileSet) (module string, packages []pkg, err error) {
	module, err = modulePath(fsys)
	if err != nil {
		return "", nil, err
	}
	byDir := map[string][]source{}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipFolder(fsys, name)
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		s, err := parse(fsys, fset, name)
		byDir[path.Dir(name)] = append(byDir[path.Dir(name)], s)
		return err
	})
	for dir, sources := range byDir {
		packages = append(packages, pkg{dir, sources})
	}
	sort.Slice(packages, func(i, j int) bool { return packages[i].dir < packages[j].dir })
	return module, packages, err
}

// skipFolder passes over what the go command passes over, and over other modules.
func skipFolder(fsys fs.FS, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if base == "testdata" || base == "artifacts" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func modulePath(fsys fs.FS) (string, error) {
	mod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mod)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("go.mod names no module")
}

func parse(fsys fs.FS, fset *token.FileSet, name string) (source, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return source{}, err
	}
	tree, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	return source{name, strings.HasSuffix(name, "_test.go"), tree, fset.File(tree.FileStart).LineCount()}, nil
}

// imports are the import paths of a file.
func (s source) imports() []string {
	paths := make([]string, 0, len(s.tree.Imports))
	for _, i := range s.tree.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			panic(err) // the parser accepted it
		}
		paths = append(paths, p)
	}
	return paths
}

// matches reports whether a pattern names the path: itself, or with "/..." it and everything below.
func matches(pattern, p string) bool {
	tree, ok := strings.CutSuffix(pattern, "...")
	if !ok {
		return pattern == p
	}
	tree = strings.TrimSuffix(tree, "/")
	return tree == "" || p == tree || strings.HasPrefix(p, tree+"/")
}

func matchesAny(patterns []string, p string) bool {
	for _, pattern := range patterns {
		if matches(pattern, p) {
			return true
		}
	}
	return false
}
