package provision

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"lwm2m-agent/agent/config"
)

// FileName is the part of the configuration that Apply writes.
const FileName = "10-provisioned.toml"

// Apply makes what an Input wants, and writes the part of the configuration that uses
// it, last and at once: whenever the power goes, all of the former is in force or all of the new,
// and what the other one needed goes with the next run. What is there as it is wanted stays as it is. If
// something fails, what was made is taken back, but for keys in the TPM.
func (m *Maker) Apply(in *Input, folder string) (*Output, error) { return m.run(in, folder, false) }

// Add is Apply that leaves alone the accounts that the Input does not name.
func (m *Maker) Add(in *Input, folder string) (*Output, error) { return m.run(in, folder, true) }

func (m *Maker) run(in *Input, folder string, add bool) (*Output, error) {
	release, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	file := filepath.Join(folder, FileName)
	before, there, err := readRecord(file)
	if err != nil {
		return nil, err
	}
	if there && len(before.Accounts) == 0 && before.Endpoint == "" && !in.replaces() {
		return nil, fmt.Errorf("%s %w", file, ErrThere) // somebody else's
	}
	if err := m.tidy(folder, before); err != nil {
		return nil, fmt.Errorf("clean up after a run that was cut: %w", err)
	}
	m.made = nil
	out, err := m.apply(in, file, before, add)
	if err != nil {
		return nil, errors.Join(err, m.TakeBack(), m.noteDone())
	}
	return out, nil
}

func (in *Input) replaces() bool { return in.Force || in.Replace }

// lock keeps a second program out of the folder of keys, and makes it if it is not there.
func (m *Maker) lock() (release func(), err error) {
	if err := m.folder(filepath.Clean(m.Dir)); err != nil {
		return nil, err
	}
	d, err := os.Open(m.Dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is being provisioned by another program: %w", m.Dir, err), d.Close())
	}
	return func() { _ = d.Close() }, nil // only read
}

// apply does what is wanted in the order: notes what may be left over, makes keys, puts the file in
// its place, erases what is left over.
func (m *Maker) apply(in *Input, file string, before *record, add bool) (*Output, error) {
	now, todo, err := m.plan(in, before, add)
	if err != nil {
		return nil, err
	}
	text, err := before.text()
	if err != nil {
		return nil, err
	}
	if len(todo) > 0 {
		if err := m.note(before, todo); err != nil {
			return nil, err
		}
	}
	for _, t := range todo {
		a, err := m.account(now.Endpoint, t, in.replaces())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.title(), err)
		}
		now.put(a)
	}
	wanted, err := now.text()
	if err != nil {
		return nil, err
	}
	changed := wanted != text || !exists(file)
	if changed {
		if err := config.Validate(file, wanted); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOrder, err)
		}
		if err := m.folder(filepath.Dir(file)); err != nil {
			return nil, err
		}
		if err := m.save(file, []byte(wanted), publicMode, true); err != nil {
			return nil, err
		}
	}
	m.made = nil // in force: an error of now on takes nothing back
	if err := m.tidy(filepath.Dir(file), now); err != nil {
		return nil, fmt.Errorf("it is in force; erase what it replaced: %w", err)
	}
	return m.answer(in, now, file, changed)
}

// wanted is a server of an Input that needs work.
type wanted struct {
	*Server
	name   string // of its files
	digest string
	held   string // the private key that a certificate is for
}

func (w *wanted) title() string {
	if w.ShortServerID == 0 {
		return "bootstrap server"
	}
	return "server " + strconv.Itoa(w.ShortServerID)
}

