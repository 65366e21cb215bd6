package config

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// CandidateName is what problems call the text of a candidate.
const CandidateName = "candidate"

// MaxCandidate bounds the text of a candidate, in bytes.
const MaxCandidate = 64 << 10

// Files are where a configuration is read from, beside the overlay.
type Files struct {
	Path    string // of the main file
	Options Options
}

// Layout is a whole configuration, as text too.
type Layout struct {
	Config  *Config
	Checked *Config  // the same, whose problems have the lines of the candidate
	Overlay string   // what an overlay says beyond the files, with its secrets
	Shown   string   // all of it, without comments and defaults, secrets as ***
	Changes []string // what would change, in words, without secrets
	Restart []string // the sections among these that are read at the start only

	atStart *node // of Read: what is read at the start only

	ServersChange bool // an account of a server that there is would change or go, or what it is reached over
}

// Read returns the configuration with an overlay, which changes nothing. The error is a Problems.
func (f Files) Read(overlay string) (*Layout, error) {
	opts := f.Options
	opts.Overlay = &overlay
	sources, err := readSources(f.Path, opts)
	if err != nil {
		return nil, err
	}
	var c checker
	all := c.merged(sources)
	cfg, err := c.config(all, sources, opts, readKeyFile)
	if err != nil {
		return nil, err
	}
	return &Layout{Config: cfg, Checked: cfg, Overlay: overlay, Shown: render(&schema, all, false), atStart: startPart(all)}, nil
}

// AtStart returns what is different from an earlier configuration and is read at the start
// only: keys at the top and sections, in order. Both are of Read.
func (l *Layout) AtStart(earlier *Layout) []string {
	var difference Layout
	c := comparison{layout: &difference}
	c.compare(&schema, "", "", earlier.atStart, l.atStart)
	slices.Sort(difference.Restart)
	return slices.Compact(difference.Restart)
}

// startPart returns the keys and sections that are read at the start only. Keys of servers are
// not kept with them.
func startPart(n *node) *node {
	part := &node{table: make(map[string]*node)}
	for _, name := range startOnly {
		if c := n.at(name); c != nil {
			part.table[name] = c
		}
	}
	return part
}

// Draft returns the configuration with a candidate in place of the overlay in force. A
// candidate is part or whole of a configuration; what it says as the files say it is no
// part of the overlay that it comes to. "***" stands for the secret that is there in its
// place. Endpoint, bootstrap account and device keys cannot be changed by it. A remote
// candidate may set what remotely lists, but nothing that interlocks rest on; what else the
// overlay has, stays. The error is a Problems, whose lines are those of the candidate.
func (f Files) Draft(candidate, overlay string, remote bool) (*Layout, error) {
	d, err := f.drafter(overlay)
	if err != nil {
		return nil, err
	}
	src := &source{file: CandidateName, text: candidate, base: filepath.Dir(f.folder()), fill: d.fill}
	if len(candidate) > MaxCandidate {
		return nil, Problems{{File: CandidateName, Text: fmt.Sprintf("has %d bytes, at most %d", len(candidate), MaxCandidate)}}
	}
	var c checker
	n := c.source(src)
	if len(c.problems) > 0 {
		return nil, c.problems.inOrder([]*source{src})
	}
	var problems Problems
	if remote {
		if problems = d.forbidden(&schema, "", "", n, d.active); len(problems) > 0 {
			return nil, problems.inOrder([]*source{src}) // and no more: what else is found depends on secrets
		}
		d.keep(&schema, "", n, d.old)
	}
	rest := prune(&schema, n, d.base)
	all := d.merged(rest)
	problems = append(problems, d.identity(all)...)
	if remote {
		problems = append(problems, d.interlocked(all)...)
	}
	sources := slices.Concat(d.sources, []*source{src})
	if len(problems) > 0 {
		return nil, problems.inOrder(sources)
	}
	// With the candidate's own nodes, so that problems have its lines.
	cfg, err := new(checker).config(all, sources, d.files.Options, readKeyFile)
	if err != nil {
		return nil, err
	}
	if remote && len(cfg.Servers) == 0 {
		return nil, Problems{{File: CandidateName, Text: "no [[server]] would be left"}}
	}
	l, err := d.layout(rest)
	if l != nil {
		l.Checked = cfg
	}
	return l, err
}

// DraftAPN returns the configuration with another APN of a modem and all else as it is. The error is
// a Problems.
func (f Files) DraftAPN(modem, apn, overlay string) (*Layout, error) {
	if _, ok := accessPoint.read(apn); !ok {
		return nil, Problems{{File: CandidateName, Text: fmt.Sprintf("%.120q is not valid; allowed: %s", apn, accessPoint.words)}}
	}
	d, err := f.drafter(overlay)
	if err != nil {
		return nil, err
	}
	list := d.old.table["modem"]
	if list == nil {
		list = &node{}
		d.old.table["modem"] = list
	}
	e := list.element(&modemSection, modem)
	if e == nil {
		e = &node{table: map[string]*node{modemSection.identity: {value: modem, raw: modem}}}
		list.list = append(list.list, e)
	}
	e.table["apn"] = &node{value: apn, raw: apn}
	return d.layout(prune(&schema, d.old, d.base))
}

