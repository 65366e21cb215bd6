package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// answerTime is how long the kernel may take to answer a request.
const answerTime = 2 * time.Second

// family is a generic netlink family: the kernel gives its numbers when the
// module that serves it is loaded.
type family struct {
	id     uint16
	groups map[string]uint32 // multicast groups by name
}

// genlMessage is one message of generic netlink without its headers.
type genlMessage struct {
	family  uint16 // what netlink calls the type
	command uint8
	attrs   []byte
}

const genlHeader = 4 // command, version, two bytes reserved

// genlRequest writes a request (netlink(7), genl_ctrl): header, command, attributes.
func genlRequest(family, flags uint16, command uint8, attrs []byte) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+genlHeader, unix.NLMSG_HDRLEN+genlHeader+len(attrs))
	binary.NativeEndian.PutUint32(b, uint32(cap(b))) //nolint:gosec // a few bytes
	binary.NativeEndian.PutUint16(b[4:], family)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|flags)
	b[unix.NLMSG_HDRLEN], b[unix.NLMSG_HDRLEN+1] = command, 1
	return append(b, attrs...)
}

// appendAttribute adds an attribute, padded to four bytes.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value))) //nolint:gosec // a few bytes
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

// attributes goes through a sequence of attributes, up to the first that is not
// whole.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			size, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
			if size < 4 || size > len(b) {
				return
			}
			if !yield(kind&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:size]) {
				return
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}

// number returns an attribute's number of 8, 16 or 32 bits; 0 for any other length.
func number(b []byte) uint32 {
	switch len(b) {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(binary.NativeEndian.Uint16(b))
	case 4:
		return binary.NativeEndian.Uint32(b)
	}
	return 0
}

// genlMessages takes apart what was received at once, and reports whether it is
// the end of an answer. The error is the kernel's.
func genlMessages(b []byte, take func(genlMessage)) (done bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size, kind := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:])
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return true, errors.New("a netlink message is cut off")
		}
		body := b[unix.NLMSG_HDRLEN:size]
		switch {
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind == unix.NLMSG_ERROR && len(body) >= 4:
			if code := int32(binary.NativeEndian.Uint32(body)); code != 0 { //nolint:gosec // a negative number, in four bytes
				return true, unix.Errno(-code) //nolint:gosec // positive
			}
			return true, nil
		case len(body) >= genlHeader:
			take(genlMessage{kind, body[0], body[genlHeader:]})
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return false, nil
}

// askGenl sends a request and takes the messages of the answer, up to the last one.
func askGenl(request []byte, take func(genlMessage)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return fmt.Errorf("open generic netlink: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	limit := unix.NsecToTimeval(answerTime.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return fmt.Errorf("bound the wait for netlink: %w", err)
	}
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask netlink: %w", err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("receive from netlink", err)
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue
		}
		if done, err := genlMessages(buf[:n], take); done || err != nil {
			return err
		}
	}
}

// findFamily asks for a family by its name. The error is unix.ENOENT while no
// module serves it.
func findFamily(name string) (family, error) {
	var f family
	request := genlRequest(unix.GENL_ID_CTRL, unix.NLM_F_ACK, unix.CTRL_CMD_GETFAMILY, appendAttribute(nil, unix.CTRL_ATTR_FAMILY_NAME, append([]byte(name), 0)))
	err := askGenl(request, func(m genlMessage) { f = parseFamily(m.attrs) })
	return f, err
}

func parseFamily(attrs []byte) family {
	f := family{groups: make(map[string]uint32)}
	for kind, value := range attributes(attrs) {
		switch kind {
		case unix.CTRL_ATTR_FAMILY_ID:
			f.id = uint16(number(value)) //nolint:gosec // 16 bits
		case unix.CTRL_ATTR_MCAST_GROUPS:
			for _, group := range attributes(value) {
				name, id := "", uint32(0)
				for kind, value := range attributes(group) {
					switch kind {
					case unix.CTRL_ATTR_MCAST_GRP_NAME:
						name = unix.ByteSliceToString(value)
					case unix.CTRL_ATTR_MCAST_GRP_ID:
						id = number(value)
					}
				}
				f.groups[name] = id
			}
		}
	}
	return f
}
