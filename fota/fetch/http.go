// Package fetch downloads packages by HTTP and HTTPS for fota.
//
// It knows HTTP. It must not know what a package is or where it is written.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/fota"
)

// Options are what an HTTP fetcher stands on. The zero value of a field is its
// default.
type Options struct {
	CAFile string           // certificates in PEM that https trusts; the system's
	Hosts  map[string]Host  // by name or address, in lower case; a host that is not there is shown nothing
	Now    func() time.Time // for the validity of certificates; time.Now
	Silent time.Duration    // how long the server may send nothing; a minute
}

// Host is what is peculiar to a host that https goes to.
type Host struct {
	Roots *x509.CertPool // that its certificate is judged by; nil: CAFile
	// Certificate returns what is shown to the host if it asks for a certificate; nil: nothing is.
	Certificate func() (*tls.Certificate, error)
}

// HTTP is a fota.Fetcher for http and https.
type HTTP struct {
	client http.Client
	silent time.Duration
}

var _ fota.Fetcher = (*HTTP)(nil)

// NewHTTP returns a fetcher.
func NewHTTP(opts Options) (*HTTP, error) {
	config := tls.Config{MinVersion: tls.VersionTLS12, Time: opts.Now}
	if opts.CAFile != "" {
		pem, err := os.ReadFile(opts.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificates for https: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in PEM", opts.CAFile)
		}
	}
	h := &HTTP{silent: opts.Silent}
	if h.silent == 0 {
		h.silent = time.Minute
	}
	h.client.Transport = newByHost(&config, opts.Hosts)
	h.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		r.Header.Del("Referer") // a query may be what opens the first host's door
		switch {
		case len(via) >= maxRedirects:
			return fmt.Errorf("%w: more than %d redirections", fota.ErrRefused, maxRedirects)
		case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
			return fmt.Errorf("%w: redirected from https to %.20q", fota.ErrRefused, r.URL.Scheme)
		}
		return nil
	}
	return h, nil
}

const maxRedirects = 5

var errSilent = errors.New("the server sends nothing")

// Fetch implements fota.Fetcher, with Range and If-Range (RFC 9110, sections 13.1.5
// and 14.2).
func (h *HTTP) Fetch(ctx context.Context, uri *url.URL, from fota.Position, to fota.Body) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx = withSpender(ctx, to.Spent)
	watch := time.AfterFunc(h.silent, func() { cancel(errSilent) })
	defer watch.Stop()
	err := h.fetch(ctx, uri, from, &watched{to, watch, h.silent})
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return fmt.Errorf("fetch %s: nothing for %s: %w", uri.Redacted(), h.silent, cause)
	}
	return err
}

// watched is a Body that winds up a timer whenever something comes.
type watched struct {
	fota.Body
	timer  *time.Timer
	silent time.Duration
}

func (w *watched) Write(b []byte) (int, error) {
	w.timer.Reset(w.silent)
	return w.Body.Write(b)
}

func (h *HTTP) fetch(ctx context.Context, uri *url.URL, from fota.Position, to fota.Body) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("%w: %w", fota.ErrRefused, err)
	}
	if from.Offset > 0 && from.Validator != "" {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", from.Offset))
		r.Header.Set("If-Range", from.Validator)
	}
	response, err := h.client.Do(r)
	if err != nil {
		if certificate(err) {
			return fmt.Errorf("%w: %w", fota.ErrRefused, err)
		}
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	// All has come, or it has changed.
	if response.StatusCode == http.StatusRequestedRangeNotSatisfiable && r.Header.Get("Range") != "" {
		return h.fetch(ctx, uri, fota.Position{}, to)
	}
	at, size, err := place(response, from)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", uri.Redacted(), err)
	}
	if err := to.Begin(at, size); err != nil {
		return err
	}
	_, err = io.Copy(struct{ io.Writer }{to}, response.Body)
	return err
}

// certificate reports whether an error says that the server is not who it should be,
// which no second attempt mends.
func certificate(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// place says where the bytes of an answer belong, and the size of the whole, 0 if
// it is unknown.
func place(r *http.Response, from fota.Position) (at fota.Position, size int64, err error) {
	at.Validator = validator(r.Header)
	switch {
	case r.StatusCode == http.StatusOK:
		return at, max(0, r.ContentLength), nil
	case r.StatusCode == http.StatusPartialContent && from.Offset > 0:
		start, size, ok := contentRange(r.Header.Get("Content-Range"))
		if !ok || start != from.Offset {
			return at, 0, fmt.Errorf("%w: the answer to a request for bytes from %d on has Content-Range %.60q", fota.ErrRefused, from.Offset, r.Header.Get("Content-Range"))
		}
		return from, size, nil
	case r.StatusCode == http.StatusRequestTimeout, r.StatusCode == http.StatusTooManyRequests, r.StatusCode >= http.StatusInternalServerError:
		return at, 0, fmt.Errorf("the server answers %.60s", r.Status)
	}
	return at, 0, fmt.Errorf("%w: the server answers %.60s", fota.ErrRefused, r.Status)
}

// maxValidator bounds what is kept of a header.
const maxValidator = 256

// validator returns what If-Range may compare: a strong entity tag, else the time
// of the last change.
func validator(h http.Header) string {
	v := h.Get("ETag")
	if v == "" || strings.HasPrefix(v, "W/") {
		v = h.Get("Last-Modified")
	}
	if len(v) > maxValidator {
		return ""
	}
	return v
}

// contentRange reads "bytes 5-9/10" (RFC 9110, section 14.4); the size may be "*".
func contentRange(s string) (start, size int64, ok bool) {
	rest, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, false
	}
	where, whole, ok := strings.Cut(rest, "/")
	first, _, ok2 := strings.Cut(where, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if !ok || !ok2 || err != nil || start < 0 {
		return 0, 0, false
	}
	if whole == "*" {
		return start, 0, true
	}
	size, err = strconv.ParseInt(whole, 10, 64)
	return start, size, err == nil && size > start
}
