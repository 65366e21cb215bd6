package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FirmwareBackend is who writes slots and boots them.
type FirmwareBackend string

// The back ends.
const (
	FirmwareFile  FirmwareBackend = "file"  // slots in the state directory, for tests and the demo
	FirmwareGRUB  FirmwareBackend = "grub"  // signed images to devices, GRUB's environment block
	FirmwareUBoot FirmwareBackend = "uboot" // signed images to devices, U-Boot's environment

	FirmwareTryboot FirmwareBackend = "tryboot" // signed images to devices, a Raspberry Pi's firmware
	FirmwareCommand FirmwareBackend = "command" // programs
	FirmwareRAUC    FirmwareBackend = "rauc"

	FirmwareSWUpdate FirmwareBackend = "swupdate"

	FirmwareSysupgrade FirmwareBackend = "sysupgrade" // OpenWrt's
)

// Firmware is the [firmware] section.
type Firmware struct {
	Section
	Backend FirmwareBackend
	Confirm time.Duration // that a new system must have been registered
	Limit   time.Duration // of the trial where no server answers
	Check   []string      // program and arguments; nil: none
	Consent bool          // the local user is asked, if the server allows it
	MaxSize int64         // bytes of a package
	CAFile  string        // for https; "": the system's
	Hosts   []PackageHost // that packages come from and something is said about

	Patience time.Duration // of a download, without a byte

	Budget   DataBudget // of downloads
	Cellular bool       // only what comes by a cellular network counts

	MaxRate       int64 // of a download, in bytes a second; 0: any
	DownloadHours Hours // in which packages are downloaded
	RebootHours   Hours // in which a new system is started

	Images   ImageSlots // of back ends that write images to devices
	Programs string     // folder of FirmwareCommand

	Download   string // folder of packages on their way; "": in the state directory
	RAUCConfig string // RAUC's system.conf; "": where RAUC looks for it

	Boot   FirmwareBackend // what boots the slots that SWUpdate writes: FirmwareUBoot, FirmwareGRUB or FirmwareCommand
	Socket string          // of SWUpdate; "": where it listens if nothing else is said
}

// Hours are a part of each day: times since midnight. The zero value is all day.
type Hours struct{ From, To time.Duration }

// DataBudget is how many bytes downloads may cost in each day, or month. The zero value is no bound.
type DataBudget struct {
	Bytes int64
	Month bool
}

// SysupgradeDownload is on OpenWrt's RAM disk, which its flash has no room beside.
const SysupgradeDownload = "/var/run/lwm2m-agent/firmware"

// The defaults of [firmware].
const (
	DefaultConfirm      = 10 * time.Minute
	DefaultConfirmLimit = 24 * time.Hour
	DefaultMaxSize      = 256 << 20
	DefaultPatience     = 24 * time.Hour
)

