package fota

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"
)

// Fetcher downloads what lies at URIs of its scheme.
type Fetcher interface {
	// Fetch downloads what lies behind from.Offset, if it is still what from.Validator
	// names, and all of it otherwise. It calls begin once, with where the bytes that
	// follow belong, before the first of them. It sees to it that a peer that falls
	// silent is an error. An error that wraps [ErrRefused] ends the download; another
	// one is tried again.
	Fetch(ctx context.Context, uri *url.URL, from Position, to Body) error
}

// Position is a place in a representation.
type Position struct {
	Offset    int64
	Validator string // of the representation; "" if there is none to compare
}

// Body takes what a Fetcher gets, in order.
type Body interface {
	// Begin says where the next bytes belong: at the offset that was asked for, or at
	// 0; and the size of the whole, 0 if it is unknown.
	Begin(at Position, size int64) error
	io.Writer
	// Spent counts bytes that went over the network, both ways, as far as they are known.
	// Any goroutine may call it.
	Spent(n int)
}

// ErrRefused says that whoever has the package will not give it (HTTP 4xx, CoAP 4.xx).
var ErrRefused = errors.New("refused")

// How a download goes on after interruptions.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	maxDoublings = 9
	syncBytes    = 1 << 20     // the most that a cut costs
	syncTime     = time.Minute // likewise
	syncRest     = time.Second // likewise, on a fast connection: the least between two syncs
)

// download returns the job that fetches the package, from where the record is.
func (u *Updater) download(r record) func(context.Context, *job) happening {
	return func(ctx context.Context, j *job) happening {
		d := &transfer{pace: pace{rate: u.cfg.Rate}, updater: u, ctx: ctx, job: j, serial: r.Serial, avoid: r.Spoilt, at: Position{r.OnDisk, r.Validator}, size: r.Size, boot: r.Boot, origin: r.Source}
		d.spool = startSpool(d.store)
		err := d.run(ctx, r.URI)
		d.spool.close()
		if d.file != nil {
			err = errors.Join(err, d.file.Close())
		}
		if err != nil {
			f := failureOf(err, ConnectionLost)
			if errors.Is(err, ErrRefused) {
				f.Result = InvalidURI
			}
			return happening{event: broke, failure: f}
		}
		return happening{event: received}
	}
}

// transfer is a download in progress, all attempts together.
type transfer struct {
	pace
	updater *Updater
	ctx     context.Context //nolint:containedctx // of the job that it is
	job     *job
	serial  uint64
	spool   *spool
	file    file // that the spool writes
	look    *inspection
	sources *sources
	at      Position // behind what has come
	size    int64
	avoid   []string // see record.Spoilt
	origin  string   // of what has come: a mirror's URI, "" for the package's own
	boot    string   // in which the update began
	synced  int64
	noted   time.Time
	quarter int64 // of the package that has come, as it was told last
	begun   bool  // in this attempt
	heard   time.Time
	watch   *time.Timer // ends an attempt
}

// start opens the file, and finds where what lies at a URI is to be had.
func (d *transfer) start(text string) (err error) {
	if d.sources, err = d.updater.sourcesOf(text); err != nil {
		return err
	}
	d.sources.choose(d.origin)
	if !d.sources.avoid(d.avoid) { // other mirrors are configured than before
		return Failf(IntegrityFailure, "the package is bad wherever it is to be had")
	}
	return d.resume()
}