// plan says what stays and what is to be done. It changes nothing.
func (m *Maker) plan(in *Input, before *record, add bool) (now *record, todo []*wanted, err error) {
	now = new(record)
	if add {
		now.Endpoint, now.Accounts = before.Endpoint, slices.Clone(before.Accounts)
	}
	if now.Endpoint, err = m.endpoint(in, now.Endpoint); err != nil {
		return nil, nil, err
	}
	if before.Endpoint != "" && now.Endpoint != before.Endpoint && !in.replaces() {
		return nil, nil, fmt.Errorf("the endpoint name %q %w", before.Endpoint, ErrThere)
	}
	servers, err := in.all()
	if err != nil {
		return nil, nil, err
	}
	for _, w := range servers {
		if w.digest, err = w.want(now.Endpoint); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", w.title(), err)
		}
		a := before.account(w.ShortServerID)
		if a != nil && !in.replaces() && !a.waits(w.Server) {
			if a.Want != w.digest {
				return nil, nil, fmt.Errorf("%s, another one, %w", w.title(), ErrThere)
			}
			if file := a.missing(); file != "" {
				return nil, nil, fmt.Errorf("%s was provisioned, but %s is gone; -replace makes all of it anew", w.title(), file)
			}
			now.put(a)
			continue
		}
		if a != nil && a.Credential != nil && w.Certificate != "" && w.PrivateKey == "" && w.TPM == "" {
			w.held = a.Credential.Key
		}
		w.name = m.fresh(w.Server)
		todo = append(todo, w)
	}
	for i := range before.Accounts {
		if id := before.Accounts[i].ShortServerID; !add && !in.replaces() && !slices.ContainsFunc(servers, func(w *wanted) bool { return w.ShortServerID == id }) {
			w := wanted{Server: &Server{ShortServerID: id}}
			return nil, nil, fmt.Errorf("%s, which is not wanted, %w", w.title(), ErrThere)
		}
	}
	return now, todo, nil
}

// all returns the servers of an Input, the bootstrap server last.
func (in *Input) all() ([]*wanted, error) {
	out := make([]*wanted, 0, len(in.Servers)+1)
	for i := range in.Servers {
		s := &in.Servers[i]
		if s.ShortServerID < 1 || s.ShortServerID > 65534 {
			return nil, fmt.Errorf("%w: server %d: its short_server_id is not one of 1 to 65534", ErrOrder, i+1)
		}
		if slices.ContainsFunc(out, func(w *wanted) bool { return w.ShortServerID == s.ShortServerID }) {
			return nil, fmt.Errorf("%w: there are two servers %d", ErrOrder, s.ShortServerID)
		}
		out = append(out, &wanted{Server: s})
	}
	if b := in.Bootstrap; b != nil {
		if b.ShortServerID != 0 {
			return nil, fmt.Errorf("%w: a bootstrap server has no short_server_id", ErrOrder)
		}
		out = append(out, &wanted{Server: b})
	}
	return out, nil
}

// fresh returns a name for the files of a server that none of them has: those of the former ones stay
// as they are until the new ones are in force.
func (m *Maker) fresh(s *Server) string {
	name := "bootstrap"
	if s.ShortServerID != 0 {
		name = "server-" + strconv.Itoa(s.ShortServerID)
	}
	free := func(name string) bool { return !slices.ContainsFunc(m.filesOf(name), exists) }
	if free(name) {
		return name
	}
	n := 2
	for !free(name + "-" + strconv.Itoa(n)) {
		n++
	}
	return name + "-" + strconv.Itoa(n)
}

// The ends of the names of what a server has.
const (
	endServerPublic      = ".server" + endPublic
	endServerCertificate = ".server" + endCertificate
)

// filesOf returns the files that can be of one name.
func (m *Maker) filesOf(name string) []string {
	ends := []string{endPSK, endSealed, endPrivate, endPublic, endRequest, endCertificate, endServerPublic, endServerCertificate}
	for i, end := range ends {
		ends[i] = filepath.Join(m.Dir, name+end)
	}
	return ends
}

// account makes the credential of a server, and the lines of its section.
func (m *Maker) account(endpoint string, w *wanted, force bool) (*account, error) {
	s := w.Server
	a := Account{ShortServerID: s.ShortServerID, URI: s.URI, Lifetime: s.Lifetime, HoldOff: s.HoldOff, CertificateUsage: s.CertificateUsage}
	out := &account{ShortServerID: s.ShortServerID, URI: s.URI, Want: w.digest}
	if s.Security == "none" {
		out.Lines = a.Lines(nil)
		return out, nil
	}
	o, err := s.order(endpoint, w.name, force)
	if err != nil {
		return nil, err
	}
	o.held, o.Reveal = w.held, false // what is told is read when the answer is made
	c, err := m.make(o)
	if err != nil {
		return nil, err
	}
	for _, public := range []struct {
		text, end string
		to        *string
	}{{s.ServerPublicKey, endServerPublic, &a.ServerPublicKey}, {s.ServerCertificate, endServerCertificate, &a.ServerCertificate}} {
		if public.text == "" {
			continue
		}
		*public.to = m.file(o, public.end)
		if err := m.write(c, *public.to, []byte(public.text), true, false); err != nil {
			return nil, err
		}
	}
	out.Lines, out.Credential, out.Files = a.Lines(c), c, slices.Clone(c.Files)
	if w.held != "" && filepath.IsAbs(w.held) {
		out.Files = append(out.Files, w.held)
	}
	if c.Kind == X509 && c.Certificate == "" { // comes with a second Input, once the authority has answered
		out.Lines = "#" + strings.ReplaceAll(strings.TrimSuffix(out.Lines, "\n"), "\n", "\n#") + "\n"
	}
	return out, nil
}