var firmwareSection = section{
	name: "firmware", help: "Firmware updates: object 5; docs/firmware-update.md says how. Read at the start.",
	keys: slices.Concat([]key{
		{name: "backend", kind: oneOf(string(FirmwareFile), string(FirmwareUBoot), string(FirmwareGRUB), string(FirmwareTryboot), string(FirmwareCommand), string(FirmwareRAUC), string(FirmwareSWUpdate), string(FirmwareSysupgrade)), required: true, help: `who writes and boots slots; "uboot": signed images to devices, and U-Boot's environment; "grub": the same with GRUB's environment block; "tryboot": with autoboot.txt of a Raspberry Pi; "command": programs of your own; "rauc": RAUC; "swupdate": SWUpdate, and the environment of boot; "sysupgrade": OpenWrt; "file": simulated slots in the state directory, which take unsigned images`},
		{name: "confirm", kind: duration(time.Second, day), fallback: `"` + short(DefaultConfirm) + `"`, help: "how long a server must have had a new system registered until it stays; likewise the time for it to register"},
		{name: "confirm_limit", kind: duration(time.Second, 30*day), fallback: `"` + short(DefaultConfirmLimit) + `"`, help: "time to register where no server answers at all, and check finds the system well"},
		{name: "check", kind: program, fallback: "none", help: "program with arguments that looks at a new system at the end of its trial; it must end with 0 within 2 minutes"},
		{name: "consent", kind: boolean, fallback: "false", help: "ask the local user before an update, where the server gives a defer period (/5/0/13) and it is not critical (/5/0/11)"},
		{name: "max_size", kind: integer(1, math.MaxInt32), fallback: "268435456", help: "the most bytes of a package"},
		{name: "patience", kind: duration(time.Second, 30*day), fallback: `"` + short(DefaultPatience) + `"`, help: "how long a download goes on without a byte until it has failed (Result 4)"},
		{name: "max_rate", kind: integer(1000, math.MaxInt32), fallback: "none", help: "the most bytes a second of a download"},
		{name: "download_hours", kind: hours, fallback: "all day", help: "when packages are downloaded; what does not come within these hours goes on in the next ones"},
		{name: "reboot_hours", kind: hours, fallback: "all day", help: "when the machine is rebooted into a new system; what a local user installs, and a way back, do not wait"},
		{name: "data_budget", kind: dataBudget, fallback: "none", help: "the most that downloads may cost on the wire in each day or month of the calendar; what does not come within it goes on in the next one"},
		{name: "data_budget_for", kind: oneOf(budgetForAll, budgetForCellular), fallback: `"` + budgetForAll + `"`, help: "what counts: all downloads, or those by a modem or another cellular network"},
		{name: "ca_file", kind: filePath, fallback: "the system's", help: "certificates in PEM that servers of packages are trusted by (https)"},
		{name: "programs", kind: filePath, help: "command, also as boot: folder of the programs; docs/firmware-update.md says which"},
		{name: "single_slot", kind: boolean, fallback: "false", help: "sysupgrade: must be true, since there is one slot, and no way back from a system that is bad"},
		{name: "download", kind: filePath, fallback: `in the state directory; "` + SysupgradeDownload + `" for sysupgrade`, help: "folder where packages lie while they come; nothing else is in it. Who runs the agent must be let write there, by systemd too: docs/firmware-update.md says how"},
		{name: "boot", kind: oneOf(string(FirmwareUBoot), string(FirmwareGRUB), string(FirmwareCommand)), help: "swupdate: what boots a slot, by the keys that the back end of this name has"},
		{name: "socket", kind: filePath, fallback: `"/tmp/sockinstctrl"`, help: "swupdate: where its daemon listens"},
		{name: "rauc_config", kind: filePath, fallback: "where RAUC looks for it", help: "rauc: its system.conf, which check reads"},
	}, imageKeys),
	sections: []section{imageSlotSection, packageHostSection},
}

// hours takes a part of a day, over midnight if it ends before it begins.
var hours = kind{`"HH:MM-HH:MM" in local time, such as "22:00-05:00"`, func(v any) (any, bool) {
	text, _ := v.(string)
	from, to, _ := strings.Cut(text, "-")
	const clock = "15:04"
	first, err1 := time.Parse(clock, from)
	last, err2 := time.Parse(clock, to)
	midnight := time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, time.UTC)
	return Hours{first.Sub(midnight), last.Sub(midnight)}, err1 == nil && err2 == nil && !first.Equal(last)
}}

// What data_budget_for takes.
const (
	budgetForAll      = "all"
	budgetForCellular = "cellular"
)

// dataBudget takes bytes in a period of the calendar.
var dataBudget = kind{`a number of kB, MB or GB, 100kB to 1000GB, and "/day" or "/month", such as "200MB/month"`, func(v any) (any, bool) {
	text, _ := v.(string)
	amount, period, _ := strings.Cut(text, "/")
	if period != "day" && period != "month" || len(amount) < 3 {
		return nil, false
	}
	unit := map[string]int64{"kB": 1e3, "MB": 1e6, "GB": 1e9}[amount[len(amount)-2:]]
	n, err := strconv.ParseUint(amount[:len(amount)-2], 10, 31)
	b := DataBudget{int64(n) * unit, period == "month"}
	return b, err == nil && b.Bytes >= 100e3 && b.Bytes <= 1000e9
}}

