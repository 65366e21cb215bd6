// Adhoc makes a wireless interface of the board a member of a network without access point, on channel 6. It uses the wireless extensions
// (the kernel's linux/wireless.h), so that what it does and what an agent reads through nl80211 have no code in common.
//
// Its arguments are the interface, which must be switched off, and the name of the network, which it joins when it is switched on.
package main

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The requests, and the mode of a network without access point.
const (
	setFrequency = 0x8b04
	setMode      = 0x8b06
	setESSID     = 0x8b1a
	modeAdhoc    = 1
)

// frequency is a channel: m * 10^e Hz.
type frequency struct {
	m int32
	e int16
	_ [2]uint8 // an index and flags
}

// essid is the name of a network; flags 1 says that there is one.
type essid struct {
	text          *byte
	length, flags uint16
}

// request is the kernel's iwreq.
type request[T any] struct {
	name  [unix.IFNAMSIZ]byte
	value T
	_     [16]byte
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Println("ADHOC", err)
		os.Exit(1)
	}
}

func run(name, network string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	text := []byte(network)
	if err := set(fd, name, setMode, uint32(modeAdhoc)); err != nil {
		return fmt.Errorf("set the mode: %w", err)
	}
	if err := set(fd, name, setFrequency, frequency{m: 2437, e: 6}); err != nil {
		return fmt.Errorf("set the frequency: %w", err)
	}
	if err := set(fd, name, setESSID, essid{&text[0], uint16(len(text)), 1}); err != nil {
		return fmt.Errorf("set the network's name: %w", err)
	}
	return nil
}

func set[T any](fd int, name string, command uintptr, value T) error {
	r := request[T]{value: value}
	copy(r.name[:], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), command, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return errno
	}
	return nil
}
