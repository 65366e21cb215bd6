package helper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// maxFiles is how many open files are looked at: one more than a request has.
const maxFiles = 2

var errLine = fmt.Errorf("a request is one line of at most %d bytes", maxLine)

// receive reads a request's line, and the open file that comes with it, if one does.
func receive(c *net.UnixConn) (line []byte, file *os.File, err error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			if err != nil || f != file {
				_ = f.Close() // it is not ours
			}
		}
	}()
	buffer, control := make([]byte, maxLine), make([]byte, unix.CmsgSpace(4*maxFiles))
	have := 0
	for !bytes.ContainsRune(buffer[:have], '\n') {
		if have == len(buffer) {
			return nil, nil, errLine
		}
		n, said, flags, _, err := c.ReadMsgUnix(buffer[have:], control)
		more, parsed := rights(control[:said])
		files = append(files, more...)
		switch {
		case err != nil || n == 0:
			return nil, nil, errLine
		case parsed != nil || flags&unix.MSG_CTRUNC != 0 || len(files) > 1:
			return nil, nil, errors.New("no more than one open file belongs to a request")
		}
		have += n
	}
	line, rest, _ := bytes.Cut(buffer[:have], []byte{'\n'})
	if len(rest) > 0 {
		return nil, nil, errors.New("there is something behind the request")
	}
	if len(files) > 0 {
		file = files[0]
	}
	return line, file, nil
}

// rights returns the open files of a control message.
func rights(control []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	var files []*os.File
	for i := range messages {
		fds, failure := unix.ParseUnixRights(&messages[i])
		err = errors.Join(err, failure)
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "package"))
		}
	}
	return files, err
}

// parse reads a request.
func parse(line []byte) (Request, error) {
	var r Request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("a request is one line of JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, errors.New("there is something behind the request")
	}
	return r, nil
}
