package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// markFile is written once and then left alone: what is at its place in a copy of the
// folder is another file, and one that was overwritten from a backup shows when.
const markFile = "mark"

// Mark tells this state directory from a copy of it. It is a digest of what a copy does
// not have: the file system's ID, the inode numbers and births of state.db and of the
// file mark, and the time at which mark was changed last. Where a file system does not know
// one of them it counts for nothing. A power cut, a reboot and the renaming of the folder
// change none; a byte for byte image of the whole file system has them all. A state.db
// that the store writes anew (Scrub) says of which file it is the heir, and has its mark.
func (s *Store) Mark() ([]byte, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	b, err := s.mark()
	if err != nil {
		return nil, fmt.Errorf("mark of the state directory %s: %w", s.dir, err)
	}
	s.db.mark = b
	return bytes.Clone(b), nil
}

// mark returns the mark; writing must be held.
func (s *Store) mark() ([]byte, error) {
	disk := folder(s.dir)
	if _, err := os.Lstat(s.Path(markFile)); errors.Is(err, fs.ErrNotExist) {
		if err := writeMark(disk); err != nil {
			return nil, err
		}
	}
	now, err := identity(disk, databaseFile)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if former, ok := bytes.CutPrefix(s.records[own][heirKey], now); ok && len(former) == len(now) {
		return former, nil
	}
	return now, nil
}

// heirKey is the store's record of whose heir a state.db is: the digest of its own identity, which no copy of it has, and
// then the mark that it goes on with.
const heirKey = "heir"

// bequeath has a database that is written beside the one that is there go on with its mark, if it was asked for.
func (d *database) bequeath(r records, next string) {
	if d.mark == nil {
		return
	}
	if id, err := identity(d.disk, next); err == nil { // else it has a mark of its own
		r.set(own, heirKey, append(id, d.mark...))
	}
}

// identity is a digest of what a folder with this database does not share with a copy.
func identity(d disk, database string) ([]byte, error) {
	var system unix.Statfs_t
	if err := unix.Statfs(d.path(""), &system); err != nil {
		return nil, err
	}
	var b []byte
	for _, v := range system.Fsid.Val {
		b = binary.LittleEndian.AppendUint32(b, uint32(v)) //nolint:gosec // bits
	}
	for _, name := range [...]string{database, markFile} {
		const wanted = unix.STATX_INO | unix.STATX_BTIME | unix.STATX_CTIME
		var st unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, d.path(name), unix.AT_SYMLINK_NOFOLLOW, wanted, &st); err != nil {
			return nil, &fs.PathError{Op: "statx", Path: d.path(name), Err: err}
		}
		b = binary.LittleEndian.AppendUint64(b, st.Ino)
		if st.Mask&unix.STATX_BTIME != 0 {
			b = appendStamp(b, st.Btime)
		}
		if name == markFile {
			b = appendStamp(b, st.Ctime)
		}
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}

func appendStamp(b []byte, t unix.StatxTimestamp) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(t.Sec)) //nolint:gosec // bits
	return binary.LittleEndian.AppendUint32(b, t.Nsec)
}

func writeMark(d disk) error {
	if err := prepare(d, markFile, []byte("Tells this folder from a copy of it. Do not touch.\n")); err != nil {
		return err
	}
	return d.rename(markFile+newSuffix, markFile)
}
