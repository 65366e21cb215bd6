package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ImageSlots are the keys of [firmware] for back ends that write signed images to
// devices.
type ImageSlots struct {
	Slots       []ImageSlot // two
	Keys        []string    // files of public keys
	Compatible  string      // "": the model
	Downgrade   bool        // a lower version than the running one is taken
	Environment string      // file of the boot loader; "": the usual one
	Bootcount   string      // U-Boot's variable with the slot to boot; "": BOOT_ORDER
	Attempts    int         // of a slot, where the boot loader counts them down
}

// ImageSlot is one [[firmware.slot]].
type ImageSlot struct {
	Name      string
	Devices   map[string]string // by the name of the image
	Partition int               // that a Raspberry Pi boots; 0: none
	Select    string            // what SWUpdate writes to it: "SET,MODE"; "": nothing
}

// imageBackends are those that write signed images to devices.
var imageBackends = []FirmwareBackend{FirmwareUBoot, FirmwareGRUB, FirmwareTryboot}

// DefaultAttempts is how often a slot is tried.
const DefaultAttempts = 3

var imageKeys = []key{
	{name: "keys", kind: pathList, help: `uboot, grub, tryboot: files with the public keys, of signify or usign, of which one must have signed a package`},
	{name: "compatible", kind: anyText, fallback: "the model (/3/0/1)", help: "uboot, grub, tryboot: name of this board; a package must be for it"},
	{name: "allow_downgrade", kind: boolean, fallback: "false", help: "uboot, grub, tryboot: take packages with a lower version than the running one"},
	{name: "environment", kind: filePath, fallback: `"/etc/fw_env.config", "/boot/grub/grubenv"; none for tryboot`, help: "uboot: the file that says where the environment is; grub: the environment block; tryboot: autoboot.txt, on the first partition, mounted for writing"},
	{name: "boot_variable", kind: variableName, fallback: "none: BOOT_ORDER is used", help: "uboot, also as boot: variable that has the slot to boot, where U-Boot counts with bootcount and upgrade_available"},
	{name: "boot_attempts", kind: integer(1, 9), fallback: "3", help: "uboot, also as boot: attempts of a slot, in BOOT_x_LEFT"},
}

var imageSlotSection = section{
	name: "slot", identity: "name", help: "One of the two slots that images are written to.",
	keys: []key{
		{name: "name", kind: variableName, required: true, help: "what the boot loader calls it"},
		{name: "devices", kind: deviceList, help: `uboot, grub, tryboot: where each image of a package goes, such as ["rootfs=/dev/mmcblk0p2"]; nothing else is on these devices; swupdate: to tell which slot runs, where the kernel's command line has no lwm2m.slot`},
		{name: "boot_partition", kind: integer(1, 128), help: "tryboot: number of the partition that the firmware boots"},
		{name: "select", kind: selection, help: "swupdate: software set and mode of sw-description that are for this slot; its daemon must accept them (--accepted-select)"},
	},
}

// variableName takes what can be part of a variable's name in a boot loader.
var variableName = kind{`1 to 32 letters, digits and "_"`, func(v any) (any, bool) {
	s, _ := v.(string)
	return s, s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool { return !letterOrDigit(r) && r != '_' })
}}

// selection takes what SWUpdate calls a software selection.
var selection = kind{`"SET,MODE"`, func(v any) (any, bool) {
	s, _ := v.(string)
	set, mode, found := strings.Cut(s, ",")
	return s, found && set != "" && mode != "" && len(s) <= 255 && printable(s) && !strings.ContainsAny(mode, ",")
}}

// words returns a list of texts.
func words(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, element := range list {
		word, ok := element.(string)
		if !ok || word == "" || len(word) > 1024 || !printable(word) {
			return nil
		}
		out = append(out, word)
	}
	return out
}

// pathList takes files.
var pathList = kind{"a list of 1 to 8 files", func(v any) (any, bool) {
	list := words(v)
	return list, len(list) > 0 && len(list) <= 8
}}

