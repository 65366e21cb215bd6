package main

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// part is what a part of a program takes of its file, in bytes.
type part struct {
	group, name        string
	code, tables, data float64
}

func (p *part) all() float64 { return p.code + p.tables + p.data }

func (p *part) add(q part) {
	p.code += q.code
	p.tables += q.tables
	p.data += q.data
}

// The groups of parts, in the order of the report.
const (
	groupGo      = "Go's runtime and standard library"
	groupLibrary = "libraries"
	groupOwn     = "the project"
	groupNobody  = "texts, names of types and fields, padding"
)

// bytes finds out where the bytes of the program for little flash are, in a twin with symbols.
func (b *bench) bytes() {
	path, twin := filepath.Join(b.temp, "arm64"), filepath.Join(b.temp, "arm64-symbols")
	b.build(path, []string{"small"}, "GOARCH=arm64")
	b.build(twin, []string{"small"}, "GOARCH=arm64", "SYMBOLS=1")
	info, err := os.Stat(path)
	b.must(err, "look at the binary")
	b.parts, err = partsOf(twin, info.Size())
	b.must(err, "look where the bytes are")
}

// partsOf lists the parts of an ELF program of Go with symbols and DWARF, of which size
// bytes are shipped: the largest first, the last one what belongs to nobody.
//
// Code and variables are told by the symbol table, types by the debugging information,
// which says where the runtime's description of each lies. Function tables (names, lines,
// frames and pointers, for traces and garbage collection) are shared out by code.
func partsOf(path string, size int64) ([]part, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	tables := file.Section(".gopclntab")
	if tables == nil {
		return nil, fmt.Errorf("%s has no function tables; is it a program of Go?", path)
	}
	parts := make(census)
	if err := parts.symbols(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := parts.types(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var code float64
	for _, p := range parts {
		code += p.code
	}
	var list []part
	nobody := part{group: groupNobody, name: groupNobody, data: float64(size)}
	for _, p := range parts {
		p.tables = float64(tables.Size) * p.code / code
		nobody.data -= p.all()
		list = append(list, *p)
	}
	slices.SortFunc(list, func(x, y part) int { return cmp.Or(cmp.Compare(y.all(), x.all()), cmp.Compare(x.name, y.name)) })
	return append(list, nobody), nil
}

// census is the parts by their names.
type census map[string]*part

// enter adds bytes to the part that a symbol or type belongs to.
func (c census) enter(symbol string, bytes part) {
	group, name := owner(symbol)
	if c[name] == nil {
		c[name] = &part{group: group, name: name}
	}
	c[name].add(bytes)
}

// symbols enters code, constants and variables; what begins as zero is not in the file.
func (c census) symbols(file *elf.File) error {
	symbols, err := file.Symbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		if int(s.Section) >= len(file.Sections) || elf.ST_TYPE(s.Info) == elf.STT_FILE {
			continue // of no section
		}
		switch section := file.Sections[s.Section]; {
		case section.Type != elf.SHT_PROGBITS, section.Name == ".gopclntab":
		case section.Flags&elf.SHF_EXECINSTR != 0:
			c.enter(s.Name, part{code: float64(s.Size)})
		default:
			c.enter(s.Name, part{data: float64(s.Size)})
		}
	}
	return nil
}

// runtimeType is the attribute of a type that says where the runtime's description of it
// lies, from the first one on (cmd/internal/dwarf, DW_AT_go_runtime_type).
const runtimeType dwarf.Attr = 0x2904

// types enters the descriptions of types, each of which ends where the next one begins.
// Names of types and fields lie before the first of them and are nobody's.
func (c census) types(file *elf.File) error {
	symbols, err := file.Symbols()
	if err != nil {
		return err
	}
	at := func(name string) uint64 {
		i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name })
		if i < 0 {
			return 0
		}
		return symbols[i].Value
	}
	begin, end := at("runtime.types"), at("go:string.*") // texts follow the types
	debug, err := file.DWARF()
	if err != nil {
		return err
	}
	names := make(map[uint64]string)
	for r := debug.Reader(); ; {
		entry, err := r.Next()
		if err != nil {
			return err
		}
		if entry == nil {
			break
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		if offset, ok := entry.Val(runtimeType).(uint64); ok && offset != 0 && begin+offset < end {
			names[begin+offset] = name
		}
	}
	if len(names) == 0 {
		return errors.New("the debugging information names no types; has the linker changed?")
	}
	places := append(slices.Sorted(maps.Keys(names)), end)
	for i, place := range places[:len(places)-1] {
		c.enter(names[place], part{data: float64(places[i+1] - place)})
	}
	return nil
}

