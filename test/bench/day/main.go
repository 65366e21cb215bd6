// Day lets a day pass for the agent, as the clock of the machine where it runs has it, and tells what the agent has passed to write(2) meanwhile. It
// knows the agent from outside: what a server sees of it, and /proc/PID/io (proc(5)).
//
// Its arguments are the program and how long the day is, "24h". The agent is registered over DTLS, has ten sensors that are sampled each minute, and is
// observed once an hour. After a 24th of that time, in which it settles, the day begins. What it brought is printed behind "DAY ": notifications, bytes
// passed to write, and how many of these were datagrams and the log.
package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

const (
	sensors  = 10
	patience = 30 * time.Second // with the registration
)

func main() {
	day, err := time.ParseDuration(os.Args[2])
	if err == nil {
		err = run(os.Args[1], day)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "day:", err)
		os.Exit(1)
	}
}

func run(program string, day time.Duration) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, port, key, err := serve(ctx)
	if err != nil {
		return err
	}
	relay, err := newRelay(port)
	if err != nil {
		return err
	}
	events, end := s.Events(1000)
	defer end()
	dir, err := os.MkdirTemp("", "day")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	agent, err := start(program, dir, relay.port(), key)
	if err != nil {
		return err
	}
	defer func() { _ = agent.Process.Kill(); _ = agent.Wait() }()
	if err := observe(ctx, s, events); err != nil {
		return err
	}
	time.Sleep(day / 24)
	before, err := measure(agent.Process.Pid, dir, relay)
	if err != nil {
		return err
	}
	for len(events) > 0 {
		<-events
	}
	time.Sleep(day)
	after, err := measure(agent.Process.Pid, dir, relay)
	if err != nil {
		return err
	}
	notified := 0
	for len(events) > 0 {
		if e := <-events; e.Kind == server.Notified {
			notified++
		}
	}
	fmt.Println("DAY", notified, after.written-before.written, after.sent-before.sent, after.logged-before.logged)
	return nil
}

// serve runs a server at a port of the loopback interface, which knows the agent by a key.
func serve(ctx context.Context) (s *server.Server, port int, key []byte, err error) {
	key = []byte("0123456789abcdef")
	keys := new(server.Keys)
	keys.Add("day", key, "day")
	s = server.New(server.Config{Shapes: model.Shapes(registry.Definitions()), Keys: keys})
	l, err := s.ListenSecure(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, 0, nil, err
	}
	go func() { _ = s.ServeSecure(ctx, l) }()        // it ends with this program
	return s, l.Addr().(*net.UDPAddr).Port, key, nil //nolint:forcetypeassert // it is bound to one
}

// start starts the agent with nothing that an earlier one has left.
func start(program, dir string, port int, key []byte) (*exec.Cmd, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "endpoint = \"day\"\n[[server]]\nuri = \"coaps://127.0.0.1:%d\"\nshort_server_id = 101\nidentity = \"day\"\nkey = %q\n", port, hex.EncodeToString(key))
	for i := range sensors {
		fmt.Fprintf(&text, "[[sensor]]\nname = \"sensor %d\"\ndriver = \"sim\"\nobject = 3303\nmin = 20\nmax = 30\n", i)
	}
	path := filepath.Join(dir, "agent.toml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	agent := exec.Command(program, "run", "-config", path, "-state", filepath.Join(dir, "state"), "-socket", filepath.Join(dir, "agent.sock"))
	agent.Stdout, agent.Stderr = log, log
	agent.Env = append(os.Environ(), "GOMAXPROCS=1") // as its services do
	return agent, agent.Start()
}

// observe waits for the registration, and has the server notified once an hour.
func observe(ctx context.Context, s *server.Server, events <-chan server.Event) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for registered := false; !registered; {
		select {
		case e := <-events:
			registered = e.Kind == server.Registered
		case <-ctx.Done():
			return fmt.Errorf("wait for the registration: %w", ctx.Err())
		}
	}
	c, ok := s.Client("day")
	if !ok {
		return errors.New("the registration is gone")
	}
	value := lwm2m.MustPath("/3303/0/5700")
	if err := c.WriteAttributes(ctx, value, "pmin=3600", "pmax=3600"); err != nil {
		return err
	}
	_, err := c.Observe(ctx, value)
	return err
}

// usage is what the agent has done until now, in bytes.
type usage struct{ written, sent, logged int64 }

func measure(pid int, dir string, r *relay) (u usage, err error) {
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return u, err
	}
	if _, err := fmt.Sscanf(string(io[strings.Index(string(io), "wchar:"):]), "wchar: %d", &u.written); err != nil {
		return u, fmt.Errorf("understand %q: %w", io, err)
	}
	info, err := os.Stat(filepath.Join(dir, "log"))
	if err != nil {
		return u, err
	}
	u.sent, u.logged = r.sent.Load(), info.Size()
	return u, nil
}

// relay stands between agent and server, and counts what the agent sends.
type relay struct {
	near, far *net.UDPConn
	sent      atomic.Int64
}

func newRelay(server int) (*relay, error) {
	loopback := net.IPv4(127, 0, 0, 1)
	near, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback})
	if err != nil {
		return nil, err
	}
	far, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: loopback, Port: server})
	if err != nil {
		return nil, err
	}
	r := &relay{near: near, far: far}
	go r.run()
	return r, nil
}

func (r *relay) port() int { return r.near.LocalAddr().(*net.UDPAddr).Port } //nolint:forcetypeassert // it is bound to one

// run passes datagrams on until this program ends.
func (r *relay) run() {
	var agent atomic.Pointer[net.UDPAddr]
	go func() {
		buf := make([]byte, 2048)
		for {
			n, err := r.far.Read(buf)
			if to := agent.Load(); err == nil && to != nil {
				_, _ = r.near.WriteToUDP(buf[:n], to)
			}
		}
	}()
	buf := make([]byte, 2048)
	for {
		n, from, err := r.near.ReadFromUDP(buf)
		if err != nil {
			return
		}
		agent.Store(from)
		r.sent.Add(int64(n))
		_, _ = r.far.Write(buf[:n])
	}
}
