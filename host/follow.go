package host

import (
	"bytes"
	"context"
	"encoding/binary"
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

// LogFile is a log file that is followed.
type LogFile struct{ tail }

// NewLogFile returns a follower that hands over the last lines of a log file and each new line as it is
// written. The file may be cut, moved away and made anew, as logrotate(8) does it, and need not be there yet.
func NewLogFile(name string, take func(line []byte)) *LogFile {
	return &LogFile{tail{name: name, take: take, back: followBack}}
}

// errFolderGone says that what comes into the folder of that name now is not told.
var errFolderGone = errors.New("its folder was removed or moved")

// Follow hands over lines until the context ends, which gives nil. The folder must be there. The kernel tells of
// changes (inotify); nothing is polled. After an error, such as of a folder that goes, it can be called again and
// goes on where it was, also in a file that was made anew meanwhile.
func (l *LogFile) Follow(ctx context.Context) error {
	if err := l.follow(ctx); err != nil {
		return fmt.Errorf("follow %s: %w", l.name, err)
	}
	return nil
}

// Close gives up the file.
func (l *LogFile) Close() { l.close() }

func (l *LogFile) follow(ctx context.Context) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer func() { _ = events.Close() }()
	folder, err := watchFolder(fd, filepath.Dir(l.name))
	if err != nil {
		return fmt.Errorf("watch its folder: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	l.watch = func() error {
		_, err := unix.InotifyAddWatch(fd, l.name, unix.IN_MODIFY|unix.IN_ATTRIB)
		return err
	}
	if l.file != nil {
		_ = l.watch() // what has the name now, if anything has; another file is opened, too
	}
	buf := make([]byte, 4<<10)
	for over := false; ; {
		if err := l.catchUp(); err != nil {
			return err
		}
		if over {
			return errFolderGone
		}
		n, err := events.Read(buf) // what has changed of the file is seen by looking
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		over = folder.gone(buf[:n])
	}
}

// folder is one that is watched with inotify(7).
type folder struct {
	path  string
	was   os.FileInfo
	watch int
}

func watchFolder(fd int, path string) (f folder, err error) {
	f.path = path
	if f.was, err = os.Stat(path); err != nil { // before: one that takes its place meanwhile counts as gone
		return f, err
	}
	f.watch, err = unix.InotifyAddWatch(fd, path, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_ONLYDIR)
	// As long as somebody has a file of a removed folder open, only the folder above tells of that.
	_, _ = unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_DELETE|unix.IN_ONLYDIR|unix.IN_MASK_ADD)
	return f, err
}

// gone reports whether the folder is not where it was, or no longer watched, as events say, or its path.
func (f *folder) gone(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		of, mask := binary.NativeEndian.Uint32(events), binary.NativeEndian.Uint32(events[4:])
		if int(of) == f.watch && mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT|unix.IN_IGNORED) != 0 {
			return true
		}
		name := int(binary.NativeEndian.Uint32(events[12:]))
		events = events[min(unix.SizeofInotifyEvent+name, len(events)):]
	}
	now, err := os.Stat(f.path)
	return err != nil || !os.SameFile(f.was, now)
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