func (f Files) folder() string {
	path, err := filepath.Abs(f.Path)
	if err != nil {
		path = f.Path
	}
	if filepath.Dir(path) == "/etc/config" {
		return filepath.Join(uciBase, filepath.Base(path))
	}
	return path
}

// drafter holds a candidate against what there is.
type drafter struct {
	files   Files
	sources []*source
	base    *node            // what the files say
	old     *node            // what the overlay in force says
	active  *node            // both
	guarded map[element]bool // what interlocks of active rest on
}

func (f Files) drafter(overlay string) (*drafter, error) {
	sources, problems := readFiles(f.Path)
	if len(problems) > 0 {
		return nil, problems
	}
	var c checker
	d := &drafter{files: f, sources: sources, base: c.merged(sources)}
	src := &source{file: filepath.Join(orDefault(f.Options.StateDir), OverlayName), text: overlay}
	if d.old = c.source(src); d.old == nil {
		d.old = &node{table: make(map[string]*node)}
	}
	if len(c.problems) > 0 {
		return nil, c.problems.inOrder(d.sources)
	}
	d.active = d.merged(d.old)
	d.guarded = guarded(d.active)
	return d, nil
}

func orDefault(stateDir string) string {
	if stateDir == "" {
		return DefaultStateDir
	}
	return stateDir
}

// merged returns what the files say with an overlay over it. The nodes of the files are not
// altered.
func (d *drafter) merged(over *node) *node {
	root := d.base.clone()
	merge(&schema, root, over.clone())
	return root
}

// clone copies tables and lists; values are shared.
func (n *node) clone() *node {
	c := *n
	if n.table != nil {
		c.table = make(map[string]*node, len(n.table))
		for name, child := range n.table {
			c.table[name] = child.clone()
		}
	}
	if n.list != nil {
		c.list = make([]*node, len(n.list))
		for i, child := range n.list {
			c.list[i] = child.clone()
		}
	}
	return &c
}

// layout makes the configuration of an overlay, from its text, as the next start would.
func (d *drafter) layout(overlay *node) (*Layout, error) {
	l := &Layout{Overlay: render(&schema, overlay, true)}
	opts := d.files.Options
	opts.Overlay = &l.Overlay
	cfg, err := Load(d.files.Path, opts)
	if err != nil {
		return nil, err
	}
	all := d.merged(overlay)
	l.Config, l.Checked, l.Shown = cfg, cfg, render(&schema, all, false)
	c := comparison{layout: l}
	c.compare(&schema, "", "", d.active, all)
	slices.Sort(l.Restart)
	l.Restart = slices.Compact(l.Restart)
	return l, nil
}

// element returns the element of a list that has an identity, nil if there is none.
func (n *node) element(s *section, id any) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.list {
		if c := e.table[s.identity]; c != nil && reflect.DeepEqual(c.value, id) {
			return e
		}
	}
	return nil
}

// at returns what a table has under a name; a nil table has nothing.
func (n *node) at(name string) *node {
	if n == nil {
		return nil
	}
	return n.table[name]
}

// prune returns what a table says that the base does not say.
func prune(s *section, n, base *node) *node {
	rest := &node{source: n.source, line: n.line, table: make(map[string]*node)}
	for name, c := range n.table {
		b := base.at(name)
		if k := s.key(name); k != nil {
			if b == nil || !same(k, c, b) {
				rest.table[name] = c
			}
			continue
		}
		sub := s.section(name)
		if sub.identity == "" {
			if r := prune(sub, c, b); len(r.table) > 0 || b == nil {
				rest.table[name] = r
			}
			continue
		}
		list := &node{source: c.source, line: c.line}
		for _, e := range c.list {
			known := b.element(sub, e.table[sub.identity].value)
			r := prune(sub, e, known)
			if known == nil || len(r.table) > 0 {
				r.table[sub.identity] = e.table[sub.identity]
				list.list = append(list.list, r)
			}
		}
		if len(list.list) > 0 {
			rest.table[name] = list
		}
	}
	return rest
}

// fill puts the secrets that are in force in place of ***.
func (d *drafter) fill(n *node) Problems {
	var problems Problems
	d.fillTable(&schema, n, d.active, "", &problems)
	return problems
}

func (d *drafter) fillTable(s *section, n, active *node, outer string, problems *Problems) {
	title := within(outer, s.title(n))
	for name, c := range n.table {
		k := s.key(name)
		if k != nil && k.secret && c.value == erased {
			*problems = append(*problems, c.problem(within(title, name), "the secret that stood here is out of use and was erased"))
			delete(n.table, name)
			continue
		}
		if k != nil && k.secret && c.value == redacted {
			held, _ := valueOf(active, name).(Secret)
			if held.IsZero() {
				*problems = append(*problems, c.problem(within(title, name), `"***" stands for the secret that is in force here, and there is none`))
				delete(n.table, name)
				continue
			}
			c.value, c.filled = k.reveal(held), true
		}
		sub := s.section(name)
		if sub == nil {
			continue
		}
		if sub.identity == "" && c.isTable() {
			d.fillTable(sub, c, active.at(name), title, problems)
		}
		for _, e := range c.list {
			d.fillTable(sub, e, active.at(name).element(sub, valueOf(e, sub.identity)), title, problems)
		}
	}
}

