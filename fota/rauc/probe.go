package rauc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// configs are where RAUC looks for its configuration (rauc(1), FILES).
var configs = []string{"/etc/rauc/system.conf", "/run/rauc/system.conf", "/usr/lib/rauc/system.conf"}

// stockMark makes the running slot good as soon as it has booted, whatever becomes
// of it (RAUC, "Integration", "Mark slots good").
const stockMark = "/etc/systemd/system/multi-user.target.wants/rauc-mark-good.service"

// Probe looks whether RAUC answers and is set as updates need it, and changes
// nothing. The text is for people; an error says what to do.
func (b *Backend) Probe(ctx context.Context) (string, error) {
	slots, err := b.Slots(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range slots.All {
		names = append(names, s.Name)
	}
	if len(slots.All) < maxSlots {
		return "", fmt.Errorf("RAUC has no slot beside %q, which runs: an update needs two of a class with a bootname", slots.Booted)
	}
	file, activates, err := b.activates()
	if err != nil {
		return "", err
	}
	if activates {
		return "", fmt.Errorf("RAUC activates what it has installed before the update says so; set activate-installed=false in [system] of %s", file)
	}
	if _, err := os.Lstat(stockMark); err == nil {
		return "", errors.New(`rauc-mark-good.service marks a new system good before its trial is over; "systemctl disable rauc-mark-good"`)
	}
	return fmt.Sprintf("slots %s; %s runs; activate-installed=false", strings.Join(names, ", "), slots.Booted), nil
}

// activates reads whether RAUC activates what it has installed, and where that is
// said.
func (b *Backend) activates() (file string, yes bool, err error) {
	candidates := configs
	if b.opts.Config != "" {
		candidates = []string{b.opts.Config}
	}
	for _, file := range candidates {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return file, false, fmt.Errorf("whether RAUC activates what it installs is not known: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read
		said := setting(f, "system", "activate-installed")
		return file, said != "false" && said != "0", nil
	}
	return "", false, fmt.Errorf("whether RAUC activates what it installs is not known: there is no %s; give rauc_config", strings.Join(candidates, ", "))
}

// maxConfig bounds a configuration of RAUC, in bytes.
const maxConfig = 1 << 20

// setting returns the last value of a key in a file of GLib's key file format.
func setting(r io.Reader, group, key string) (value string) {
	within := ""
	for lines := bufio.NewScanner(io.LimitReader(r, maxConfig)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			within = line[1 : len(line)-1]
			continue
		}
		name, said, ok := strings.Cut(line, "=")
		if ok && within == group && strings.TrimSpace(name) == key {
			value = strings.TrimSpace(said)
		}
	}
	return value
}
