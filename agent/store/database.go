package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

const (
	databaseFile = "state.db"
	maxDatabase  = 16 << 20 // bytes of the file
	maxPages     = maxDatabase / pageSize
)

// database writes state.db. The zero database is closed. Its methods are called
// by one goroutine at a time.
type database struct {
	disk disk
	bolt *bbolt.DB // nil: the next write inspects and opens the file again
	mark []byte    // that a file which is written anew goes on with; nil: nobody has asked for it
}

// open reads all records and makes the file ready for writing. failure is an
// error of writing: the records are good, and the next write tries again.
func (d *database) open(on disk, damages *[]Damage) (r records, failure, err error) {
	d.disk = on
	if err := settle(on, databaseFile, maxDatabase, func(b []byte) bool { return inspect(b).err == nil }); err != nil {
		return nil, nil, err
	}
	content, err := on.read(databaseFile, maxDatabase)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(content) == 0 {
		r = records{own: {layoutKey: []byte(layout)}}
		return r, d.rebuild(r), nil
	}
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, nil, err
	}
	found := inspect(content)
	if err := checkLayout(found.records); err != nil {
		return nil, nil, err
	}
	if found.err = errors.Join(err, found.err); found.err == nil {
		err = d.openBolt(databaseFile)
		switch {
		case readOnly(err):
			return found.records, err, nil
		case err == nil || notDamage(err):
			return found.records, nil, err
		}
		found.err = err
	}
	found.records.set(own, layoutKey, []byte(layout))
	aside, failure := d.rescue(found.records)
	*damages = append(*damages, Damage{File: databaseFile, Aside: aside, Kept: found.records.count(), Err: found.err})
	return found.records, failure, nil
}

// notDamage reports whether an error of opening a file that was read a moment ago
// says nothing about its content.
func notDamage(err error) bool {
	var system *fs.PathError
	return errors.As(err, &system)
}

// rebuild writes the whole database anew and puts it in place of what is there.
func (d *database) rebuild(r records) error {
	if err := d.prepare(r); err != nil {
		return err
	}
	return d.take()
}

// rescue is rebuild for a damaged file, which it moves aside.
func (d *database) rescue(r records) (aside string, err error) {
	if err := d.prepare(r); err != nil {
		return "", err
	}
	aside, err = moveAside(d.disk, databaseFile)
	if err != nil {
		return "", fmt.Errorf("move the damaged %s aside: %w", databaseFile, err)
	}
	return aside, d.take()
}

// prepare writes a database with these records beside the one that is there. It adds to them whose heir it is.
func (d *database) prepare(r records) error {
	const next = databaseFile + newSuffix
	err := errors.Join(d.close(), d.disk.remove(next), d.openBolt(next))
	if err == nil {
		d.bequeath(r, next)
		err = d.put(r, r)
	}
	if err = errors.Join(err, d.close()); err != nil {
		return fmt.Errorf("write %s: %w", next, errors.Join(err, d.disk.remove(next)))
	}
	return nil
}

// take puts what was prepared in place.
func (d *database) take() error {
	if err := d.disk.rename(databaseFile+newSuffix, databaseFile); err != nil {
		return err
	}
	return d.openBolt(databaseFile)
}

// openBolt opens a database file that is not there, or was inspected. bbolt
// reports some of what it does not like by panics.
func (d *database) openBolt(name string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			d.bolt, err = nil, fmt.Errorf("open %s: %v", name, r)
		}
	}()
	d.bolt, err = bbolt.Open(d.disk.path(name), 0o600, &bbolt.Options{
		PageSize: pageSize,
		MaxSize:  maxDatabase,
		// Without a list of free pages on disk, which bbolt can tell by itself, a
		// commit writes one page less and there is one thing less to be damaged.
		NoFreelistSync: true,
		NoStatistics:   true,
		Timeout:        time.Second, // the folder's lock is ours, so this one is free
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag|unix.O_NOFOLLOW, perm)
		},
	})
	return err
}

// put writes records, nil ones being removed, in one commit; after is all records
// after it.
func (d *database) put(change, after records) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("commit: %v", r)
		}
	}()
	return d.bolt.Update(func(tx *bbolt.Tx) error {
		for name, bucket := range change {
			b, err := tx.CreateBucketIfNotExists([]byte(name))
			if err != nil {
				return err
			}
			for key, record := range bucket {
				if err := putRecord(b, key, record); err != nil {
					return err
				}
			}
		}
		b, err := tx.CreateBucketIfNotExists([]byte(own))
		if err != nil {
			return err
		}
		return putRecord(b, digestKey, after.digest(uint64(tx.ID()))) //nolint:gosec // never negative
	})
}

func putRecord(b *bbolt.Bucket, key string, record []byte) error {
	if record == nil {
		return b.Delete([]byte(key))
	}
	return b.Put([]byte(key), seal(key, record))
}

// write puts change on disk; before and after are all records around it. When it
// fails, whether the commit reached the disk is not known: the next write looks.
func (d *database) write(change, before, after records) error {
	if d.bolt == nil {
		if err := d.reopen(before, after); err != nil {
			return err
		}
	}
	if err := d.put(change, after); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", databaseFile, err), d.close())
	}
	return nil
}

// reopen opens the file after a failure, if it holds what it should, and
// otherwise writes it anew.
func (d *database) reopen(before, after records) error {
	content, err := d.disk.read(databaseFile, maxDatabase)
	if errors.Is(err, fs.ErrNotExist) {
		return d.rebuild(after)
	}
	if err != nil {
		return err
	}
	found := inspect(content)
	switch {
	case found.err != nil:
		_, err = d.rescue(after)
		return err
	case !reflect.DeepEqual(found.records, before):
		return d.rebuild(after)
	}
	return d.openBolt(databaseFile)
}

func (d *database) close() error {
	if d.bolt == nil {
		return nil
	}
	err := d.bolt.Close()
	d.bolt = nil
	return err
}
