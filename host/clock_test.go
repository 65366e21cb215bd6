package host

import (
	"testing"
	"time"
)

const vienna = "CET-1CEST,M3.5.0,M10.5.0/3"

func TestTimezone(t *testing.T) {
	for _, c := range []struct {
		what  string
		files map[string]string
		want  string
	}{
		{"nothing is UTC", nil, "UTC"},
		{"link", map[string]string{"etc/localtime": "-> ../usr/share/zoneinfo/Europe/Vienna"}, "Europe/Vienna"},
		{"absolute link", map[string]string{"etc/localtime": "-> /usr/share/zoneinfo/Etc/UTC"}, "Etc/UTC"},
		{"copy with a name beside it", map[string]string{"etc/localtime": "TZif2", "etc/timezone": "Asia/Tokyo\n"}, "Asia/Tokyo"},
		{"copy without a name", map[string]string{"etc/localtime": "TZif2"}, ""},
		{"OpenWrt", map[string]string{"etc/TZ": vienna, "etc/config/system": "config system\n\toption hostname 'x'\n\toption zonename 'America/New York'\n\toption timezone 'EST5'\n"}, "America/New_York"},
		{"OpenWrt without a name", map[string]string{"etc/TZ": vienna, "etc/config/system": "config system\n"}, ""},
		{"OpenWrt as installed", map[string]string{"etc/TZ": "UTC\n", "etc/config/system": "config system\n"}, "UTC"},
	} {
		if got := Timezone(files(c.files)); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestHasTimezone(t *testing.T) {
	root := files(map[string]string{"usr/share/zoneinfo/Europe/Vienna": string(zoneOf(vienna)), "usr/share/zoneinfo/tzdata.zi": "# version", "etc/passwd": "TZif"})
	for name, want := range map[string]bool{
		"Europe/Vienna": true, "UTC": true, "Etc/UTC": true, "Etc/GMT-14": true, "Etc/GMT+12": true, "Etc/GMT+1": true,
		"Etc/GMT": false, "Etc/GMT1": false, "Etc/GMT+13": false, "Etc/GMT-15": false, "Etc/GMT+01": false, "Etc/GMT-0": false,
		"": false, "Europe": false, "Europe/Wien": false, "tzdata.zi": false, "../../../etc/passwd": false, "/etc/passwd": false,
		"Europe//Vienna": false, "Europe/Vienna\n": false, "Europe/Vienna'; reboot": false, "a/b/c/d/e": false,
	} {
		if got := HasTimezone(root, name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestPOSIXZone(t *testing.T) {
	root := files(map[string]string{"usr/share/zoneinfo/Europe/Vienna": string(zoneOf(vienna)), "usr/share/zoneinfo/Old": "TZif\x00", "usr/share/zoneinfo/Odd": "TZif\n\n"})
	for name, want := range map[string]string{
		"Europe/Vienna": vienna, "UTC": "UTC0", "Etc/GMT-1": "<+01>-1", "Etc/GMT+5": "<-05>5", "Etc/GMT-14": "<+14>-14",
		"Old": "", "Odd": "", "None": "", "../x": "",
	} {
		if got, ok := posixZone(root, name); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", name, got, ok, want)
		}
	}
}

func TestUTCOffset(t *testing.T) {
	winter, summer := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		what           string
		files          map[string]string
		winter, summer string
	}{
		{"nothing is UTC", nil, "+00:00", "+00:00"},
		{"link", map[string]string{"etc/localtime": "-> ../usr/share/zoneinfo/V", "usr/share/zoneinfo/V": string(zoneOf(vienna))}, "+01:00", "+02:00"},
		{"OpenWrt", map[string]string{"etc/TZ": vienna + "\n"}, "+01:00", "+02:00"},
		{"half an hour, south", map[string]string{"etc/TZ": "ACST-9:30ACDT,M10.1.0,M4.1.0/3"}, "+10:30", "+09:30"},
		{"always the same", map[string]string{"etc/TZ": "<-05>5"}, "-05:00", "-05:00"},
		{"broken link", map[string]string{"etc/localtime": "-> ../none"}, "+00:00", "+00:00"},
		{"no zone at all", map[string]string{"etc/localtime": "hello"}, "+00:00", "+00:00"},
	} {
		root := files(c.files)
		if got := UTCOffset(root, winter); got != c.winter {
			t.Errorf("%s, winter: %s, want %s", c.what, got, c.winter)
		}
		if got := UTCOffset(root, summer); got != c.summer {
			t.Errorf("%s, summer: %s, want %s", c.what, got, c.summer)
		}
	}
}

func TestUTCOffsetIn(t *testing.T) {
	summer := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	root := files(map[string]string{"usr/share/zoneinfo/V": string(zoneOf("CET-1CEST,M3.5.0,M10.5.0/3"))})
	for name, want := range map[string]string{"V": "+02:00", "Etc/GMT-3": "+03:00", "Etc/UTC": "+00:00", "none": "+00:00"} {
		if got := UTCOffsetIn(root, name, summer); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestZoneOf(t *testing.T) {
	for offset, want := range map[int]string{
		0: "Etc/UTC", 3600: "Etc/GMT-1", -5 * 3600: "Etc/GMT+5", 14 * 3600: "Etc/GMT-14", -12 * 3600: "Etc/GMT+12",
		15 * 3600: "", -13 * 3600: "", 1800: "", 3601: "",
	} {
		got := ZoneOf(offset)
		if got != want {
			t.Errorf("%d: %q, want %q", offset, got, want)
		}
		if got != "" && !HasTimezone(files(nil), got) {
			t.Errorf("%q cannot be set", got)
		}
	}
}