// valueOf returns the value of a key, nil if there is none.
func valueOf(n *node, name string) any {
	if c := n.at(name); c != nil {
		return c.value
	}
	return nil
}

// identity finds changes of what the device is: that is no part of a transaction.
func (d *drafter) identity(all *node) Problems {
	var problems Problems
	refuse := func(s *section, title, name string, was, is *node) {
		k := s.key(name)
		if (was == nil) == (is == nil) && (was == nil || same(k, was, is)) {
			return
		}
		problems = append(problems, is.problem(within(title, name), "is identity, which stays as it is in a transaction; edit agent.toml and restart the agent"))
	}
	refuse(&schema, "", "endpoint", d.active.table["endpoint"], all.table["endpoint"])
	for _, name := range []string{"bootstrap", "tpm"} {
		sub := schema.section(name)
		for _, k := range sub.keys {
			refuse(sub, name, k.name, d.active.table[name].at(k.name), all.table[name].at(k.name))
		}
	}
	servers := schema.section("server")
	for _, s := range elements(all, "server") {
		was := d.active.table["server"].element(servers, valueOf(s, servers.identity))
		for _, name := range []string{"private_key_file", "certificate_file"} {
			if was.at(name) != nil {
				refuse(servers, servers.title(s), name, was.table[name], s.table[name])
			}
		}
	}
	return problems
}

// startOnly are the keys and sections that are read at the start only.
var startOnly = []string{"endpoint", "test_object", "object_folder", "device", "location", "event_log", "modem", "tpm", "firmware", "lock_and_wipe", "metrics", "page"}

// comparison tells what is different.
type comparison struct{ layout *Layout }

func (c *comparison) add(top, what string) {
	l := c.layout
	l.Changes = append(l.Changes, what)
	if slices.Contains(startOnly, top) {
		l.Restart = append(l.Restart, top)
	}
}

// compare tells what is different in a section; top is the one at the top that it is in, "" for
// the top itself.
func (c *comparison) compare(s *section, top, outer string, was, is *node) {
	for i := range s.keys {
		k := &s.keys[i]
		a, b := was.at(k.name), is.at(k.name)
		if (a == nil) == (b == nil) && (a == nil || same(k, a, b)) {
			continue
		}
		c.changed(s, k, cmp.Or(top, k.name), outer, a, b)
	}
	for i := range s.sections {
		sub := &s.sections[i]
		a, b := was.at(sub.name), is.at(sub.name)
		if sub.identity == "" {
			c.compare(sub, cmp.Or(top, sub.name), within(outer, sub.name), a, b)
			continue
		}
		c.compareLists(sub, cmp.Or(top, sub.name), outer, a, b)
	}
}

func (c *comparison) compareLists(s *section, top, outer string, was, is *node) {
	if was != nil {
		for _, e := range was.list {
			if is.element(s, e.table[s.identity].value) == nil {
				c.add(top, within(outer, s.title(e))+": removed")
				c.layout.ServersChange = c.layout.ServersChange || s.name == "server"
			}
		}
	}
	if is == nil {
		return
	}
	for _, e := range is.list {
		title := within(outer, s.title(e))
		old := was.element(s, e.table[s.identity].value)
		if old == nil {
			c.add(top, title+": added")
			continue
		}
		c.compare(s, top, title, old, e)
	}
}

// changed tells of one key; secrets are not shown.
func (c *comparison) changed(s *section, k *key, top, title string, was, is *node) {
	var r renderer
	show := func(n *node) string {
		if n == nil {
			return "none"
		}
		return r.value(k, n)
	}
	apn := s.name == "modem" && k.name == "apn"
	if apn {
		top = "" // of a section that is read at the start, this is not
	}
	c.add(top, within(title, k.name)+": "+show(was)+" becomes "+show(is))
	if apn || s.name == "server" && !slices.Contains(apart, k.name) {
		c.layout.ServersChange = true
	}
}

// writable reports whether a path lies in one of the folders that are the agent's own, also
// when links are followed.
func writable(path string, folders ...string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false // it is not there, or nobody can tell
	}
	for _, folder := range folders {
		if f, err := filepath.EvalSymlinks(folder); err == nil && strings.HasPrefix(real, f+string(os.PathSeparator)) {
			return true
		}
	}
	return false
}

// Beyond says what an overlay changes of what the files say, in words, without secrets.
func (f Files) Beyond(overlay string) ([]string, error) {
	d, err := f.drafter(overlay)
	if err != nil {
		return nil, err
	}
	l := &Layout{}
	c := comparison{layout: l}
	c.compare(&schema, "", "", d.base, d.active)
	return l.Changes, nil
}
