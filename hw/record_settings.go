package hw

import (
	"errors"
	"fmt"
	"strconv"

	"lwm2m-agent/hw/playback"
)

// Keys of the head of a playback file that are none of the configuration's.
const (
	keyRole   = "role"   // "sensor" or "actuator"; not given is sensor
	keyOrigin = "origin" // what the transfers are: recorded where, or after what
	keyDriver = "driver"
	keyOutput = "channel" // one that the configuration speaks of
)

// What a configuration that comes from a file is called, and where its part is
// if the file does not say.
const (
	replayedName = "playback"
	replayedBus  = "/dev/i2c-1"
)

// settingsOf returns the head of a file for a sensor: what its driver looks at.
func settingsOf(cfg Config) []playback.Setting {
	settings := []playback.Setting{{Key: keyDriver, Value: cfg.Driver}, {Key: "bus", Value: cfg.Bus}, {Key: "address", Value: fmt.Sprintf("%#02x", cfg.Address)}}
	if cfg.Shunt != 0 {
		settings = append(settings, playback.Setting{Key: "shunt", Value: strconv.FormatFloat(cfg.Shunt, 'g', -1, 64)})
	}
	for _, c := range cfg.Channels {
		settings = append(settings, playback.Setting{Key: keyOutput, Value: c.Name})
	}
	return settings
}

// configOf returns what the head of a file says.
func configOf(f *playback.File) (Role, Config, error) {
	role := RoleSensor
	cfg := Config{Name: replayedName, Bus: replayedBus}
	var errs []error
	for _, s := range f.Settings {
		var err error
		switch s.Key {
		case keyRole:
			if s.Value == RoleActuator.String() {
				role = RoleActuator
			}
		case keyDriver:
			cfg.Driver = s.Value
		case "bus":
			cfg.Bus = s.Value
		case "address":
			var n uint64
			n, err = strconv.ParseUint(s.Value, 0, 7)
			cfg.Address = uint16(n)
		case "shunt":
			cfg.Shunt, err = strconv.ParseFloat(s.Value, 64)
		case keyOutput:
			cfg.Channels = append(cfg.Channels, ChannelConfig{Name: s.Value})
		case keyOrigin:
		default:
			err = errors.New("no such setting")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s = %s: %w", s.Key, s.Value, err))
		}
	}
	return role, cfg, errors.Join(errs...)
}
