package at

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// ErrHeld says that another program uses the port.
var ErrHeld = errors.New("another program holds the port")

// ErrAgent says, beside ErrHeld, that the program is an agent, or may well be where its files cannot be seen.
var ErrAgent = errors.New("an agent that runs already, see its status")

// errGarbled says that something comes which is no text.
var errGarbled = fmt.Errorf("%w: what comes is no text, as at a wrong speed, or while the port is dialled", ErrSilent)

const (
	dialTime  = 10 * time.Second
	probeTime = time.Second     // for the answer to the first AT, which may only wake a module
	findTime  = 4 * time.Second // for an answer to whatever
)

// Open opens a port: the path of a serial port or pseudo-terminal, with the given
// speed in baud, or "tcp:host:port".
func Open(ctx context.Context, name string, speed uint32) (Port, error) {
	if address, ok := strings.CutPrefix(name, "tcp:"); ok {
		conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		return conn, nil
	}
	port, err := openSerial(name, speed)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return port, nil
}

// Candidates returns the ports that a name stands for: those that a pattern such as
// "/dev/ttyUSB*" matches, in order, or the name itself.
func Candidates(name string) []string {
	if strings.HasPrefix(name, "tcp:") || !strings.ContainsAny(name, "*?[") {
		return []string{name}
	}
	found, err := filepath.Glob(name)
	if err != nil {
		return nil
	}
	return found
}

// Find returns the first port that the name stands for at which AT is answered. A
// module has several, of which one takes commands, one is for data and one tells
// positions.
func Find(ctx context.Context, name string, speed uint32) (string, error) {
	candidates := Candidates(name)
	if len(candidates) == 0 {
		return "", fmt.Errorf("find a port: there is no %s: is the modem plugged in and switched on?", name)
	}
	var failed error
	for _, c := range candidates {
		err := tryPort(ctx, c, speed)
		if err == nil {
			return c, nil
		}
		failed = errors.Join(failed, err)
	}
	return "", failed
}

func tryPort(ctx context.Context, name string, speed uint32) error {
	port, err := Open(ctx, name, speed)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	c := NewChannel(port, func(string) {})
	over := make(chan struct{})
	go func() { // ended by cancel and waited for
		defer close(over)
		_ = c.Run(ctx) // that it cannot be read shows in greet
	}()
	err = greet(ctx, c)
	cancel()
	<-over
	if err != nil {
		return fmt.Errorf("try %s at %d baud: %w", name, speed, err)
	}
	return nil
}

// greet asks whether somebody is there, twice: the first time may only wake a module,
// or let it find the speed.
func greet(ctx context.Context, c *Channel) error {
	var err error
	for range 2 {
		_, err = c.Do(ctx, Command{Limit: probeTime})
		if err == nil || refused(err) || errors.Is(err, ErrRestarted) {
			return nil
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = ErrSilent
	}
	if errors.Is(err, ErrSilent) && c.garbled.Load() {
		err = errGarbled
	}
	return err
}
