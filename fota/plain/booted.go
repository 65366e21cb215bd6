package plain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// slotParameters are what a boot loader may say on the kernel's command line about
// the slot that it starts; the second one is RAUC's.
var slotParameters = []string{"lwm2m.slot=", "rauc.slot="}

// ErrAstray says that it cannot be told which slot runs.
var ErrAstray = errors.New("it cannot be told which slot runs: have the boot loader add lwm2m.slot=NAME to the kernel's command line, or root= with the device of a slot")

// Booted returns the name of the slot that runs: what the kernel's command line says
// ("lwm2m.slot=A"), else the slot with the device that is named there as root, else
// that with the device that is mounted as /. Files are read below root ("/").
func Booted(root string, slots []Slot) (string, error) {
	name, words, err := named(os.DirFS(root), slots)
	if name != "" || err != nil {
		return name, err
	}
	if name := slotOf(root, slots, rootDevice(parameter(words, "root="))); name != "" {
		return name, nil
	}
	if name := slotOn(root, slots); name != "" {
		return name, nil
	}
	return "", ErrAstray
}

// Named is Booted by nothing but the name on the kernel's command line, in the files of
// a system. It returns "" where none is there.
func Named(root fs.FS, slots []Slot) (string, error) {
	name, _, err := named(root, slots)
	return name, err
}

func named(root fs.FS, slots []Slot) (name string, words []string, err error) {
	text, err := fs.ReadFile(root, "proc/cmdline")
	if err != nil {
		return "", nil, fmt.Errorf("which slot runs: %w", err)
	}
	words = strings.Fields(string(text))
	name = parameter(words, slotParameters...)
	if name != "" && !slices.ContainsFunc(slots, func(s Slot) bool { return s.Name == name }) {
		return "", nil, fmt.Errorf("which slot runs: the kernel's command line says %.40q, which is no slot of the configuration", name)
	}
	return name, words, nil
}

// parameter returns the value of the last of some parameters: the last one counts,
// as for the kernel.
func parameter(words []string, names ...string) (value string) {
	for _, w := range words {
		for _, name := range names {
			if v, ok := strings.CutPrefix(w, name); ok {
				value = strings.Trim(v, `"`)
			}
		}
	}
	return value
}

// rootDevice returns the device node that root= names.
func rootDevice(value string) string {
	for prefix, folder := range map[string]string{
		"PARTUUID=": "by-partuuid", "PARTLABEL=": "by-partlabel", "UUID=": "by-uuid", "LABEL=": "by-label",
	} {
		if v, ok := strings.CutPrefix(value, prefix); ok {
			return filepath.Join("/dev/disk", folder, filepath.Base(filepath.Clean("/"+v)))
		}
	}
	if strings.HasPrefix(value, "/dev/") {
		return filepath.Clean(value)
	}
	return ""
}

// slotOf returns the slot that a device belongs to.
func slotOf(root string, slots []Slot, device string) string {
	if device == "" {
		return ""
	}
	resolved := resolve(root, device)
	for _, s := range slots {
		for _, p := range s.Parts {
			if p.Device == device || resolve(root, p.Device) == resolved {
				return s.Name
			}
		}
	}
	return ""
}

// resolve follows symbolic links, such as those of /dev/disk.
func resolve(root, device string) string {
	if real, err := filepath.EvalSymlinks(filepath.Join(root, device)); err == nil {
		return real
	}
	return filepath.Join(root, device)
}

// slotOn returns the slot whose device is mounted as /.
func slotOn(root string, slots []Slot) string {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return ""
	}
	number := ""
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" { // proc(5): the third field is major:minor
			number = f[2]
		}
	}
	for _, s := range slots {
		for _, p := range s.Parts {
			if n := deviceNumber(p.Device); n != "" && n == number {
				return s.Name
			}
		}
	}
	return ""
}

// deviceNumber returns the numbers of a block device as mountinfo has them.
func deviceNumber(name string) string {
	var s unix.Stat_t
	if unix.Stat(name, &s) != nil || s.Mode&unix.S_IFMT != unix.S_IFBLK {
		return ""
	}
	rdev := uint64(s.Rdev) //nolint:unconvert // the types differ by architecture
	return strconv.FormatUint(uint64(unix.Major(rdev)), 10) + ":" + strconv.FormatUint(uint64(unix.Minor(rdev)), 10)
}