var (
	// packagePath finds the packages in the names of symbols and types.
	packagePath = regexp.MustCompile(`((?:[A-Za-z][\w.~%-]*/)*[A-Za-z][\w%-]*)\.`)
	// compilers is what compiler and linker put before such names or into them; "$f64." begins a constant.
	compilers = regexp.MustCompile(`type:\.(eq|hash)\.|go:\w+\.|go\.shape\.|noalg\.|map\.group|^\$\w+`)
)

// owner returns the group and the part that a symbol or type belongs to: by the first
// package in its name, so that generic code counts where it is written.
func owner(symbol string) (group, name string) {
	pkg := "runtime"
	if found := packagePath.FindStringSubmatch(compilers.ReplaceAllString(symbol, " ")); found != nil {
		pkg = found[1]
	}
	pkg, vendored := strings.CutPrefix(pkg, "vendor/")
	steps := strings.Split(pkg, "/")
	if i := slices.Index(steps, "internal"); i > 0 {
		steps = steps[:i]
	}
	switch first := steps[0]; {
	case pkg == "main":
		return groupOwn, "cmd/lwm2m-agent"
	case first == "lwm2m-agent":
		return groupOwn, strings.Join(steps[1:min(len(steps), 3)], "/")
	case vendored:
		return groupGo, strings.Join(steps[:min(len(steps), 3)], "/")
	case strings.Contains(first, "."):
		return groupLibrary, strings.Join(steps[:min(len(steps), 3)], "/")
	case first == "internal" && len(steps) > 1: // what the packages of that name are made of
		return groupGo, steps[1]
	}
	return groupGo, steps[0]
}

// smallPart is the size from which on a part has a line of its own.
const smallPart = 60e3

// where is the section about the parts: a table, and what follows from it for the goal of size.
func where(parts []part) string {
	var s strings.Builder
	var size, given float64
	for _, p := range parts {
		size += p.all()
		if p.group == groupGo || p.group == groupLibrary {
			given += p.all()
		}
	}
	line := func(mark string, p part) {
		fmt.Fprintf(&s, "| %s%s%s | %.0f | %.0f | %.0f | %.0f | %.1f %% |\n", mark, p.name, mark, p.code/1e3, p.tables/1e3, p.data/1e3, p.all()/1e3, 100*p.all()/size)
	}
	s.WriteString(`
## Where the bytes are

Of the stripped arm64 binary for little flash, by a twin that keeps its symbols. Code and variables are told by their symbols, types by the debugging
information; generic code counts where it is written, a type without a name at the first package in it. Function tables (names, lines, frames, pointers:
Go needs them for traces and garbage collection, and keeps them when a program is stripped) are shared out by code. What a part keeps alive elsewhere
is not counted to it: a library that is called once is more than its own line.

`)
	s.WriteString("| part | code, kB | function tables, kB | types, constants, variables, kB | together, kB | share |\n|---|---|---|---|---|---|\n")
	for _, group := range []string{groupGo, groupLibrary, groupOwn, groupNobody} {
		sum, rest := part{name: group}, part{}
		var large []part
		smaller := 0
		for _, p := range parts {
			switch {
			case p.group != group:
				continue
			case p.all() < smallPart:
				rest.add(p)
				smaller++
			default:
				large = append(large, p)
			}
			sum.add(p)
		}
		line("**", sum)
		if group == groupNobody {
			continue
		}
		for _, p := range large {
			line("", p)
		}
		if rest.name = fmt.Sprintf("%d smaller ones", smaller); smaller > 0 {
			line("", rest)
		}
	}
	fmt.Fprintf(&s, "\nGo's own and the libraries take %s of %s. A program of 10 MB would leave %s for the project and all texts, which take %s.\n", mega(given), mega(size), mega(10e6-given), mega(size-given))
	return s.String()
}
