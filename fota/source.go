package fota

import (
	"net/url"
	"slices"
	"strings"
)

// source is a place that a package is fetched from.
type source struct {
	uri     *url.URL
	fetcher Fetcher
	refused bool // it does not have the package, or a bad one
	another bool // what it has is not what has come: asked from the middle, it has shown that
}

// sources are the package's own URI and its mirrors, in the order in which they are asked.
type sources struct {
	list []source
	now  int
	idle int // attempts in a row that have brought nothing
}

// longestIdle is how often a source may bring nothing before the next one is asked, once a part of the package has come: who goes on elsewhere may have to
// begin anew.
const longestIdle = 3

// sourcesOf returns where what lies at a URI is to be had.
func (u *Updater) sourcesOf(text string) (*sources, error) {
	uri, err := url.Parse(text)
	if err != nil {
		return nil, Failf(InvalidURI, "%v", err)
	}
	fetcher := u.cfg.Fetchers[uri.Scheme]
	if fetcher == nil {
		return nil, Failf(UnsupportedProtocol, "packages are not fetched by %.20q", uri.Scheme)
	}
	s := &sources{list: []source{{uri: uri, fetcher: fetcher}}}
	for _, mirror := range u.cfg.Mirrors(uri) {
		if f := u.cfg.Fetchers[mirror.Scheme]; f != nil {
			s.list = append(s.list, source{uri: mirror, fetcher: f})
		}
	}
	return s, nil
}

func (s *sources) current() *source { return &s.list[s.now] }

// name returns the URI of the mirror in use, "" if it is the package's own.
func (s *sources) name() string {
	if s.now == 0 {
		return ""
	}
	return s.current().uri.String()
}

// choose goes on with the mirror of a name, if it still is one.
func (s *sources) choose(name string) {
	for i := range s.list {
		if i > 0 && s.list[i].uri.String() == name {
			s.now = i
		}
	}
}

// avoid leaves out the sources with these URIs, from which bad packages have come. It reports whether any is left.
func (s *sources) avoid(uris []string) bool {
	for i := range s.list {
		s.list[i].refused = s.list[i].refused || slices.Contains(uris, s.list[i].uri.String())
	}
	if s.current().refused {
		s.next()
	}
	return !s.current().refused
}

// from returns the URI that what is on disk has come from.
func (r *record) from() string {
	if uri, err := url.Parse(r.URI); err == nil && r.Source == "" {
		return uri.String() // as a server has written it, it may have spaces
	}
	return r.Source
}

// without returns the URIs to fetch the package without, when what is on disk is bad.
func (r *record) without() []string { return append(slices.Clone(r.Spoilt), r.from()) }

// elsewhere reports whether a package that has failed so is fetched anew from another source. What the package's own URI has is for this machine or not; what a mirror
// has may be no package at all.
func (u *Updater) elsewhere(r *record, f *Failure) bool {
	damaged := f.Result == IntegrityFailure || f.Result == UnsupportedPackage && r.Source != ""
	if !damaged || r.URI == "" || r.Phase != Fetching && r.Phase != Verifying {
		return false
	}
	if slices.Contains(r.Spoilt, r.from()) {
		return false // nothing has come since
	}
	s, err := u.sourcesOf(r.URI)
	return err == nil && s.avoid(r.without())
}

// redacted returns a URI without a password.
func redacted(text string) string {
	uri, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return uri.Redacted()
}

// failed says that the source in use has failed. It reports whether another one is asked next.
func (s *sources) failed(brought, some bool) bool {
	s.idle++
	if brought {
		s.idle = 0
	}
	if brought || some && s.idle < longestIdle {
		return false
	}
	return s.next()
}

// drop says that the mirror in use does not have the package. It is not asked again.
func (s *sources) drop() {
	s.current().refused = true
	s.next()
}

func (s *sources) next() bool {
	before := s.now
	s.idle = 0
	for range s.list {
		if s.now = (s.now + 1) % len(s.list); !s.current().refused {
			break
		}
	}
	return s.now != before
}

// proves reports whether a validator and a size can show that another server has the same bytes: a strong entity tag of HTTP in its quotes, or one of CoAP
// in hexadecimal that is long enough not to be a mere count. The time of a change shows nothing.
func proves(validator string, size int64) bool {
	const shortest = 2 * 4
	if size == 0 {
		return false
	}
	if strings.HasPrefix(validator, `"`) {
		return len(validator) > 2
	}
	return len(validator) >= shortest && strings.Trim(validator, "0123456789abcdef") == ""
}