// noteFile lists the files that may be left over if the power goes: those that are about to be made,
// and those that the former accounts needed.
const noteFile = ".provision"

func (m *Maker) note(before *record, todo []*wanted) error {
	var names []string
	for i := range before.Accounts {
		for _, file := range before.Accounts[i].Files {
			names = append(names, filepath.Base(file))
		}
	}
	for _, w := range todo {
		for _, file := range m.filesOf(w.name) {
			names = append(names, filepath.Base(file))
		}
	}
	content, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return m.save(filepath.Join(m.Dir, noteFile), content, secretMode, true)
}

// noteDone removes the list: nothing is left over.
func (m *Maker) noteDone() error {
	name := filepath.Join(m.Dir, noteFile)
	if !exists(name) {
		return nil
	}
	if err := m.next(); err != nil {
		return err
	}
	if err := os.Remove(name); err != nil {
		return err
	}
	return syncFolder(m.Dir)
}

// tidy erases what is left over: what the list names and no section needs, and what was not written to
// its end.
func (m *Maker) tidy(folder string, r *record) error {
	if err := errors.Join(m.eraseTorn(m.Dir), m.eraseTorn(folder)); err != nil {
		return err
	}
	content, err := readKey(filepath.Join(m.Dir, noteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(content, &names)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(m.Dir, noteFile), err)
	}
	for _, name := range names {
		file := filepath.Join(m.Dir, filepath.Base(name))
		if exists(file) && !r.needs(file) {
			if err := m.erase(file); err != nil {
				return err
			}
		}
	}
	return m.noteDone()
}

// answer tells what is in force.
func (m *Maker) answer(in *Input, now *record, file string, changed bool) (*Output, error) {
	out := &Output{Endpoint: now.Endpoint, File: file, Changed: changed}
	servers, err := in.all()
	if err != nil {
		return nil, err
	}
	for _, w := range servers {
		var c *Credential
		if made := now.account(w.ShortServerID).Credential; made != nil {
			told := *made
			c = &told
		}
		if w.Reveal && c != nil && c.Kind == PSK {
			if c.Secret, err = m.secretOf(c); err != nil {
				return nil, err
			}
		}
		if w.ShortServerID == 0 {
			out.Bootstrap = c
			continue
		}
		out.Servers = append(out.Servers, Provisioned{w.ShortServerID, c})
	}
	if in.Label {
		out.Label, err = m.label(now)
	}
	return out, err
}

// endpoint returns the name that an Input wants, with what the machine fills in; former is that of
// before.
func (m *Maker) endpoint(in *Input, former string) (string, error) {
	name := cmp.Or(in.Endpoint, former)
	certified := slices.ContainsFunc(in.Servers, func(s Server) bool { return s.Security == string(X509) }) ||
		in.Bootstrap != nil && in.Bootstrap.Security == string(X509)
	if name == "" && certified {
		name = m.Names["endpoint"] // it is in the certificate, so it may not change any more
	}
	return m.Expand(name)
}

// Expand fills in {serial}, {mac} and {machine-id}.
func (m *Maker) Expand(pattern string) (string, error) {
	for _, what := range [...]string{"serial", "mac", "machine-id"} {
		place := "{" + what + "}"
		if !strings.Contains(pattern, place) {
			continue
		}
		if m.Names[what] == "" {
			return "", fmt.Errorf("%w: the endpoint name %q needs what this machine does not have; give the name itself", ErrOrder, pattern)
		}
		pattern = strings.ReplaceAll(pattern, place, m.Names[what])
	}
	if strings.ContainsAny(pattern, "{}") {
		return "", fmt.Errorf("%w: the endpoint name %q has a place for something unknown; there are {serial}, {mac}, {machine-id}", ErrOrder, pattern)
	}
	return pattern, nil
}
