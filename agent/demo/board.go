package demo

import (
	"time"

	"lwm2m-agent/agent/config"
)

// Sensors are those of the simulated board.
func Sensors() []config.Sensor {
	return []config.Sensor{
		wave("outdoor", 3303, config.Settings{Wave: "sine", Min: 4, Max: 26, Period: 2 * time.Minute, Unit: "Cel"}),
		wave("cold room", 3303, config.Settings{Wave: "walk", Min: 2, Max: 8, Period: time.Minute, Seed: 1, Unit: "Cel"}),
		wave("greenhouse", 3304, config.Settings{Wave: "walk", Min: 35, Max: 80, Period: time.Minute, Seed: 2, Unit: "%RH"}),
		wave("station", 3315, config.Settings{Wave: "walk", Min: 98_500, Max: 102_500, Period: 5 * time.Minute, Seed: 3, Unit: "Pa"}),
		wave("yard", 3301, config.Settings{Wave: "sine", Min: 0, Max: 40_000, Period: 3 * time.Minute, Unit: "lx"}),
		wave("tank", 3320, config.Settings{Wave: "ramp", Min: 10, Max: 95, Period: 4 * time.Minute, Unit: "%"}),
		wave("door", 0, config.Settings{Wave: "contact", Period: 20 * time.Second, Seed: 4}),
		wave("GNSS", 0, config.Settings{Wave: "track", Period: 10 * time.Minute}),
	}
}

func wave(name string, object uint16, s config.Settings) config.Sensor {
	s.Interval = time.Second
	return config.Sensor{Name: name, Driver: "sim", Object: object, Instance: config.NoInstance, Settings: s}
}

// Actuators are those of the simulated board.
func Actuators() []config.Actuator {
	return []config.Actuator{
		{Name: "relay", Driver: "sim", Resource: config.NoResource, Instance: config.NoInstance},
		{Name: "lamp", Driver: "sim", Object: 3311, Resource: config.NoResource, Instance: config.NoInstance},
	}
}
