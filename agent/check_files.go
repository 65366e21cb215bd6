package agent

import (
	"fmt"
	"maps"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
)

// The bits of a mode by which others than owner and group read a file, pass through a folder, and list one.
const (
	bitRead = 0o004
	bitPass = 0o001
	bitList = bitRead | bitPass
)

// checkFiles has a row for each file and folder that root can read, who runs the check, and the service cannot, which has the group of
// the folder of the configuration, and for keys that others can read. There is none where that folder is root's: so is the service there.
func checkFiles(cfg *config.Config, folder string) []CheckRow {
	var of, s unix.Stat_t
	if err := unix.Stat(folder, &of); err != nil || of.Gid == 0 {
		return nil
	}
	rows := checkReaders(slices.Compact(slices.Sorted(slices.Values(cfg.KeyFiles))))
	needed := neededFiles(cfg)
	for _, file := range slices.Sorted(maps.Keys(needed)) {
		bits := needed[file]
		if err := unix.Stat(file, &s); err != nil || !rootOnly(&s, of.Gid, bits) {
			continue
		}
		if n, err := unix.Getxattr(file, "system.posix_acl_access", nil); err == nil && n > 0 { // which may open it to others
			continue
		}
		mode, verb := "0640", "read"
		if bits&bitPass != 0 {
			mode, verb = "0750", "open"
		}
		rows = append(rows, CheckRow{Part: "file", Name: filepath.Base(file), Where: file, Detail: fmt.Sprintf(
			"root can %s it, the service cannot, which has the group of %s; run: chgrp --reference=%[2]s %[3]s; chmod %[4]s %[3]s", verb, folder, file, mode)})
	}
	return rows
}

// neededFiles returns what the service needs to read of a configuration, and the folders on the way, with the bits that it needs.
func neededFiles(cfg *config.Config) map[string]uint32 {
	files := slices.Concat(cfg.Files, cfg.KeyFiles)
	if f := cfg.Firmware; f != nil {
		files = append(append(files, f.Images.Keys...), f.CAFile)
	}
	for i := range cfg.Sensors {
		files = append(files, cfg.Sensors[i].Settings.File)
	}
	for i := range cfg.EventLogs {
		files = append(files, cfg.EventLogs[i].File)
	}
	needed := make(map[string]uint32)
	if cfg.Objects != "" {
		definitions, _ := filepath.Glob(filepath.Join(cfg.Objects, "*.xml")) // it fails for patterns alone
		files = append(files, definitions...)
		needed[cfg.Objects] = bitList
	}
	for _, file := range files {
		if !filepath.IsAbs(file) {
			continue // none, or beside where the check is run
		}
		needed[file] |= bitRead
		for dir := filepath.Dir(file); dir != "/"; dir = filepath.Dir(dir) {
			needed[dir] |= bitPass
		}
	}
	return needed
}

// checkReaders has a row for each key file that is open to the group whose members may only read at the control socket. The service
// is in it: former versions had it read its files by that group.
func checkReaders(files []string) []CheckRow {
	group, err := user.LookupGroup(control.GroupReading)
	if err != nil {
		return nil
	}
	var rows []CheckRow
	for _, file := range files {
		var s unix.Stat_t
		if err := unix.Stat(file, &s); err == nil && openTo(&s, group.Gid) {
			rows = append(rows, CheckRow{Part: "file", Name: filepath.Base(file), Where: file, Detail: fmt.Sprintf(
				"members of group %s can read it, who may ask for status and values only; run: chgrp %s %s", group.Name, control.GroupService, file)})
		}
	}
	return rows
}

// openTo reports whether a file can be read by a group, and not by everybody.
func openTo(s *unix.Stat_t, group string) bool {
	return strconv.FormatUint(uint64(s.Gid), 10) == group && s.Mode&0o044 == 0o040
}

// rootOnly reports whether a file is root's, and neither a group, which may be root's alone, nor everybody has the bits.
func rootOnly(s *unix.Stat_t, group, bits uint32) bool {
	return s.Uid == 0 && s.Mode&bits != bits && (s.Gid == 0 || s.Gid == group && s.Mode&(bits<<3) != bits<<3)
}
