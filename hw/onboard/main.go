// Command onboard runs a hw.Board on a real board and prints what happens, one
// line for each change, for the test beside it to read: onboard SETUP FIFO. It
// knows the board of that test and nothing of the agent.
//
// It obeys lines from FIFO: "set ACTUATOR on|off", "scan" and "end".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/hw"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil { //nolint:forbidigo // this is main
		fmt.Println("FAILED", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
	fmt.Println("ENDED")
}

// unit is a sensor or an actuator as the setup has it.
type unit struct {
	Actuator          bool
	Name, Driver      string
	Bus, Chip, Device string
	Address           uint16
	Line              int
	Interval          time.Duration
	Edge              hw.Edge
	Debounce          time.Duration
}

func setup(path string) (hw.Setup, error) {
	var units []unit
	var s hw.Setup
	data, err := os.ReadFile(path) //nolint:gosec // the argument names it
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &units); err != nil {
		return s, err
	}
	for _, u := range units {
		c := hw.Config{
			Name: u.Name, Driver: u.Driver, Bus: u.Bus, Address: u.Address, Chip: u.Chip, Device: u.Device,
			Interval: u.Interval, Edge: u.Edge, Debounce: u.Debounce,
		}
		if u.Chip != "" || u.Driver == "pwm" {
			c.Line = hw.LineOffset(u.Line)
		}
		if u.Actuator {
			s.Actuators = append(s.Actuators, c)
		} else {
			s.Sensors = append(s.Sensors, c)
		}
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: onboard SETUP FIFO")
	}
	s, err := setup(args[0])
	if err != nil {
		return err
	}
	board := hw.NewBoard(&printer{last: make(map[string]string)}, hw.Options{})
	if err := board.Apply(ctx, s); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	var failure error
	running.Go(func() { failure = board.Run(ctx) })
	<-board.Ready()
	fmt.Println("READY")
	err = obey(ctx, board, &running, args[1])
	end()
	running.Wait()
	return errors.Join(err, failure)
}

// obey does what the lines of the FIFO say until one of them is "end".
func obey(ctx context.Context, board *hw.Board, running *sync.WaitGroup, fifo string) error {
	for {
		file, err := os.Open(fifo) //nolint:gosec // the argument names it
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			words := strings.Fields(lines.Text())
			switch {
			case len(words) == 3 && words[0] == "set":
				fmt.Println("SET", words[1], board.Set(ctx, words[1], "state", hw.Bool(words[2] == "on")))
			case len(words) == 1 && words[0] == "scan":
				running.Go(func() { scan(ctx) })
			case len(words) == 1 && words[0] == "end":
				return file.Close()
			default:
				return fmt.Errorf("%q is no command", lines.Text())
			}
		}
		if err := errors.Join(lines.Err(), file.Close()); err != nil {
			return err
		}
	}
}

// scanTime bounds a scan, which takes a minute on an adapter that times out where
// nobody answers; the addresses of known parts come first.
const scanTime = 20 * time.Second

func scan(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	inv := hw.Scan(ctx, hw.Options{})
	for _, bus := range inv.I2C {
		for _, d := range bus.Devices {
			fmt.Printf("SCAN %s %#02x [%s] %s\n", bus.Path, d.Address, strings.Join(d.Drivers, " "), d.Kernel)
		}
	}
	for _, chip := range inv.GPIO {
		fmt.Println("SCAN", chip.Path, chip.Label, len(chip.Lines))
	}
	for _, d := range inv.IIO {
		fmt.Println("SCAN", d.Folder, d.Name, len(d.Channels))
	}
	fmt.Println("SCANNED")
}

// printer prints a channel when its value, quality or reason changes.
type printer struct {
	mu   sync.Mutex
	last map[string]string
}

func (p *printer) Describe(hw.Unit, []hw.Channel) {}
func (p *printer) Removed(hw.Unit)                {}

func (p *printer) Deliver(u hw.Unit, readings []hw.Reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range readings {
		key := u.Name + " " + r.Channel
		text := strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Value, r.Quality, r.Reason))
		if p.last[key] != text {
			fmt.Println("READING", key, text)
		}
		p.last[key] = text
	}
}
