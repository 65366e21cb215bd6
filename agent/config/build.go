package config

import (
	"time"

	"lwm2m-agent/agent/keys"
	"lwm2m-agent/lwm2m"
)

// builder turns checked nodes into a Config, and checks what concerns more than
// one key.
type builder struct {
	checker
	opts    Options
	readKey keyReader
	cfg     Config
}

// get returns what a key's kind made of its value, or the default where it is not
// given.
func get[T any](n *node, key string, fallback T) T {
	if child := n.table[key]; child != nil {
		if v, ok := child.value.(T); ok {
			return v
		}
	}
	return fallback
}

func (b *builder) config(root *node) *Config {
	b.cfg.Endpoint = get(root, "endpoint", "")
	b.cfg.TestObject = get(root, "test_object", false)
	if n := root.table["object_folder"]; n != nil {
		b.cfg.Objects = n.path(get(root, "object_folder", ""))
	}
	b.device(root)
	b.metrics(root)
	b.page(root)
	b.cfg.Log = Log{Level: "info"}
	if n := root.table["log"]; n != nil {
		b.cfg.Log = Log{Section{n, "log"}, get(n, "level", "info")}
	}
	b.cfg.TPM = TPM{Device: keys.DefaultDevice}
	if n := root.table["tpm"]; n != nil {
		b.cfg.TPM = TPM{Section{n, "tpm"}, get(n, "device", keys.DefaultDevice)}
	}
	b.accounts(root)
	b.devices(root)
	b.derived(root)
	b.geofences(root)
	b.modems(root)
	b.location(root)
	b.eventLogs(root)
	b.apps(root)
	b.firmware(root)
	b.lockAndWipe(root)
	if n := root.table["remote_configuration"]; n != nil {
		b.cfg.Remote = get(n, "servers", []uint16(nil))
	}
	return &b.cfg
}

func (b *builder) device(root *node) {
	if n := root.table["device"]; n != nil {
		b.cfg.Device = Device{
			Section:      Section{n, "device"},
			Manufacturer: get(n, "manufacturer", ""), Model: get(n, "model", ""),
			Serial: get(n, "serial", ""), HardwareVersion: get(n, "hardware_version", ""),
		}
	}
}

func elements(root *node, name string) []*node {
	if n := root.table[name]; n != nil {
		return n.list
	}
	return nil
}

func (b *builder) accounts(root *node) {
	servers := schema.section("server")
	wanted := make(map[int]Section)
	for _, n := range elements(root, "server") {
		s := Server{
			Account:       b.account(n, servers.title(n)),
			ShortServerID: uint16(get(n, "short_server_id", int64(0))), //nolint:gosec // within range, says its kind
			Lifetime:      get(n, "lifetime", DefaultLifetime),
			Bearer:        Bearer(get(n, "bearer", "")),
			Awake:         get(n, "awake", time.Duration(0)),
			Gather:        get(n, "gather", time.Duration(0)),
			KeepAlive:     get(n, "keep_alive", true),
			SMSNumber:     get(n, "sms_number", ""),
			Rights:        get(n, "rights", []Right(nil)),
			More:          make(map[string]any),
		}
		for _, k := range serverKeys {
			if child := n.table[k.name]; child != nil {
				s.More[k.name] = child.value
			}
		}
		if other, taken := wanted[s.Instance]; taken && s.Instance != NoInstance {
			b.problems = append(b.problems, s.Problem("instance", "%d is what %s has; each server needs its own", s.Instance, other.title))
		}
		wanted[s.Instance] = s.Section
		b.cfg.Servers = append(b.cfg.Servers, s)
	}
	if n := root.table["bootstrap"]; n != nil {
		b.cfg.Bootstrap = &Bootstrap{
			Account: b.account(n, "bootstrap"),
			HoldOff: get(n, "hold_off", time.Duration(0)),
		}
	}
}

