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
	settings := []playback.Setting{{Key: keyDriver, Value: cfg.Driver}, {Key: "bus", Value: cfg.Bus}}
	if cfg.Address != 0 {
		settings = append(settings, playback.Setting{Key: "address", Value: fmt.Sprintf("%#02x", cfg.Address)})
	}
	for _, number := range []struct {
		key   string
		value float64
	}{{"shunt", cfg.Shunt}, {"frequency", cfg.Frequency}, {"range", cfg.Range}} {
		if number.value != 0 {
			settings = append(settings, playback.Setting{Key: number.key, Value: strconv.FormatFloat(number.value, 'g', -1, 64)})
		}
	}
	for _, text := range []playback.Setting{{Key: "device", Value: cfg.Device}, {Key: "active", Value: string(cfg.Active)}, {Key: "bias", Value: string(cfg.Bias)}} {
		if text.Value != "" {
			settings = append(settings, text)
		}
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
		if s == (playback.Setting{Key: keyRole, Value: RoleActuator.String()}) {
			role = RoleActuator
			continue
		}
		if err := cfg.set(s.Key, s.Value); err != nil {
			errs = append(errs, fmt.Errorf("%s = %s: %w", s.Key, s.Value, err))
		}
	}
	return role, cfg, errors.Join(errs...)
}

// set takes in one setting of a file.
func (c *Config) set(key, value string) (err error) {
	switch key {
	case keyDriver:
		c.Driver = value
	case "bus":
		c.Bus = value
	case "address":
		var n uint64
		n, err = strconv.ParseUint(value, 0, 7)
		c.Address = uint16(n)
	case "shunt":
		c.Shunt, err = strconv.ParseFloat(value, 64)
	case "frequency":
		c.Frequency, err = strconv.ParseFloat(value, 64)
	case "range":
		c.Range, err = strconv.ParseFloat(value, 64)
	case "device":
		c.Device = value
	case "active":
		c.Active = Active(value)
	case "bias":
		c.Bias = Bias(value)
	case "line":
		c.Line = LineName(value)
		if n, err := strconv.ParseUint(value, 10, 16); err == nil {
			c.Line = LineOffset(int(n))
		}
	case "safe":
		err = c.Safe.set(value)
	case keyOutput:
		c.Channels = append(c.Channels, ChannelConfig{Name: value})
	case keyOrigin:
	default:
		err = errors.New("no such setting")
	}
	return err
}

// set takes a safe state as the configuration writes it.
func (s *Safe) set(value string) error {
	switch value {
	case "keep":
		s.Keep = true
	case "on", "off":
		s.Value = Bool(value == "on")
	default:
		f, err := strconv.ParseFloat(value, 64)
		s.Value = Float(f)
		return err
	}
	return nil
}
