package hw

import "context"

// Access is a driver's way to the buses, made for one sensor or actuator.
type Access struct{}

// sensor is one configured sensor. It lives as long as its configuration, and
// is opened and closed as its device comes and goes. It is a sampler or a
// watcher. Its methods are called by one goroutine.
type sensor interface {
	// Channels are the channels known so far.
	Channels() []Channel
	Open(ctx context.Context) error
	Close() error
}

type actuator interface {
	Channels() []Channel
	Open(ctx context.Context) error
	Set(ctx context.Context, channel string, v Value) error
	Close() error
}
