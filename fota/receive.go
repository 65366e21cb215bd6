package fota

import (
	"context"
	"errors"
)

// Reception is a package that is pushed. It is used by one goroutine.
type Reception struct {
	updater *Updater
	file    file
	look    *inspection
	serial  uint64
	have    int64  // bytes
	pending []byte // of them that are not written yet
	err     error  // that ended it
}

// Receive begins to take a package of a size in bytes, 0 if it is unknown, in
// place of one that is being received. The error may be a [Failure].
func (u *Updater) Receive(ctx context.Context, size int64) (*Reception, error) {
	r := &Reception{updater: u}
	if err := u.send(ctx, happening{event: pushBegun, size: size, reception: r}); err != nil {
		return nil, err
	}
	return r, r.err
}

// open empties the file for the package.
func (u *Updater) open(ctx context.Context, h *happening) error {
	u.have.Store(0)
	u.inspected.Swap(nil).stop() // it holds the former package's file, whose bytes are not free before
	f, err := u.area.create()
	if err == nil {
		if err = u.room(h.size); err != nil || h.reception == nil {
			_ = f.Close() // empty
		}
	}
	if err = storing(err); err != nil {
		if h.reception != nil {
			h.reception.err = err
		}
		return err
	}
	if h.reception != nil {
		h.reception.file, h.reception.serial = f, u.rec.Serial
		h.reception.look = u.inspect(ctx, u.rec.Serial, 0)
	}
	return nil
}

// Write takes the next bytes. An error, which may be a [Failure], ends the update.
func (r *Reception) Write(ctx context.Context, b []byte) error {
	if r.err != nil {
		return r.err
	}
	if !r.updater.receives(r.serial) {
		r.err = ErrNotNow
		return errors.Join(r.err, r.file.Close())
	}
	if r.err = r.write(b); r.err != nil {
		r.end(ctx, failureOf(r.err, UpdateFailed))
	}
	return r.err
}

func (r *Reception) write(b []byte) error {
	r.have += int64(len(b))
	if err := r.updater.within(r.have); err != nil {
		return err
	}
	r.updater.have.Store(r.have)
	if r.pending = append(r.pending, b...); len(r.pending) < writeSize {
		return nil
	}
	return r.flush()
}

// writeSize is what is written at least in one piece but for the end: blocks are smaller.
const writeSize = 32 << 10

func (r *Reception) flush() error {
	n, err := r.file.Write(r.pending)
	r.look.wrote(n)
	r.pending = r.pending[:0]
	return storing(err)
}

// receives reports whether the push with a number is still wanted.
func (u *Updater) receives(serial uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.rec.Phase == Receiving && u.rec.Serial == serial
}

// Close says that all has come; now has it installed as soon as it is verified.
func (r *Reception) Close(ctx context.Context, now bool) error {
	if r.err != nil {
		return r.err
	}
	r.err = ErrNotNow // any further use
	err := r.flush()
	if err == nil {
		r.look.end()
		err = finish(r.file)
	}
	if err != nil {
		r.end(ctx, failureOf(err, UpdateFailed))
		return err
	}
	return r.updater.send(ctx, happening{event: received, serial: r.serial, now: now})
}

// Abort says that the rest will not come; a nil cause, that another push follows.
func (r *Reception) Abort(ctx context.Context, cause error) {
	if r.err != nil {
		return
	}
	r.err = ErrNotNow
	if cause == nil {
		_ = r.file.Close() // what is in it is not wanted any more
		return
	}
	r.end(ctx, Failf(ConnectionLost, "the push ended before all had come: %v", cause))
}

// end ends the update. What cannot be recorded is tried again; if it does not come through at all, the next start does.
func (r *Reception) end(ctx context.Context, f *Failure) {
	_ = r.file.Close() // what is in it is not wanted any more
	_ = r.updater.send(ctx, happening{event: broke, serial: r.serial, failure: f})
}
