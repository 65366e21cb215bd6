package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"strings"
)

// report collects what breaks a rule, each with its file and the rule's reason.
type report struct{ found []string }

func (r *report) add(where, format string, args ...any) {
	r.found = append(r.found, where+": "+fmt.Sprintf(format, args...))
}

// check holds the module in fsys against every rule and says what breaks one.
func check(fsys fs.FS) ([]string, error) {
	fset := token.NewFileSet()
	module, packages, err := load(fsys, fset)
	if err != nil {
		return nil, err
	}
	var r report
	for _, p := range packages {
		r.checkDoc(p)
		for _, s := range p.sources {
			r.checkSize(s)
			if s.test {
				continue
			}
			r.checkFunctions(s, fset)
			for _, path := range s.imports() {
				r.checkImport(module, p, s, path)
			}
		}
	}
	return r.found, nil
}

func (r *report) checkImport(module string, p pkg, s source, path string) {
	if s.tree.Name.Name != "main" && matchesAny(pure, p.dir) && matchesAny(impure, path) {
		r.add(s.file, "imports %s: this package does no I/O and no logging", path)
	}
	inside, ok := strings.CutPrefix(path, module+"/")
	switch {
	case ok:
		r.checkArrow(p.dir, s.file, inside)
	case strings.Contains(strings.Split(path, "/")[0], ".") && !matches("test/...", p.dir):
		r.checkHome(p.dir, s.file, path)
	}
}

// checkArrow holds an import of this module's package path against the first arrow that matches the importing folder.
func (r *report) checkArrow(dir, file, path string) {
	for _, a := range arrows {
		if !matches(a.of, dir) {
			continue
		}
		if !matchesAny(a.may, path) && !matches(a.of, path) {
			r.add(file, "imports %s: %s", path, a.why)
		}
		return
	}
	r.add(file, "%s has no place yet: add it to the arrows of test/arch", dir)
}

func (r *report) checkHome(dir, file, path string) {
	for _, h := range homes {
		if matches(h.library, path) {
			if !matchesAny(h.of, dir) {
				r.add(file, "imports %s, which is at home in %s: %s", path, strings.Join(h.of, ", "), h.why)
			}
			return
		}
	}
	r.add(file, "imports %s, which has no home yet: add it to the homes of test/arch", path)
}

// checkDoc asks for exactly one comment on the package clause: in a file that is built, or in a test file where there are only those.
func (r *report) checkDoc(p pkg) {
	var documented []string
	onlyTests := true
	for _, s := range p.sources {
		onlyTests = onlyTests && s.test
	}
	for _, s := range p.sources {
		if s.test == onlyTests && strings.TrimSpace(s.tree.Doc.Text()) != "" {
			documented = append(documented, s.file)
		}
	}
	if len(documented) != 1 {
		r.add(p.dir, "has %d package comments, want exactly one %v", len(documented), documented)
	}
}

func (r *report) checkSize(s source) {
	if s.lines > maxFileLines && !ast.IsGenerated(s.tree) {
		r.add(s.file, "has %d lines, at most %d", s.lines, maxFileLines)
	}
}

// checkFunctions bounds the lines between a function's braces, comments left out, and refuses init.
func (r *report) checkFunctions(s source, fset *token.FileSet) {
	if ast.IsGenerated(s.tree) {
		return
	}
	for _, d := range s.tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		if f.Recv == nil && f.Name.Name == "init" {
			r.add(s.file, "has func init: name things in a table instead")
		}
		if n := bodyLines(f.Body, s.tree.Comments, fset); n > maxFunctionLines {
			r.add(s.file, "func %s has %d lines, at most %d", f.Name.Name, n, maxFunctionLines)
		}
	}
}

func bodyLines(body *ast.BlockStmt, comments []*ast.CommentGroup, fset *token.FileSet) int {
	line := func(p token.Pos) int { return fset.Position(p).Line }
	n := line(body.Rbrace) - line(body.Lbrace) - 1
	for _, c := range comments {
		if c.Pos() > body.Lbrace && c.End() < body.Rbrace {
			n -= line(c.End()) - line(c.Pos())
			if startsLine(c, fset, body) {
				n--
			}
		}
	}
	return n
}

// startsLine reports whether a comment stands on a line of its own: no statement of the body ends or begins on its first line.
func startsLine(c *ast.CommentGroup, fset *token.FileSet, body *ast.BlockStmt) bool {
	first, alone := fset.Position(c.Pos()).Line, true
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil || !alone {
			return false
		}
		if _, block := n.(*ast.BlockStmt); !block {
			alone = fset.Position(n.Pos()).Line != first && fset.Position(n.End()-1).Line != first
		}
		return alone
	})
	return alone
}