// program takes the absolute path of a program and its arguments.
var program = kind{"a list of texts: the absolute path of a program, and its arguments", func(v any) (any, bool) {
	list, _ := v.([]any)
	var words []string
	for _, element := range list {
		word, ok := element.(string)
		if !ok || len(word) > 1024 || !printable(word) {
			return nil, false
		}
		words = append(words, word)
	}
	return words, len(words) > 0 && len(words) <= 32 && len(words[0]) > 1 && words[0][0] == '/'
}}

func (b *builder) firmware(root *node) {
	n := root.table["firmware"]
	if n == nil {
		return
	}
	f := &Firmware{
		Section: Section{n, "firmware"},
		Backend: FirmwareBackend(get(n, "backend", "")),
		Confirm: get(n, "confirm", DefaultConfirm), Limit: get(n, "confirm_limit", DefaultConfirmLimit),
		Check: get(n, "check", []string(nil)), Consent: get(n, "consent", false), MaxSize: get(n, "max_size", int64(DefaultMaxSize)),
		Patience: get(n, "patience", DefaultPatience), MaxRate: get(n, "max_rate", int64(0)),
		Budget: get(n, "data_budget", DataBudget{}), Cellular: get(n, "data_budget_for", budgetForAll) == budgetForCellular,
		DownloadHours: get(n, "download_hours", Hours{}), RebootHours: get(n, "reboot_hours", Hours{}), Boot: FirmwareBackend(get(n, "boot", "")),
	}
	if file := n.table["socket"]; file != nil {
		f.Socket = file.path(get(n, "socket", ""))
	}
	if file := n.table["ca_file"]; file != nil {
		f.CAFile = file.path(get(n, "ca_file", ""))
	}
	if n.has("data_budget_for") && !n.has("data_budget") {
		b.problems = append(b.problems, f.Problem("data_budget_for", "there is no data_budget; give one, or leave this out"))
	}
	if f.Limit < f.Confirm {
		b.problems = append(b.problems, f.Problem("confirm_limit", "%s is less than confirm, %s; give it at least that", short(f.Limit), short(f.Confirm)))
	}
	if folder := n.table["programs"]; folder != nil {
		f.Programs = folder.path(get(n, "programs", ""))
	} else if f.Backend == FirmwareCommand || f.Backend == FirmwareSWUpdate && f.Boot == FirmwareCommand {
		b.problems = append(b.problems, f.Problem("programs", "missing; %q needs it", FirmwareCommand))
	}
	b.imageSlots(n, f)
	b.swupdate(n, f)
	b.sysupgrade(n, f)
	b.packageHosts(n, f)
	if folder := n.table["download"]; folder != nil {
		f.Download = folder.path(get(n, "download", ""))
	}
	if file := n.table["rauc_config"]; file != nil {
		f.RAUCConfig = file.path(get(n, "rauc_config", ""))
	}
	b.cfg.Firmware = f
}

// sysupgrade checks what it needs to be chosen.
func (b *builder) sysupgrade(n *node, f *Firmware) {
	switch one := get(n, "single_slot", false); {
	case f.Backend != FirmwareSysupgrade && one:
		b.problems = append(b.problems, f.Problem("single_slot", "backend %q has two slots; leave it out", f.Backend))
	case f.Backend != FirmwareSysupgrade:
	case !one:
		b.problems = append(b.problems, f.Problem("backend",
			"sysupgrade replaces the one system that there is, and a bad one stays; if that is meant, say single_slot = true"))
	default:
		f.Download = SysupgradeDownload
	}
}

// swupdate checks that it is told what boots, and what it writes to each slot.
func (b *builder) swupdate(n *node, f *Firmware) {
	problem := func(key, format string, args ...any) {
		b.problems = append(b.problems, f.Problem(key, format, args...))
	}
	if f.Backend != FirmwareSWUpdate {
		return
	}
	if !n.has("boot") {
		problem("boot", `missing; swupdate needs "uboot", "grub" or "command"`)
	}
	slots := f.Images.Slots
	switch {
	case len(slots) != 2:
		problem("slot", "there are %d; swupdate needs two [[firmware.slot]]", len(slots))
	case slots[0].Select == "" || slots[0].Select == slots[1].Select || slots[1].Select == "":
		problem("slot", `each slot needs its own select, such as "stable,copy1": SWUpdate must not write to the slot that runs`)
	}
}
