//go:build rig

package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside tells the test binary that it runs in a network of its own.
const inside = "LWM2M_HOST_INSIDE"

// TestRigNetlink runs this test again in a network namespace of its own, where
// it can change interfaces and send events.
func TestRigNetlink(t *testing.T) {
	if os.Getenv(inside) != "" {
		t.Run("network", insideNetwork)
		t.Run("gone", insideGone)
		t.Run("power", insidePower)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRigNetlink$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 { // any user may, in a user namespace
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("in a network of its own: %v", err)
	}
}

// until calls try, again and again, until done is closed.
func until(t *testing.T, done <-chan struct{}, try func()) {
	t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		try()
		select {
		case <-done:
			return
		case <-again.C:
		case <-limit.C:
			t.Fatal("nothing was told")
		}
	}
}

// watching runs a watch until the test ends, and returns what is closed at its
// first call.
func watching(t *testing.T, watch func(ctx context.Context, changed func()) error) <-chan struct{} {
	t.Helper()
	told, ended := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	go func() {
		ended <- watch(ctx, func() {
			if calls++; calls == 1 {
				close(told)
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return told
}

func insideNetwork(t *testing.T) {
	told := watching(t, func(ctx context.Context, changed func()) error {
		w := NetworkWatch{Changed: changed, Settle: time.Millisecond}
		return w.Run(ctx)
	})
	up := false
	until(t, told, func() {
		up = !up
		switchLoopback(t, up)
	})
	switchLoopback(t, true)
	addresses, err := systemAddresses()
	if err != nil || !slices.Contains(addresses[1], netip.MustParsePrefix("127.0.0.1/8")) {
		t.Errorf("the addresses of loopback are %v, %v", addresses, err)
	}
}

// insideGone has an interface go that has sent three packets.
func insideGone(t *testing.T) {
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	const packets, size = 3, 100
	var got *Traffic
	told := watching(t, func(ctx context.Context, changed func()) error {
		w := NetworkWatch{Changed: func() {}, Gone: func(gone Traffic) {
			if got == nil && gone.Tx.Bytes > 0 {
				got = &gone
				changed()
			}
		}}
		return w.Run(ctx)
	})
	until(t, told, func() {
		ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
		for _, name := range []string{"v0", "v1"} {
			ip("link", "set", name, "up", "addrgenmode", "none", "multicast", "off")
		}
		for range packets {
			sendFrame(t, "v0", size)
		}
		ip("link", "del", "v0")
	})
	if want := (Volume{Bytes: packets * (14 + size), Headers: packets * 14}); got.Tx != want || got.Rx != (Volume{}) || got.Index == 0 {
		t.Errorf("told %+v, want %+v sent", *got, want)
	}
}

// sendFrame sends a frame of Ethernet with a payload that long.
func sendFrame(t *testing.T, name string, size int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	in, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	frame := append(bytes.Repeat([]byte{0xff}, 12), 0x88, 0xb5) // to all, of a type for experiments (IEEE 802)
	if err := unix.Sendto(fd, append(frame, make([]byte, size)...), 0, &unix.SockaddrLinklayer{Ifindex: in.Index}); err != nil {
		t.Fatal(err)
	}
}

// switchLoopback switches the interface lo on or off.
func switchLoopback(t *testing.T, up bool) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	if up {
		r.SetUint16(unix.IFF_UP)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r); err != nil {
		t.Fatal(err)
	}
}

// insidePower has the kernel pass on an event, as it passes on those of udev.
// What a process sends to the group directly is not taken for the kernel's.
func insidePower(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	send := func(group uint32, event string) {
		message := []byte(event)
		if group == 0 { // what the kernel takes has a netlink header, which it takes off again
			message = make([]byte, unix.NLMSG_HDRLEN+len(event))
			binary.NativeEndian.PutUint32(message, uint32(len(message)))
			binary.NativeEndian.PutUint16(message[4:], unix.NLMSG_MIN_TYPE)
			binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST)
			copy(message[unix.NLMSG_HDRLEN:], event)
		}
		if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: group}); err != nil {
			t.Fatal(err)
		}
	}
	const event = "change@/devices/power_supply/BAT0\x00ACTION=change\x00SUBSYSTEM=power_supply\x00"
	foreign := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	passed := make(chan struct{}, 1)
	go func() {
		ended <- listen(ctx, unix.NETLINK_KOBJECT_UEVENT, 1, func(m []byte) {
			switch {
			case ofPower(m):
				close(foreign)
			default:
				select {
				case passed <- struct{}{}:
				default:
				}
			}
		})
	}()
	until(t, passed, func() {
		send(1, event)                                                           // to the group: not from the kernel
		send(0, "change@/devices/x\x00ACTION=change\x00SUBSYSTEM=something\x00") // to the kernel: passed on
	})
	select {
	case <-foreign:
		t.Error("an event that a process sent was taken for the kernel's")
	default:
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	told := watching(t, WatchPower)
	until(t, told, func() { send(0, event) })
}
