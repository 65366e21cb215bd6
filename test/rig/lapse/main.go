// Lapse lets time pass in a guest that is a PC: it puts forward the counter by which the kernel counts time, as that of a virtual machine is when
// it goes on after a pause. All clocks of the guest have gone on then, and timers that would have ended do. It leaps only when no other program
// has anything to do, so that each one has done what was due.
//
// Its arguments are how much time passes, "45m", and, to end earlier, a file and the line that it will have. It ends with status 1 if the
// file does not have that line when the time is over.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The registers of the HPET (IA-PC HPET Specification 1.0a, section 2.3).
const (
	timer         = 0xfed00000
	period        = 0x04 // of the counter, in femtoseconds
	configuration = 0x10 // bit 0: it counts
	counter       = 0xf0 // 64 bits, of which Linux sees 32
)

const (
	// leap is less than half of what 32 bits can say, 42.9 s: Linux takes more for a step backwards (clocksource_delta).
	leap = 16 * time.Second
	// tick is longer than the kernel's (Debian's CONFIG_HZ is 250), with which it takes a leap in.
	tick = 5 * time.Millisecond
)

func main() {
	reached, err := run(os.Args[1:])
	switch {
	case err != nil:
		fmt.Println("LAPSE", err)
		os.Exit(2)
	case !reached:
		os.Exit(1)
	}
}

func run(args []string) (reached bool, err error) {
	most, err := time.ParseDuration(args[0])
	if err != nil {
		return false, err
	}
	is := func() bool { return false }
	if len(args) > 1 {
		is = func() bool {
			content, err := os.ReadFile(args[1])
			return err == nil && strings.TrimSpace(string(content)) == args[2]
		}
	}
	const source = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
	if err := os.WriteFile(source, []byte("hpet"), 0); err != nil {
		return false, err
	}
	memory, err := os.OpenFile("/dev/mem", os.O_RDWR|os.O_SYNC, 0)
	if err != nil {
		return false, err
	}
	defer memory.Close()
	registers, err := unix.Mmap(int(memory.Fd()), timer, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return false, fmt.Errorf("map the timer: %w", err)
	}
	for began := time.Now(); ; {
		if err := settle(); err != nil || is() {
			return true, err
		}
		left := most - time.Since(began)
		if left <= 0 {
			return len(args) == 1, nil
		}
		forward(registers, min(leap, left))
	}
}

// settle waits until the kernel has taken a leap in, and nobody else wants to run: the guest has one processor, and all others wait for something.
func settle() error {
	for {
		time.Sleep(tick)
		load, err := os.ReadFile("/proc/loadavg")
		if err != nil || strings.Contains(string(load), " 1/") { // proc(5): how many are runnable, this one among them
			return err
		}
	}
}

// forward puts the counter forward, which stands still meanwhile (section 2.3.7).
func forward(registers []byte, d time.Duration) {
	running := read(registers, configuration)
	write(registers, configuration, running&^1)
	count := uint64(read(registers, counter+4))<<32 | uint64(read(registers, counter))
	count += uint64(d) * 1_000_000 / uint64(read(registers, period))
	write(registers, counter, uint32(count))
	write(registers, counter+4, uint32(count>>32))
	write(registers, configuration, running)
}

//go:noinline
func read(registers []byte, at int) uint32 { return *(*uint32)(unsafe.Pointer(&registers[at])) }

//go:noinline
func write(registers []byte, at int, value uint32) {
	*(*uint32)(unsafe.Pointer(&registers[at])) = value
}
