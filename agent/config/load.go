package config

// Options are what a configuration is read with besides its files.
type Options struct {
	// StateDir and Socket are flags; "" is the default.
	StateDir, Socket string

	// Drivers is the table of drivers by name: which keys each takes. nil checks
	// neither names nor keys.
	Drivers map[string]Driver
}

// Driver says what a driver takes.
type Driver struct {
	Sensor, Actuator bool
	Required         []string // keys, besides name and driver
	Optional         []string
}

// Load reads a configuration. path names the main file; the folder agent.d
// beside it and the overlay in the state directory need not exist. All that is
// wrong is found at once: the error is then a Problems.
func Load(path string, opts Options) (*Config, error) { return &Config{}, nil }
