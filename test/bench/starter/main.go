// Starter measures on the machine where it runs how long the agent takes from a cold start until it serves, and how fast that machine
// is. It knows the agent from outside: READY=1 (sd_notify(3)), the control socket, the first datagram to a server.
//
// Its arguments are the program and how often that is started. It prints microseconds: from before the process is made to the first answer at the
// control socket, to the first datagram (each the median), and what the machine takes for a fixed piece of work.
package main

import (
	"compress/flate"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	sensors  = 10
	patience = 30 * time.Second // with a start
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "starter:", err)
		os.Exit(1)
	}
}

func run(program, times string) error {
	n, err := strconv.Atoi(times)
	if err != nil {
		return err
	}
	var answered, registering []time.Duration
	for range n {
		a, r, err := start(program)
		if err != nil {
			return err
		}
		answered, registering = append(answered, a), append(registering, r)
	}
	fmt.Println(median(answered).Microseconds(), median(registering).Microseconds(), work().Microseconds())
	return nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// start starts the agent with nothing that an earlier one has left, and ends it.
func start(program string) (answered, registering time.Duration, err error) {
	dir, err := os.MkdirTemp("", "starter")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	at := func(name string) string { return filepath.Join(dir, name) }
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at("notify"), Net: "unixgram"})
	if err != nil {
		return 0, 0, err
	}
	defer ready.Close()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, 0, err
	}
	defer server.Close()
	if err := os.WriteFile(at("agent.toml"), []byte(configuration(server.LocalAddr().String())), 0o600); err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(program, "run", "-config", at("agent.toml"), "-state", at("state"), "-socket", at("agent.sock"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+at("notify"))
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	// The two come in either order, or at once.
	first := make(chan error, 1)
	go func() {
		err := await(server, "")
		registering = time.Since(began)
		first <- err
	}()
	if err = await(ready, "READY=1"); err == nil {
		err = ask(at("agent.sock"))
		answered = time.Since(began)
	}
	return answered, registering, errors.Join(err, <-first)
}

func configuration(server string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "endpoint = \"starter\"\n[[server]]\nuri = \"coap://%s\"\nshort_server_id = 101\n", server)
	for i := range sensors {
		fmt.Fprintf(&text, "[[sensor]]\nname = \"sensor %d\"\ndriver = \"sim\"\nobject = 3303\nmin = 20\nmax = 30\n", i)
	}
	return text.String()
}

// await waits for a message that begins with something.
func await(from net.Conn, what string) error {
	if err := from.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	message := make([]byte, 2048)
	for {
		n, err := from.Read(message)
		if err != nil || strings.HasPrefix(string(message[:n]), what) {
			return err
		}
	}
}

// ask makes a request at the control socket.
func ask(socket string) error {
	conn, err := net.DialTimeout("unix", socket, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: agent\r\n\r\n")); err != nil {
		return err
	}
	return await(conn, "HTTP/1.1 200 ")
}

// work times the compression of the same text, by the same code whatever the processor: none of it is in assembler.
func work() time.Duration {
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintln(&text, i*i)
	}
	began := time.Now()
	w, err := flate.NewWriter(&strings.Builder{}, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write([]byte(text.String()))
	}
	if err != nil {
		panic(err) // memory takes everything
	}
	return time.Since(began)
}