func (b *builder) devices(root *node) {
	var u uniqueness
	section := schema.section("sensor")
	for _, n := range elements(root, "sensor") {
		s := Sensor{
			Section: Section{n, section.title(n)},
			Name:    get(n, "name", ""), Driver: get(n, "driver", ""),
			Object: id(n, "object"), Instance: optional(n, "instance"),
			ApplicationType: get(n, "application_type", ""), Settings: settings(n),
			IntervalMin: get(n, "interval_min", time.Duration(0)), IntervalMax: get(n, "interval_max", time.Duration(0)),
		}
		s.Settings.Register = b.register(n, s.title)
		for _, c := range elements(n, "channel") {
			title := within(s.title, section.section("channel").title(c))
			s.Channels = append(s.Channels, Channel{
				Section: Section{c, title},
				Name:    get(c, "name", ""), Object: id(c, "object"), Resource: optional(c, "resource"),
				Instance: optional(c, "instance"), ApplicationType: get(c, "application_type", ""), Processing: processing(c), Register: b.register(c, title),
			})
		}
		b.driver(s.Section, s.Driver, "sensor", func(d Driver) bool { return d.Sensor })
		u.check(b, s.Section, s.Settings, b.opts.Drivers[s.Driver].Shared)
		b.cfg.Sensors = append(b.cfg.Sensors, s)
	}
	section = schema.section("actuator")
	for _, n := range elements(root, "actuator") {
		a := Actuator{
			Section: Section{n, section.title(n)},
			Name:    get(n, "name", ""), Driver: get(n, "driver", ""),
			Object: id(n, "object"), Resource: optional(n, "resource"), Instance: optional(n, "instance"),
			ApplicationType: get(n, "application_type", ""), Settings: settings(n),
			Safe: get(n, "safe", Safe{}), Watchdog: get(n, "watchdog", time.Duration(0)),
		}
		a.Settings.Register = b.register(n, a.title)
		a.Interlocks = interlocks(n, a.title)
		b.driver(a.Section, a.Driver, "actuator", func(d Driver) bool { return d.Actuator })
		u.check(b, a.Section, a.Settings, b.opts.Drivers[a.Driver].Shared)
		b.cfg.Actuators = append(b.cfg.Actuators, a)
	}
}

func settings(n *node) Settings {
	s := Settings{
		Bus: get(n, "bus", ""), Address: id(n, "address"),
		Chip: get(n, "chip", ""), Line: get(n, "line", Line{}), Device: get(n, "device", ""), Trigger: get(n, "trigger", ""),
		Interval: get(n, "interval", DefaultInterval), Debounce: get(n, "debounce", time.Duration(0)),
		Active: get(n, "active", ""), Bias: get(n, "bias", ""), Edge: get(n, "edge", ""), Drive: get(n, "drive", ""),
		Unit: get(n, "unit", ""), Wave: get(n, "wave", ""),
		Min: get(n, "min", 0.0), Max: get(n, "max", 0.0), Period: get(n, "period", time.Duration(0)),
		Seed: uint64(get(n, "seed", int64(0))), //nolint:gosec // not negative, says its kind
	}
	s.Shunt, s.Frequency, s.Range = get(n, "shunt", 0.0), get(n, "frequency", 0.0), get(n, "range", 0.0)
	s.Baud, s.Parity, s.StopBits = int(get(n, "baud", int64(0))), get(n, "parity", ""), int(get(n, "stop_bits", int64(0)))
	s.Timeout = get(n, "timeout", time.Duration(0))
	if file := n.table["file"]; file != nil {
		s.File = file.path(get(n, "file", ""))
	}
	return s
}

// id returns an identifier or an address, 0 where it is not given.
func id(n *node, key string) uint16 {
	return uint16(get(n, key, int64(0))) //nolint:gosec // within range, says its kind
}

// optional returns an identifier, NoInstance (or NoResource) where it is not given.
func optional(n *node, key string) int { return int(get(n, key, int64(-1))) }

// versionOf returns the highest version to offer, zero where it is not given.
func versionOf(n *node) lwm2m.Version { return get(n, "version", lwm2m.Version{}) }
