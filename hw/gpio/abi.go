package gpio

import (
	"fmt"
	"os"
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
	if o.AsIs {
		return c
	}
	set(flagOutput, true)
	set(flagOpenDrain, o.Drive == OpenDrain)
	set(flagOpenSource, o.Drive == OpenSource)
	c.Num_attrs = 1
	c.Attrs[0].Attr.Id, c.Attrs[0].Mask = unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES, 1
	if o.Value {
		c.Attrs[0].Attr.Flags = 1
	}
	return c
}

// values reads the lines of a request that are in mask: a bit each, 1 is active.
func values(file *os.File, ioctl Ioctl, mask uint64) (uint64, error) {
	v := unix.GPIOV2LineValues{Mask: mask}
	if err := control(file, ioctl, unix.GPIO_V2_LINE_GET_VALUES_IOCTL, unsafe.Pointer(&v)); err != nil {
		return 0, fmt.Errorf("read %s: %w", file.Name(), err)
	}
	return v.Bits, nil
}
