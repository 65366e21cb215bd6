// Command peer is a LwM2M server for the trial of an installed agent: it prints a line
// for each registration, and what it reads of a client that registers, and goes on reading. "peer forward FROM TO" carries
// connections between two unix sockets. "peer modem TRANSCRIPT" is a modem at a pseudo-terminal, whose path it prints and
// that everybody may open. It must not know the agent.
package main

import (
	"context"
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "forward":
		err = forward(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "modem":
		err = modem(ctx, args[1])
	default:
		err = serve(ctx, "127.0.0.1:5683")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, address string) error {
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", at)
	if err != nil {
		return err
	}
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions())})
	events, end := s.Events(100)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, socket) }()
	for {
		select {
		case e := <-events:
			fmt.Println(e.Kind, e.Registration.Endpoint)
			if c, ok := s.Client(e.Registration.Endpoint); ok && e.Kind == server.Registered {
				go read(ctx, c, e.Registration.ID)
			}
		case err := <-ended:
			s.Wait()
			return err
		}
	}
}

// read prints what the client says its manufacturer is, again and again as long as it has this registration. An agent that is
// away for a moment costs a request retransmissions, and no more.
func read(ctx context.Context, c *server.Client, id string) {
	pause := time.NewTicker(200 * time.Millisecond)
	defer pause.Stop()
	for c.Registration().ID == id {
		nodes, err := c.Read(ctx, lwm2m.MustPath("/3/0/0"))
		fmt.Println("read /3/0/0:", nodes, err)
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
