package swupdate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Types of messages and states of the daemon (network_ipc.h, swupdate_status.h).
const (
	magic = 0x14052001

	reqInstall   = 0
	ack          = 1
	getStatus    = 3
	notifyStream = 11

	stateIdle    = 0
	stateStart   = 1
	stateSuccess = 3
	stateFailure = 4

	apiVersion  = 1
	sourceLocal = 4
	runDry      = 1
	runInstall  = 2
)

// Places in a message. What follows the length of the package, a size_t, depends on
// the word size.
const (
	word = strconv.IntSize / 8

	atMagic   = 0
	atType    = 4
	atAPI     = 8
	atSource  = 12
	atRun     = 16
	atLength  = 8 + (12+word-1)/word*word
	atInfo    = atLength + word
	atSet     = atInfo + 512
	atMode    = atSet + 256
	atNoStore = atMode + 256
	atBuffer  = 8 + (atNoStore-8+1+word-1)/word*word // its length, and 2048 bytes

	messageSize = 8 + (atBuffer-8+4+2048+word-1)/word*word

	atState = 8 // of a notification, or now
	atError = 12
	atText  = 20

	atLast  = 12 // in the answer to getStatus: the state in which the last installation ended
	textMax = 2048
)

var order = binary.NativeEndian

// request asks for the installation of a package, or for a trial of it.
func request(selection string, size int64, dry bool) ([]byte, error) {
	m := make([]byte, messageSize)
	order.PutUint32(m[atMagic:], magic)
	order.PutUint32(m[atType:], reqInstall)
	order.PutUint32(m[atAPI:], apiVersion)
	order.PutUint32(m[atSource:], sourceLocal)
	order.PutUint32(m[atRun:], runInstall)
	if dry {
		order.PutUint32(m[atRun:], runDry)
	}
	if word == 8 {
		order.PutUint64(m[atLength:], uint64(size)) //nolint:gosec // of a file
	} else {
		order.PutUint32(m[atLength:], uint32(size)) //nolint:gosec // of a file
	}
	set, mode, _ := bytes.Cut([]byte(selection), []byte(","))
	if len(set) > atMode-atSet-1 || len(mode) > atNoStore-atMode-1 {
		return nil, fmt.Errorf("the selection %.40q is too long", selection)
	}
	copy(m[atSet:], set)
	copy(m[atMode:], mode)
	return m, nil
}

// question is a message that is but a type.
func question(kind uint32) []byte {
	m := make([]byte, messageSize)
	order.PutUint32(m[atMagic:], magic)
	order.PutUint32(m[atType:], kind)
	return m
}

// kind returns the type of a message.
func kind(m []byte) (uint32, error) {
	if len(m) != messageSize || order.Uint32(m[atMagic:]) != magic {
		return 0, fmt.Errorf("this is no message of SWUpdate")
	}
	return order.Uint32(m[atType:]), nil
}

// notification is what the daemon says.
type notification struct {
	state, code uint32
	text        string
}

func readNotification(m []byte) (notification, error) {
	if _, err := kind(m); err != nil {
		return notification{}, err
	}
	text, _, _ := bytes.Cut(m[atText:atText+textMax], []byte{0})
	return notification{order.Uint32(m[atState:]), order.Uint32(m[atError:]), string(bytes.ToValidUTF8(bytes.TrimSpace(text), []byte("?")))}, nil
}
