package config

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// remotely are the keys that servers may set, by section. What is not here they may not:
// programs, files outside of the agent's own folders, trust anchors, rights, applications,
// identity, and who may configure.
var remotely = map[string][]string{
	"server": {
		"short_server_id", "lifetime", "instance", "bearer", "awake", "gather", "keep_alive", "sms_number",
		"uri", "secondary_uris", "interface", "modem", "security", "identity", "key_file", "key", "sni", "cipher_suites", "queue_mode", "version",
		"store_notifications", "confirm_notifications", "mute_send", "default_min_period", "default_max_period", "disable_timeout",
		"priority", "failure_block", "initial_delay", "retry_count", "retry_timer", "sequence_delay", "sequence_count",
		"bootstrap_on_failure", "transport", "profile_hash",
	},
	"sensor": {
		"object", "name", "driver", "instance", "application_type", "bus", "address", "chip", "line", "device", "trigger", "interval", "interval_min", "interval_max", "debounce",
		"active", "bias", "edge", "drive", "shunt", "frequency", "range", "baud", "parity", "stop_bits", "timeout", "register", "table", "type", "word_order",
		"unit", "wave", "min", "max", "period", "seed", "file",
	},
	"sensor.channel": {
		"name", "object", "resource", "instance", "application_type", "register", "table", "type", "word_order", "scale", "offset",
		"calibration", "unit", "from_unit", "max_rate", "filter", "filter_size", "filter_time", "dead_band", "alarm_low", "alarm_high",
		"alarm_hysteresis",
	},
	"derived":  {"name", "kind", "inputs", "scale", "unit", "window", "max_gap", "object", "resource", "instance", "application_type"},
	"geofence": {"name", "latitude", "longitude", "radius", "polygon", "hysteresis", "instance", "application_type"},
	"actuator": {
		"object", "resource", "safe", "watchdog", "name", "driver", "instance", "application_type", "bus", "address", "chip", "line", "device", "trigger", "interval", "debounce",
		"active", "bias", "edge", "drive", "shunt", "frequency", "range", "baud", "parity", "stop_bits", "timeout", "register", "table", "type", "word_order",
		"unit", "wave", "min", "max", "period", "seed", "file",
	},
	"modem": {"apn"},
	"log":   {"level"},
}

// remoteConfigurationSection says who may write object 26241.
var remoteConfigurationSection = section{
	name: "remote_configuration", help: "Who may set the configuration remotely: object 26241; docs/remote-configuration.md says what and how.",
	keys: []key{
		{name: "servers", kind: serverList, fallback: "nobody", help: "Short Server IDs"},
	},
}

// serverList takes Short Server IDs and returns a []uint16.
var serverList = kind{fmt.Sprintf("a list of Short Server IDs from 1 to %d", maxID), func(v any) (any, bool) {
	list, ok := v.([]any)
	ids := make([]uint16, 0, len(list))
	for _, element := range list {
		id, number := element.(int64)
		if !number || id < 1 || id > maxID {
			return nil, false
		}
		ids = append(ids, uint16(id))
	}
	return ids, ok && len(ids) <= 64
}}

// forbidden finds what a remote candidate may not set and would change.
func (d *drafter) forbidden(s *section, at, outer string, n, active *node) Problems {
	var problems Problems
	title := within(outer, s.title(n))
	for name, c := range n.table {
		old := active.at(name)
		if k := s.key(name); k != nil {
			known := old != nil && same(k, c, old)
			if known && k.secret && !slices.Contains(remotely[at], name) {
				known = c.filled // whoever tries secrets is not told the right one
			}
			if known {
				continue
			}
			if reason := d.refusal(k, at, c); reason != "" {
				problems = append(problems, c.problem(within(title, name), reason))
			}
			continue
		}
		sub, inner := s.section(name), strings.TrimPrefix(at+"."+name, ".")
		if sub.identity == "" {
			problems = append(problems, d.forbidden(sub, inner, title, c, old)...)
			continue
		}
		for _, e := range c.list {
			known := old.element(sub, e.table[sub.identity].value)
			if known == nil && remotely[inner] == nil {
				problems = append(problems, e.problem(within(title, sub.title(e)), notRemotely))
				continue
			}
			problems = append(problems, d.forbidden(sub, inner, title, e, known)...)
		}
	}
	return problems
}

const notRemotely = "cannot be set remotely; docs/remote-configuration.md lists what can"

// behindMultiplexer reports whether a bus is an adapter's name, and address and channel of one multiplexer or more: "21a0000.i2c/0x70/2".
func behindMultiplexer(bus string) bool {
	parts := strings.Split(bus, "/")
	for i, p := range parts[1:] {
		if _, err := strconv.ParseUint(p, 0, 7); err != nil || strings.HasPrefix(p, "0x") != (i%2 == 0) {
			return false
		}
	}
	return len(parts)%2 == 1 && strings.Trim(parts[0], ".") != ""
}

// refusal says why a value cannot be set remotely; "": it can.
func (d *drafter) refusal(k *key, at string, n *node) string {
	text, _ := n.raw.(string)
	switch {
	case !slices.Contains(remotely[at], k.name):
		return notRemotely
	case k.isFile() && !writable(n.path(text), filepath.Dir(d.files.folder()), orDefault(d.files.Options.StateDir)):
		return fmt.Sprintf("a file that is set remotely must be there, below %s or %s", filepath.Dir(d.files.folder()), orDefault(d.files.Options.StateDir))
	case k.name == "file" && !d.open(n.path(text)):
		return "a recording that is set remotely must be readable by everyone (chmod o+r), and none of the keys"
	case strings.Contains(text, "/") && slices.Contains([]string{"bus", "chip", "device"}, k.name):
		below := strings.HasPrefix(text, "/dev/") || strings.HasPrefix(text, "/sys/") || k.name == "bus" && behindMultiplexer(text)
		if path.Clean(text) != text || !below {
			return "a device that is set remotely must be below /dev or /sys"
		}
	}
	return ""
}

// open reports whether a file holds nothing that is to be kept from a server: what a recording says it can read.
func (d *drafter) open(path string) bool {
	const everyone = 0o004
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&everyone != 0 && !writable(path, filepath.Join(filepath.Dir(d.files.folder()), "keys"))
}

// keep takes what a server may not set over from the overlay in force.
func (d *drafter) keep(s *section, at string, n, old *node) {
	for name, o := range old.table {
		if s.key(name) != nil {
			if !slices.Contains(remotely[at], name) {
				n.table[name] = o
			}
			continue
		}
		sub, inner := s.section(name), strings.TrimPrefix(at+"."+name, ".")
		switch {
		case remotely[inner] == nil:
			n.table[name] = o
		case sub.identity == "":
			// Its keys are all settable.
		default:
			for _, e := range o.list {
				c := n.at(name).element(sub, e.table[sub.identity].value)
				whole := d.guarded[element{inner, get(e, sub.identity, "")}]
				if c == nil && (whole || !slices.Contains(remotely[inner], sub.identity)) { // servers can neither add one nor take it away
					c = &node{source: e.source, line: e.line, table: map[string]*node{sub.identity: e.table[sub.identity]}}
					if n.table[name] == nil {
						n.table[name] = &node{source: o.source, line: o.line}
					}
					n.table[name].list = append(n.table[name].list, c)
				}
				switch {
				case whole:
					all := e.clone()
					merge(sub, all, c)
					c.table = all.table
				case c != nil:
					d.keep(sub, inner, c, e)
				}
			}
		}
	}
}
