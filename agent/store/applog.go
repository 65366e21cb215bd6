package store

import (
	"errors"
	"fmt"
	"io/fs"
)

// appendLog writes small.log. The zero appendLog is closed. Its methods are
// called by one goroutine at a time.
type appendLog struct {
	disk     disk
	file     file // nil: the next write makes the file anew
	size     int  // of the file
	live     int  // bytes that a compacted file would have
	unforced int  // bytes at the file's end that are not forced to the disk yet
	damaged  bool // the file that is there is to be moved aside
}

// open reads the log and makes it ready for writing. failure is an error of
// writing: the records are good, and the next write tries again.
func (l *appendLog) open(d disk, damages *[]Damage) (small map[string][]byte, failure, err error) {
	l.disk = d
	if err := settle(d, smallFile, maxSmallFile, func(b []byte) bool { return replaySmall(b).whole() }); err != nil {
		return nil, nil, err
	}
	content, err := d.read(smallFile, maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		return make(map[string][]byte), nil, nil
	}
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, nil, err
	}
	r := replaySmall(content)
	if r.err = errors.Join(err, r.err); r.err != nil {
		l.damaged = true
		aside, failure := l.compact(r.small)
		*damages = append(*damages, Damage{File: smallFile, Aside: aside, Kept: len(r.small), Err: r.err})
		return r.small, failure, nil
	}
	if !r.whole() {
		return r.small, nil, nil // the next write makes it anew
	}
	l.size, l.live = len(content), len(encodeSmall(r.small))
	f, err := d.extend(smallFile)
	switch {
	case readOnly(err):
		return r.small, err, nil
	case err != nil:
		return nil, nil, err
	}
	l.file = f
	return r.small, nil, nil
}

// write appends the records of change; after returns all records after it. When it fails the
// file may have any part of change, and the next write makes it anew. What is to be forced
// is on disk when write returns, with all that was written before; a page is forced anyway,
// since a disk may keep a later page and lose an earlier one, which is damage.
func (l *appendLog) write(change map[string][]byte, after func() map[string][]byte, force bool) error {
	var b []byte
	for key, value := range change {
		b = appendSmall(b, key, value)
	}
	if l.file == nil || l.size+len(b) > max(compactFrom, 4*l.live) {
		_, err := l.compact(after())
		return err
	}
	var err error
	if len(b) > 0 {
		_, err = l.file.Write(b)
	}
	l.unforced += len(b)
	forced := force || l.unforced >= pageSize
	if err == nil && forced {
		err = l.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", smallFile, err), l.close())
	}
	l.size += len(b)
	if forced {
		l.unforced = 0
	}
	return nil
}

// compact writes the whole log anew. A damaged file is moved aside.
func (l *appendLog) compact(small map[string][]byte) (aside string, err error) {
	content := encodeSmall(small)
	err = l.close()
	if err == nil {
		err = prepare(l.disk, smallFile, content)
	}
	if err == nil && l.damaged {
		aside, err = moveAside(l.disk, smallFile)
		l.damaged = err != nil
	}
	if err == nil {
		err = l.disk.rename(smallFile+newSuffix, smallFile)
	}
	if err == nil {
		l.file, err = l.disk.extend(smallFile)
	}
	if err != nil {
		return aside, fmt.Errorf("write %s: %w", smallFile, err)
	}
	l.size, l.live, l.unforced = len(content), len(content), 0
	return aside, nil
}

func (l *appendLog) close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
