// Command peer is a LwM2M server for the trial of an installed agent: it prints a line
// for each registration, and what it reads of a client that registers, and goes on reading. "peer forward FROM TO" carries
// connections between two unix sockets. "peer modem TRANSCRIPT" is a modem at a pseudo-terminal, whose path it prints and
// that everybody may open; "peer modem TRANSCRIPT NAME..." is one behind sockets, for ModemManager. It must not know the agent.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/objects/registry"
	"lwm2m-agent/test/modemmanager"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "forward":
		err = forward(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "modem":
		err = modem(ctx, args[1])
	case len(args) > 2 && args[0] == "modem":
		err = managed(ctx, args[1], args[2:])
	default:
		err = serve(ctx, "127.0.0.1:5683", "127.0.0.1:5684")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// serve is a server at two addresses, of which one takes a pre-shared key. What is said of clients of the other ends in "secure".
func serve(ctx context.Context, open, secure string) error {
	plain, err := net.ResolveUDPAddr("udp", open)
	if err != nil {
		return err
	}
	closed, err := net.ResolveUDPAddr("udp", secure)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", plain)
	if err != nil {
		return err
	}
	known := new(server.Keys)
	known.Add("gw-17", []byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}, "") // that of docs/install.md
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions())})
	k := server.New(server.Config{Shapes: model.Shapes(registry.Definitions()), Keys: known})
	listener, err := k.ListenSecure(closed)
	if err != nil {
		return errors.Join(err, socket.Close())
	}
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(ctx, socket) }()
	go func() { ended <- k.ServeSecure(ctx, listener) }()
	go tell(ctx, k, " secure")
	tell(ctx, s, "")
	err = errors.Join(<-ended, <-ended)
	s.Wait()
	k.Wait()
	return err
}

// tell prints what happens at a server, until ctx ends.
func tell(ctx context.Context, s *server.Server, suffix string) {
	events, end := s.Events(100)
	defer end()
	stop := func() {}
	for {
		select {
		case e := <-events:
			fmt.Println(e.Kind, e.Registration.Endpoint+suffix)
			switch c, ok := s.Client(e.Registration.Endpoint); {
			case e.Kind == server.Registered && ok:
				stop()
				reading, end := context.WithCancel(ctx)
				stop = end
				go read(reading, c, e.Registration.ID, suffix)
			case e.Kind == server.Deregistered:
				stop()
			}
		case <-ctx.Done():
			return
		}
	}
}

// read prints what the client says its manufacturer is, again and again as long as it has this registration. An agent that is
// away for a moment costs a request retransmissions, and no more.
func read(ctx context.Context, c *server.Client, id, suffix string) {
	pause := time.NewTicker(200 * time.Millisecond)
	defer pause.Stop()
	for c.Registration().ID == id {
		nodes, err := c.Read(ctx, lwm2m.MustPath("/3/0/0"))
		if ctx.Err() != nil {
			return
		}
		fmt.Printf("read /3/0/0%s: %v %v\n", suffix, nodes, err)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

func modem(ctx context.Context, transcript string) error {
	_, port, unplug, err := attest.PlugIn(transcript)
	if err != nil {
		return err
	}
	defer unplug()
	if err := os.Chmod(port, 0o666); err != nil {
		return err
	}
	fmt.Println(port)
	<-ctx.Done()
	return nil
}

// managed is a modem at sockets.
func managed(ctx context.Context, transcript string, names []string) error {
	m, err := modemmanager.Simulate(transcript)
	if err != nil {
		return err
	}
	m.Keep(20)
	for _, name := range names {
		end, err := modemmanager.Serve(name, m)
		if err != nil {
			return err
		}
		defer end()
	}
	fmt.Println("serving")
	<-ctx.Done()
	return nil
}
