package spidev

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests as a C compiler makes them of linux/spi/spidev.h where asm-generic/ioctl.h holds.
const (
	readMode  = 0x80016b01
	writeMode = 0x40016b01
	readSpeed = 0x80046b04
	message1  = 0x40206b00
)

// part answers the ioctls of spidev for a part that inverts what it is sent.
type part struct {
	mode    uint8
	speed   uint32 // of the device tree
	used    uint32 // of the last transfer
	failure map[uint]error
}

func (p *part) ioctl(_ uintptr, request uint, arg unsafe.Pointer) error {
	if err := p.failure[request]; err != nil {
		return err
	}
	switch request {
	case readMode:
		*(*uint8)(arg) = p.mode
	case writeMode:
		p.mode = *(*uint8)(arg)
	case readSpeed:
		*(*uint32)(arg) = p.speed
	case message1:
		raw := unsafe.Slice((*uint64)(arg), 4)
		length := *(*uint32)(unsafe.Pointer(&raw[2]))
		p.used = *(*uint32)(unsafe.Add(unsafe.Pointer(&raw[2]), 4))
		if bits := *(*uint8)(unsafe.Add(unsafe.Pointer(&raw[3]), 2)); bits != 8 {
			return unix.EINVAL
		}
		out := unsafe.Slice(*(**byte)(unsafe.Pointer(&raw[0])), length)
		in := unsafe.Slice(*(**byte)(unsafe.Pointer(&raw[1])), length)
		for i := range out {
			in[i] = ^out[i]
		}
	default:
		return unix.ENOTTY
	}
	return nil
}

func node(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spidev0.0")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func genericNumbers(t *testing.T) {
	t.Helper()
	if strings.HasPrefix(runtime.GOARCH, "mips") || strings.HasPrefix(runtime.GOARCH, "ppc") {
		t.Skip("the requests have other numbers here")
	}
}

func TestStructure(t *testing.T) {
	if size := unsafe.Sizeof(transfer{}); size != 32 {
		t.Errorf("struct spi_ioc_transfer has %d bytes, want 32", size)
	}
	genericNumbers(t)
	for name, pair := range map[string][2]uint{
		"SPI_IOC_RD_MODE": {requestReadMode, readMode}, "SPI_IOC_WR_MODE": {requestMode, writeMode},
		"SPI_IOC_RD_MAX_SPEED_HZ": {requestReadSpeed, readSpeed}, "SPI_IOC_MESSAGE(1)": {requestTransfer, message1},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %#x, want %#x", name, pair[0], pair[1])
		}
	}
}

// The part's mode is set beside what the device tree says, and the lower speed counts.
func TestTx(t *testing.T) {
	genericNumbers(t)
	for speed, want := range map[uint32]uint32{0: 1_000_000, 500_000: 500_000, 10_000_000: 1_000_000} {
		p := &part{mode: 0x04 | 0x02, speed: speed} // SPI_CS_HIGH and CPOL
		d, err := Open(node(t), Settings{Mode: 1, Speed: 1_000_000}, p.ioctl)
		if err != nil {
			t.Fatal(err)
		}
		in := make([]byte, 3)
		if err := d.Tx([]byte{0x00, 0x0f, 0xa5}, in); err != nil || !bytes.Equal(in, []byte{0xff, 0xf0, 0x5a}) {
			t.Errorf("% x, %v", in, err)
		}
		if p.mode != 0x04|0x01 || p.used != want {
			t.Errorf("mode %#x, %d Hz; want %d", p.mode, p.used, want)
		}
		if err := d.Tx([]byte{1}, in); !errors.Is(err, unix.EINVAL) {
			t.Errorf("one byte out and three in: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Tx([]byte{1}, in[:1]); err == nil {
			t.Error("a closed device took a transfer")
		}
	}
}

func TestRefuses(t *testing.T) {
	genericNumbers(t)
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Settings{}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no node: %v", err)
	}
	if _, err := Open(node(t), Settings{}, nil); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("a plain file, asked of the real kernel: %v", err)
	}
	for _, request := range []uint{readMode, writeMode, readSpeed} {
		p := &part{failure: map[uint]error{request: unix.EINVAL}}
		if _, err := Open(node(t), Settings{Mode: 3}, p.ioctl); !errors.Is(err, unix.EINVAL) {
			t.Errorf("request %#x: %v", request, err)
		}
	}
	p := &part{failure: map[uint]error{message1: unix.ESHUTDOWN}}
	d, err := Open(node(t), Settings{Speed: 1}, p.ioctl)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Tx([]byte{1}, []byte{0}); !errors.Is(err, unix.ESHUTDOWN) {
		t.Errorf("a bus that was removed: %v", err)
	}
}
