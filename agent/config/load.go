package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The bounds of what is read.
const (
	maxFileSize = 1 << 20
	maxFiles    = 256
	maxKeyFile  = 32 << 10 // a chain of certificates in PEM
	maxProblems = 100      // told at once
)

// Options are what a configuration is read with besides its files.
type Options struct {
	// StateDir and Socket are flags; "" is the default.
	StateDir, Socket string

	// Drivers is the table of drivers by name: which keys each takes. nil checks
	// neither names nor keys.
	Drivers map[string]Driver

	// Overlay, when not nil, is taken in place of the overlay in the state directory.
	Overlay *string
}

// Driver says what a driver takes.
type Driver struct {
	Sensor, Actuator bool
	Shared           bool     // several sections can be parts of one I2C address
	Required         []string // keys, besides name and driver
	Optional         []string
}

// OverlayName is the file of the state directory that holds the committed
// overlay.
const OverlayName = "overlay.toml"

// Load reads a configuration. path names the main file; the folder agent.d
// beside it and the overlay in the state directory need not exist. All that is
// wrong is found at once: the error is then a Problems.
func Load(path string, opts Options) (*Config, error) {
	sources, err := readSources(path, opts)
	if err != nil {
		return nil, err
	}
	return build(sources, opts, readKeyFile)
}

// LoadFirmware reads of a configuration what the root helper goes by: Firmware, Device
// and Files. Neither keys are read nor the overlay, which the agent itself can write.
func LoadFirmware(path string) (*Config, error) {
	sources, problems := readFiles(path)
	if len(problems) > 0 {
		return nil, problems
	}
	var c checker
	root := c.merged(sources)
	b := builder{checker: c}
	b.device(root)
	b.firmware(root)
	for _, src := range sources {
		b.cfg.Files = append(b.cfg.Files, src.file)
	}
	if len(b.problems) > 0 {
		return nil, b.problems.inOrder(sources)
	}
	return &b.cfg, nil
}

// readSources reads the files and the overlay. The error is a Problems.
func readSources(path string, opts Options) ([]*source, error) {
	sources, problems := readFiles(path)
	overlay := filepath.Join(cmp.Or(opts.StateDir, DefaultStateDir), OverlayName)
	if opts.Overlay == nil {
		src, problem := readSource(overlay)
		if problem != nil {
			problems = append(problems, problem)
		}
		if src != nil {
			sources = append(sources, src)
		}
	} else if *opts.Overlay != "" {
		sources = append(sources, &source{file: overlay, text: *opts.Overlay})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return sources, nil
}

// build makes a configuration of its sources, the earliest first.
func build(sources []*source, opts Options, keys keyReader) (*Config, error) {
	var c checker
	return c.config(c.merged(sources), sources, opts, keys)
}

// merged returns what sources say together, the earliest first.
func (c *checker) merged(sources []*source) *node {
	root := &node{table: make(map[string]*node)}
	for _, src := range sources {
		if n := c.source(src); n != nil {
			merge(&schema, root, n)
		}
	}
	return root
}

// source returns what a source says, held against the schema; nil if it cannot be read.
func (c *checker) source(src *source) *node {
	n, problem := parse(src)
	src.text = "" // it may hold keys, and the nodes remember their source
	if problem != nil {
		c.problems = append(c.problems, problem)
		return nil
	}
	if src.fill != nil {
		c.problems = append(c.problems, src.fill(n)...)
	}
	c.table(&schema, n, "")
	return n
}

// config makes a configuration of what all sources together say.
func (c *checker) config(root *node, sources []*source, opts Options, keys keyReader) (*Config, error) {
	c.required(&schema, root, "")
	b := builder{checker: *c, opts: opts}
	b.readKey = func(file string) ([]byte, bool, error) {
		b.cfg.KeyFiles = append(b.cfg.KeyFiles, file)
		return keys(file)
	}
	cfg := b.config(root)
	cfg.StateDir = cmp.Or(opts.StateDir, DefaultStateDir)
	cfg.Socket = cmp.Or(opts.Socket, DefaultSocket)
	for _, src := range sources {
		cfg.Files = append(cfg.Files, src.file)
	}
	if len(b.problems) > 0 {
		return nil, b.problems.inOrder(sources)
	}
	return cfg, nil
}

// inOrder sorts problems by source and line and drops what is said twice.
func (ps Problems) inOrder(sources []*source) Problems {
	rank := make(map[string]int, len(sources))
	for i, src := range sources {
		rank[src.file] = i
	}
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Text, b.Text))
	})
	ps = slices.CompactFunc(ps, func(a, b *Problem) bool { return *a == *b })
	if n := len(ps) - maxProblems; n > 0 {
		ps = append(ps[:maxProblems:maxProblems], &Problem{File: ps[maxProblems].File, Line: ps[maxProblems].Line, Text: fmt.Sprintf("and %d more from here on", n)})
	}
	return ps
}

// readFiles reads the files that people edit, in order of precedence.
func readFiles(path string) ([]*source, Problems) {
	var (
		sources  []*source
		problems Problems
	)
	files := []string{path}
	folder := filepath.Join(filepath.Dir(path), "agent.d")
	if filepath.Dir(path) == "/etc/config" {
		folder = filepath.Join(uciBase, "agent.d")
	}
	entries, err := os.ReadDir(folder) // in lexical order
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		problems = append(problems, &Problem{File: folder, Text: "cannot be read: " + reason(err)})
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".") {
			files = append(files, filepath.Join(folder, name))
		}
	}
	if len(files) > maxFiles {
		return nil, append(problems, &Problem{File: folder, Text: "has more than 256 files; put some together"})
	}
	for i, file := range files {
		src, problem := readSource(file)
		switch {
		case problem != nil:
			problems = append(problems, problem)
		case src != nil:
			sources = append(sources, src)
		case i == 0:
			problems = append(problems, &Problem{File: file, Text: `there is no such file; -config FILE names another, "lwm2m-agent scan" prints lines to begin with`})
		}
	}
	return sources, problems
}

// readSource returns nil for a file that is not there.
func readSource(file string) (*source, *Problem) {
	text, mode, err := readBounded(file, maxFileSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Problem{File: file, Text: "cannot be read: " + reason(err)}
	}
	return &source{file: file, text: string(text), open: mode&0o007 != 0, uci: isUCI(file, string(text))}, nil
}

var (
	errTooLong    = errors.New("is longer than it may be")
	errNotRegular = errors.New("is not a regular file")
	errGrows      = errors.New("grows while it is read")
)

// readBounded reads a regular file of at most most bytes.
func readBounded(file string, most int64) (text []byte, mode fs.FileMode, err error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would be waited for
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errNotRegular
	}
	if info.Size() > most {
		return nil, 0, errTooLong
	}
	text = make([]byte, info.Size()+1) // at once: it may be a key, and what grows leaves copies behind
	n, err := io.ReadFull(f, text)
	if err == nil {
		clear(text)
		return nil, 0, errGrows
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return text[:n], info.Mode().Perm(), err
}

// reason is an error without the path that the problem names already.
func reason(err error) string {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err.Error()
	}
	return err.Error()
}

// driverNames lists the drivers that fit, in order of name.
func driverNames(drivers map[string]Driver, fits func(Driver) bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(drivers)) {
		if fits(drivers[name]) {
			names = append(names, name)
		}
	}
	return names
}

// Validate checks a text as a configuration of its own, before it is written to a file.
// The error is a Problems.
func Validate(file, text string) error {
	_, err := build([]*source{{file: file, text: text}}, Options{}, readKeyFile)
	return err
}