// deviceList takes devices by the names of images.
var deviceList = kind{`a list of 1 to 8 texts "IMAGE=/dev/…", each IMAGE once, of letters, digits, "-" and "_"`, func(v any) (any, bool) {
	list := words(v)
	devices := make(map[string]string)
	for _, word := range list {
		name, device, _ := strings.Cut(word, "=")
		if name == "" || len(name) > 16 || len(device) < 2 || device[0] != '/' ||
			strings.ContainsFunc(name, func(r rune) bool { return !letterOrDigit(r) && r != '-' && r != '_' }) {
			return nil, false
		}
		devices[name] = device
	}
	return devices, len(list) > 0 && len(list) <= 8 && len(devices) == len(list)
}}

// imageSlots reads the keys, and checks what concerns more than one.
func (b *builder) imageSlots(n *node, f *Firmware) {
	i := &f.Images
	*i = ImageSlots{
		Keys: get(n, "keys", []string(nil)), Compatible: get(n, "compatible", ""), Downgrade: get(n, "allow_downgrade", false),
		Bootcount: get(n, "boot_variable", ""), Attempts: int(get(n, "boot_attempts", int64(DefaultAttempts))),
	}
	if file := n.table["keys"]; file != nil {
		for at := range i.Keys {
			i.Keys[at] = file.path(i.Keys[at])
		}
	}
	if file := n.table["environment"]; file != nil {
		i.Environment = file.path(get(n, "environment", ""))
	}
	for _, slot := range elements(n, "slot") {
		i.Slots = append(i.Slots, ImageSlot{
			get(slot, "name", ""), get(slot, "devices", map[string]string(nil)), int(get(slot, "boot_partition", int64(0))),
			get(slot, "select", ""),
		})
		if slices.Contains(imageBackends, f.Backend) && !slot.has("devices") {
			b.problems = append(b.problems, f.Problem("slot", "%q has no devices; %s needs them", get(slot, "name", ""), f.Backend))
		}
	}
	if !slices.Contains(imageBackends, f.Backend) {
		return
	}
	problem := func(key, format string, args ...any) {
		b.problems = append(b.problems, f.Problem(key, format, args...))
	}
	if len(i.Keys) == 0 && !n.has("keys") {
		problem("keys", "missing; %s takes no package without a signature", f.Backend)
	}
	if f.Backend == FirmwareTryboot {
		b.tryboot(n, f)
	}
	if len(i.Slots) != 2 {
		problem("slot", "there are %d; %s needs two [[firmware.slot]]", len(i.Slots), f.Backend)
		return
	}
	if err := distinct(i.Slots[0].Devices, i.Slots[1].Devices); err != nil {
		problem("slot", "%v", err)
	}
}

// tryboot checks what a Raspberry Pi needs.
func (b *builder) tryboot(n *node, f *Firmware) {
	if !n.has("environment") {
		b.problems = append(b.problems, f.Problem("environment", "missing; tryboot needs the path of autoboot.txt"))
	}
	numbers := make(map[int]bool)
	for _, s := range f.Images.Slots {
		numbers[s.Partition] = true
	}
	if numbers[0] || len(numbers) < len(f.Images.Slots) {
		b.problems = append(b.problems, f.Problem("slot", "each slot needs its own boot_partition, which autoboot.txt names"))
	}
}

// has reports whether a key is given, rightly or wrongly.
func (n *node) has(key string) bool { return n.table[key] != nil }

// distinct refuses two slots that share a device or have different images.
func distinct(one, other map[string]string) error {
	if len(one) == 0 || len(other) == 0 {
		return nil // it is told elsewhere
	}
	if !slices.Equal(slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(other))) {
		return fmt.Errorf("the two slots have different images; give both the same ones in devices")
	}
	all := slices.Sorted(maps.Values(one))
	all = append(all, slices.Sorted(maps.Values(other))...)
	slices.Sort(all)
	for at := 1; at < len(all); at++ {
		if all[at] == all[at-1] {
			return fmt.Errorf("the device %s is there twice; each image needs its own", all[at])
		}
	}
	return nil
}
