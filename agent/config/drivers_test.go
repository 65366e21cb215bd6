package config

import (
	"testing"

	"lwm2m-agent/hw"
)

// realDrivers is the table of drivers that there are.
func realDrivers() map[string]Driver {
	table := make(map[string]Driver)
	for _, d := range hw.Drivers() {
		entry := Driver{Sensor: d.Sensor(), Actuator: d.Actuator()}
		for _, s := range d.Settings {
			if s.Required {
				entry.Required = append(entry.Required, s.Key)
			} else {
				entry.Optional = append(entry.Optional, s.Key)
			}
		}
		table[d.Name] = entry
	}
	return table
}

// TestDriversKeys: whatever a driver takes can be configured, and says in the
// schema that it is a matter of drivers.
func TestDriversKeys(t *testing.T) {
	if len(hw.Drivers()) == 0 {
		t.Fatal("there are no drivers")
	}
	for _, d := range hw.Drivers() {
		for _, s := range d.Settings {
			for role, serves := range map[string]bool{"sensor": d.Sensor(), "actuator": d.Actuator()} {
				if !serves || role == "sensor" && s.Key == "safe" { // of a driver that serves both
					continue
				}
				in := schema.section(role)
				k := in.key(s.Key)
				if k == nil && in.section(s.Key) == nil {
					t.Errorf("driver %s takes %q, which no %s can have", d.Name, s.Key, role)
				}
				if k != nil && !k.driver && s.Key != "safe" && s.Key != "object" {
					t.Errorf("driver %s takes %q, which any %s takes", d.Name, s.Key, role)
				}
			}
		}
	}
}

// TestReferenceFitsDrivers: the reference is one that the drivers take.
func TestReferenceFitsDrivers(t *testing.T) {
	_, on := reference(t)
	if _, err := build(sources(on), Options{Drivers: realDrivers()}, referenceKeys(t)); err != nil {
		t.Error(err)
	}
}
