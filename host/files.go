package host

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read of one file, in bytes.
const maxFile = 256 << 10

// read returns the content of a file, bounded.
func read(root fs.FS, name string) ([]byte, error) {
	if m, ok := root.(machine); ok {
		return m.read(name)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// rooted is what os.DirFS returns.
type rooted interface {
	fs.StatFS
	fs.ReadFileFS
	fs.ReadDirFS
	fs.ReadLinkFS
}

// machine is the file system of this machine.
type machine struct{ rooted }

// read is what the function does, in half as many system calls as package os makes: it offers every file to the
// runtime's poller. At start hundreds of the kernel's are read.
func (machine) read(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	fd, err := retried(func() (int, error) { return unix.Open("/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	var first [512]byte
	n, err := retried(func() (int, error) { return unix.Read(fd, first[:]) })
	b := bytes.Clone(first[:max(n, 0)])
	attribute := strings.HasPrefix(name, "sys/") && n < len(first) // all of it: sysfs makes one text for each read
	for err == nil && n > 0 && !attribute && len(b) < maxFile {
		b = slices.Grow(b, len(first))
		n, err = retried(func() (int, error) { return unix.Read(fd, b[len(b):min(cap(b), maxFile)]) })
		b = b[:len(b)+max(n, 0)]
	}
	if err != nil {
		return b, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return b, nil
}

// retried makes a system call until no signal interrupts it.
func retried(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// text returns the content of a file without white space and NULs around it; ""
// if it cannot be read. Files of the kernel that say nothing fail to be read.
func text(root fs.FS, name string) string {
	b, err := read(root, name)
	if err != nil {
		return ""
	}
	return strings.Trim(string(b), " \t\r\n\x00")
}

// integer reads a decimal number; nil if there is none.
func integer(root fs.FS, name string) *int64 {
	n, err := strconv.ParseInt(text(root, name), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// counter reads a number that only grows; 0 if there is none.
func counter(root fs.FS, name string) uint64 {
	n, err := strconv.ParseUint(text(root, name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// exists reports whether a file or directory is there.
func exists(root fs.FS, name string) bool {
	_, err := fs.Stat(root, name)
	return err == nil
}

// names returns what a directory holds, in order; nothing if it is not there.
func names(root fs.FS, dir string) []string {
	entries, err := fs.ReadDir(root, dir)
	if err != nil {
		return nil
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name()
	}
	return out
}

// assignments reads lines of NAME=value, with the value quoted or not, as
// os-release(5) describes them.
func assignments(b []byte) map[string]string {
	out := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		out[name] = unquote(value)
	}
	return out
}

// unquote removes the quotes of a shell word and the backslashes in it.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' && s[0] != '\'' || s[len(s)-1] != s[0] {
		return s
	}
	quote, s := s[0], s[1:len(s)-1]
	if quote == '\'' {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
