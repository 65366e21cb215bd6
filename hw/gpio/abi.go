package gpio

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ioctl performs one ioctl(2) on a GPIO chip or line. arg points to the
// structure that belongs to request.
type Ioctl func(fd uintptr, request uint, arg unsafe.Pointer) error

func kernelIoctl(fd uintptr, request uint, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// setConfigIoctl is GPIO_V2_LINE_SET_CONFIG_IOCTL, _IOWR(0xB4, 0x0D, struct
// gpio_v2_line_config) of linux/gpio.h. Read-write numbers are the same on all
// architectures as long as the size fits 13 bits.
const setConfigIoctl = 0xc0000000 | uint(unsafe.Sizeof(unix.GPIOV2LineConfig{}))<<16 | 0xb4<<8 | 0x0d

// enum gpio_v2_line_flag of linux/gpio.h.
const (
	flagUsed uint64 = 1 << iota
	flagActiveLow
	flagInput
	flagOutput
	flagEdgeRising
	flagEdgeFalling
	flagOpenDrain
	flagOpenSource
	flagPullUp
	flagPullDown
	flagBiasDisabled
)

// eventBuffer is how many edges the kernel keeps for us: the most it grants
// (GPIO_V2_LINES_MAX * 16, linux/gpio.h: event_buffer_size).
const eventBuffer = 1024

const eventSize = int(unsafe.Sizeof(unix.GPIOV2LineEvent{}))

// config is the kernel's form of o.
func (o Options) config() unix.GPIOV2LineConfig {
	var c unix.GPIOV2LineConfig
	set := func(flag uint64, on bool) {
		if on {
			c.Flags |= flag
		}
	}
	set(flagActiveLow, o.ActiveLow)
	set(flagInput, o.Direction == Input)
	set(flagOutput, o.Direction == Output)
	set(flagEdgeRising|flagEdgeFalling, o.Edges)
	set(flagOpenDrain, o.Drive == OpenDrain)
	set(flagOpenSource, o.Drive == OpenSource)
	set(flagPullUp, o.Bias == PullUp)
	set(flagPullDown, o.Bias == PullDown)
	set(flagBiasDisabled, o.Bias == BiasDisabled)
	attribute := func(id uint32, value uint64) {
		a := &c.Attrs[c.Num_attrs]
		a.Attr.Id, a.Mask = id, 1
		a.Attr.Flags = value
		c.Num_attrs++
	}
	if o.Direction == Output {
		var value uint64
		if o.Value {
			value = 1
		}
		attribute(unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES, value)
	}
	if o.Debounce > 0 {
		attribute(unix.GPIO_V2_LINE_ATTR_ID_DEBOUNCE, debounceField(o.Debounce))
	}
	return c
}

// debounceField puts a period in microseconds where the kernel looks for it:
// the attribute is a union, and the period its first 32 bits.
func debounceField(d time.Duration) (field uint64) {
	us := uint32(min(d.Microseconds(), 1<<32-1)) //nolint:gosec // bounded on this line
	*(*uint32)(unsafe.Pointer(&field)) = us      // the first half, in either byte order
	return field
}
