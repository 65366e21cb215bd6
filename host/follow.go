package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// followBack is how much of the end of a file is handed over at first, in bytes.
const followBack = 8 << 10

// FollowFile hands over the last lines of a log file and each new line as it is
// written, until the context ends, which gives nil. The file may be cut, moved
// away and made anew, as logrotate(8) does it, and need not be there yet; its
// folder must. The kernel tells of changes (inotify); nothing is polled.
func FollowFile(ctx context.Context, name string, take func(line []byte)) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("follow %s: %w", name, err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer func() { _ = events.Close() }()
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(name), unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE_SELF|unix.IN_ONLYDIR); err != nil {
		return fmt.Errorf("follow %s: watch its folder: %w", name, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	t := &tail{name: name, take: take, back: followBack, watch: func() error {
		_, err := unix.InotifyAddWatch(fd, name, unix.IN_MODIFY|unix.IN_ATTRIB)
		return err
	}}
	defer t.close()
	buf := make([]byte, 4<<10)
	for {
		if err := t.catchUp(); err != nil {
			return fmt.Errorf("follow %s: %w", name, err)
		}
		_, err := events.Read(buf) // what has changed is seen by looking
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow %s: %w", name, err)
		}
	}
}

// tail is how far a file has been read.
type tail struct {
	name  string
	take  func(line []byte)
	watch func() error // watches the file that has the name now
	back  int64        // how much of the first file is of interest; of later ones all

	file *os.File // nil while there is none
	rest []byte   // the beginning of a line, at most maxLogLine
	half bool     // rest is no beginning: it was read from the middle of the file on
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}

// catchUp reads what is new, of the present file and of one that has taken its
// place.
func (t *tail) catchUp() error {
	for {
		if t.file != nil {
			if err := t.read(); err != nil {
				return err
			}
			if t.same() {
				return nil
			}
			if err := t.read(); err != nil { // what was written before it was moved away
				return err
			}
			t.close()
		}
		if err := t.open(); errors.Is(err, os.ErrNotExist) {
			t.back = -1
			return nil
		} else if err != nil {
			return err
		}
	}
}

// open opens the file that has the name now, at its end less t.back.
func (t *tail) open() error {
	f, err := os.Open(t.name)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err == nil {
		err = t.watch()
	}
	half := t.back >= 0 && err == nil && info.Size() > t.back
	if half {
		_, err = f.Seek(-t.back, io.SeekEnd)
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	t.file, t.back, t.rest, t.half = f, -1, nil, half
	return nil
}

// same reports whether the open file still has the name.
func (t *tail) same() bool {
	open, err1 := t.file.Stat()
	now, err2 := os.Stat(t.name)
	return err1 == nil && (errors.Is(err2, os.ErrNotExist) || err2 == nil && os.SameFile(open, now))
}

// read hands over the whole lines up to the end of the file. A file that has
// become shorter is read from its beginning.
func (t *tail) read() error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	if at, err := t.file.Seek(0, io.SeekCurrent); err == nil && info.Size() < at {
		t.rest = nil
		if _, err := t.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	buf := make([]byte, maxLogLine)
	for {
		n, err := t.file.Read(buf)
		t.lines(buf[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// lines hands over the whole lines and keeps the rest.
func (t *tail) lines(b []byte) {
	for {
		line, after, whole := bytes.Cut(b, []byte{'\n'})
		t.rest = append(t.rest, line[:min(len(line), maxLogLine-len(t.rest))]...)
		if !whole {
			return
		}
		if len(t.rest) > 0 && !t.half {
			t.take(t.rest)
		}
		t.rest, t.half, b = t.rest[:0], false, after
	}
}
