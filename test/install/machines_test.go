//go:build install

package install

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
	"lwm2m-agent/test/workspace"
)

// patience is how long an emulated program may take.
const patience = time.Minute

// TestOtherMachines runs the small program of routers, in QEMU's user mode, of both byte orders and word lengths: it says its version,
// checks its configuration, registers, serves a server and local users, and ends in order. It is the program of the packages, but for the
// routers with the other byte order, which have none.
func TestOtherMachines(t *testing.T) {
	t.Parallel()
	for qemu, arch := range map[string]string{"qemu-arm-static": "arm_cortex-a7_neon-vfpv4", "qemu-aarch64-static": "aarch64_cortex-a53", "qemu-mipsel-static": "mipsel_24kc"} {
		t.Run(qemu, func(t *testing.T) {
			dir := t.TempDir()
			place(t, dir, "lwm2m-agent", open(t, packaged(t, arch, "1.0", "*_"+arch+".ipk")).files["/usr/bin/lwm2m-agent"])
			runsElsewhere(t, qemu, filepath.Join(dir, "lwm2m-agent"))
		})
	}
	t.Run("qemu-mips-static", func(t *testing.T) {
		program := filepath.Join(t.TempDir(), "lwm2m-agent")
		build := exec.CommandContext(t.Context(), filepath.Join(workspace.Root(t), "packaging/build.sh"), program, "small")
		build.Env = append(os.Environ(), "GOARCH=mips", "GOMIPS=softfloat")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
		runsElsewhere(t, "qemu-mips-static", program)
	})
}

func runsElsewhere(t *testing.T, qemu, program string) {
	t.Helper()
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, qemu, append([]string{program}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	s, uri := listen(t)
	events, end := s.Events(10)
	defer end()
	text := "endpoint = 'router'\n[[server]]\nshort_server_id = 101\nuri = '" + uri + "'\n[[sensor]]\nname = 'a'\ndriver = 'sim'\nobject = 3303\nmin = 20\nmax = 30\n"
	if err := os.WriteFile(filepath.Join(dir, "agent.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run("version"); !strings.Contains(out, "1.0, 1.1, 1.2") {
		t.Errorf("version says %s", out)
	}
	if out := run("check", "-config", "agent.toml"); !strings.Contains(out, "the configuration is valid") {
		t.Errorf("check says %s", out)
	}
	var log bytes.Buffer
	agent := exec.CommandContext(t.Context(), qemu, program, "run", "-config", "agent.toml", "-state", "state", "-socket", "agent.sock")
	agent.Dir, agent.Stdout, agent.Stderr = dir, &log, &log
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	select {
	case e := <-events:
		if e.Kind != server.Registered || e.Registration.Endpoint != "router" {
			t.Errorf("%v of %s", e.Kind, e.Registration.Endpoint)
		}
	case err := <-ended:
		t.Fatalf("the agent has ended: %v\n%s", err, log.Bytes())
	case <-time.After(patience):
		t.Error("no registration")
	}
	if c, ok := s.Client("router"); ok {
		nodes, err := c.Read(t.Context(), lwm2m.MustPath("/3303/0/5700"))
		if err != nil || len(nodes) != 1 {
			t.Errorf("the server reads %v, %v", nodes, err)
		} else if v := nodes[0].Value.Float(); v < 20 || v > 30 {
			t.Errorf("the server reads %v", nodes)
		}
	}
	if out := run("status", "-socket", "agent.sock"); !strings.Contains(out, "registered") {
		t.Errorf("status says %s", out)
	}
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v\n%s", err, log.Bytes())
	}
}

// listen runs a server until the test ends.
func listen(t *testing.T) (s *server.Server, uri string) {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s = server.New(server.Config{Shapes: model.Shapes(registry.Definitions())})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, socket) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.Wait()
	})
	return s, "coap://" + socket.LocalAddr().String()
}