func (d *transfer) run(ctx context.Context, text string) error {
	if err := d.start(text); err != nil {
		return err
	}
	if d.size > 0 && d.at.Offset == d.size {
		return d.complete() // the power was cut after the last byte
	}
	d.heard = time.Now()
	for failures := 0; ; {
		if d.awaitLeave(ctx); ctx.Err() != nil {
			return ctx.Err()
		}
		before := d.at.Offset
		d.begun = false
		err := d.attempt(ctx, d.sources.current())
		if err == nil || d.size > 0 && d.at.Offset == d.size {
			return d.complete()
		}
		if d.sources.now > 0 && errors.Is(err, ErrRefused) && ctx.Err() == nil { // only the package's own URI can end the download
			d.updater.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "a mirror does not have the firmware package", d.about(err)...)
			if d.sources.drop(); d.sources.current().refused {
				return Failf(IntegrityFailure, "the package is bad at %s, and nowhere else to be had", redacted(d.avoid[0]))
			}
			continue
		}
		if _, verdict := errors.AsType[*Failure](err); verdict || errors.Is(err, ErrRefused) || ctx.Err() != nil {
			return err
		}
		brought := d.at.Offset > before
		if failures++; brought {
			failures = 1
		}
		if d.mustWait() { // that is no failure
			if err := d.sync(); err != nil {
				return err
			}
			continue
		}
		patience := d.updater.cfg.Patience
		if time.Since(d.heard) >= patience {
			return fmt.Errorf("fetch the package, given up after %s without a byte: %w", patience, err)
		}
		if d.sources.failed(brought, d.at.Offset > 0) {
			d.updater.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the firmware package is looked for elsewhere", d.about(err)...)
		}
		if err := d.sync(); err != nil {
			return err
		}
		d.restUntilNext(ctx, min(firstPause<<min(failures-1, maxDoublings), longestPause, max(0, patience-time.Since(d.heard))), err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// awaitLeave waits until packages may come: for their hours, and for a budget. Patience does not run.
func (d *transfer) awaitLeave(ctx context.Context) {
	u := d.updater
	for u.awaitHours(ctx, d.job, u.cfg.DownloadHours, ForDownloadHours) ||
		u.await(ctx, d.job, func() (Wait, bool) { return u.lacks(d.sources.current().uri) }) {
		d.heard = time.Now()
	}
}

// mustWait reports whether hours are over or a budget is used up.
func (d *transfer) mustWait() bool {
	_, lacks := d.updater.lacks(d.sources.current().uri)
	return lacks || d.updater.cfg.DownloadHours.until(d.updater.cfg.Now()) > 0
}

// about are the attributes of a message on what has become of a source.
func (d *transfer) about(why error) []slog.Attr {
	return []slog.Attr{slog.String("uri", d.sources.current().uri.Redacted()), slog.Any("error", why)}
}

// from returns where a source is asked to begin: behind what has come, if that is the source's own or it can show that it has the same bytes.
func (d *transfer) from(s *source) Position {
	if s.another || d.origin != d.sources.name() && !proves(d.at.Validator, d.size) {
		return Position{}
	}
	return d.at
}

// attempt fetches until the connection is lost, or nothing has come for too long.
func (d *transfer) attempt(ctx context.Context, s *source) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.watch = time.AfterFunc(d.updater.cfg.Patience-time.Since(d.heard), cancel)
	defer d.watch.Stop()
	if hours := d.updater.cfg.DownloadHours; hours != (Hours{}) {
		over := time.AfterFunc(hours.left(d.updater.cfg.Now()), cancel)
		defer over.Stop()
	}
	return s.fetcher.Fetch(ctx, s.uri, d.from(s), &attempt{d, d.updater.bounded(s.uri), cancel})
}

// resume opens the file where the journal says that it is whole. Unless the machine has booted
// since, the file is whole to its end.
func (d *transfer) resume() error {
	u := d.updater
	have, err := u.area.size()
	switch {
	case err == nil && have < d.at.Offset:
		d.at = Position{}
	case err == nil && d.boot != "" && d.boot == u.cfg.BootID && d.at.Validator != "":
		d.at.Offset = have
	}
	if err == nil {
		if d.file, err = u.area.extend(d.at.Offset); err == nil {
			d.look = u.inspect(d.ctx, d.serial, d.at.Offset)
		}
	}
	d.synced, d.noted = d.at.Offset, time.Now()
	u.have.Store(d.at.Offset)
	return storing(err)
}

// Begin is Body's.
func (d *transfer) Begin(at Position, size int64) error {
	u := d.updater
	if err := u.room(size); err != nil {
		return err
	}
	source, name := d.sources.current(), d.sources.name()
	if at.Offset > 0 && name != d.origin && size != d.size {
		source.another = true
		return fmt.Errorf("%s has %d bytes under the entity tag of what has come, not %d; it is fetched anew from there", source.uri.Redacted(), size, d.size)
	}
	d.begun = true
	if at.Offset == d.at.Offset && at.Validator == d.at.Validator && size == d.size && name == d.origin {
		return nil
	}
	if at.Offset != 0 && at.Offset != d.at.Offset {
		return fmt.Errorf("the answer begins at %d, not at %d", at.Offset, d.at.Offset)
	}
	if at.Offset != d.at.Offset {
		if err := d.spool.flush(d.file.Close); err != nil {
			return storing(err)
		}
		d.file = nil
		f, err := u.area.extend(0)
		if err != nil {
			return storing(err)
		}
		d.file, d.look = f, u.inspect(d.ctx, d.serial, 0)
		u.have.Store(0)
	}
	d.at, d.size, d.origin, source.another = at, size, name, false
	d.quarter = d.come()
	return d.sync() // the journal must not take new bytes for old ones
}

// Write implements Body.
func (d *transfer) Write(b []byte) (int, error) {
	if !d.begun {
		return 0, errors.New("bytes of the package before their place was said")
	}
	if d.size > 0 && d.at.Offset+int64(len(b)) > d.size {
		return 0, fmt.Errorf("the package is longer than the %d bytes that were announced", d.size)
	}
	have := d.at.Offset + int64(len(b))
	if err := d.updater.within(have); err != nil {
		return 0, err
	}
	if err := errors.Join(d.spool.put(b), d.look.refusal()); err != nil {
		return 0, err
	}
	d.updater.have.Store(have)
	d.at.Offset = have
	d.tell()
	d.updater.rest(d.ctx, d.took(len(b), time.Now()))
	d.heard = time.Now()
	d.watch.Reset(d.updater.cfg.Patience)
	if since := time.Since(d.noted); since > syncTime || since >= syncRest && d.at.Offset-d.synced >= syncBytes {
		d.spool.hand(part{then: d.record()})
	}
	return len(b), nil
}

// come returns how many quarters of the package have come, as far as its size is known.
func (d *transfer) come() int64 {
	if d.size == 0 {
		return 0
	}
	return d.at.Offset * 4 / d.size
}

// tell logs each quarter of the package, for whoever follows the agent's log, such as a server by object 20.
func (d *transfer) tell() {
	if q := d.come(); q > d.quarter && q < 4 {
		d.quarter = q
		d.updater.cfg.Log.LogAttrs(d.ctx, slog.LevelInfo, "a firmware package comes", slog.Int64("percent", 25*q), slog.Int64("bytes", d.at.Offset), slog.Int64("size", d.size))
	}
}

// store writes a part of the package to its file.
func (d *transfer) store(b []byte) error {
	n, err := d.file.Write(b)
	d.look.wrote(n)
	return storing(err)
}

// sync brings what has come to the disk, and then on record.
func (d *transfer) sync() error { return d.spool.flush(d.record()) }

// record returns what brings to the disk, and then on record, what has come so far.
func (d *transfer) record() func() error {
	d.synced, d.noted = d.at.Offset, time.Now()
	h := happening{event: progressed, onDisk: d.at.Offset, validator: d.at.Validator, size: d.size, source: d.origin, reply: make(chan error, 1), job: d.job}
	return func() error {
		if err := d.file.Sync(); err != nil {
			return storing(err)
		}
		select {
		case d.updater.inbox <- h:
		case <-d.ctx.Done():
			return d.ctx.Err()
		}
		select {
		case err := <-h.reply:
			return storing(err)
		case <-d.ctx.Done():
			return d.ctx.Err()
		}
	}
}

// complete brings the end to the disk.
func (d *transfer) complete() error {
	if d.size > 0 && d.at.Offset != d.size {
		return Failf(ConnectionLost, "the download ended at %d of %d bytes", d.at.Offset, d.size)
	}
	if err := d.spool.flush(nil); err != nil {
		return err
	}
	d.look.end()
	f := d.file
	d.file = nil
	return finish(f)
}
