package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// build builds the agent as it ships.
func (b *bench) build(to string, tags []string, env ...string) {
	cmd := exec.CommandContext(b.ctx, filepath.Join(workspace.Root(b), "packaging", "build.sh"), append([]string{to}, tags...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("build the agent: %v\n%s", err, out)
	}
}

// install copies a program in writes of 10,240 bytes, as tar and with it dpkg lay it down. The linker leaves it in memory page by
// page, and each start would have more page faults than one of an installed program.
func install(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 20*512))
	return errors.Join(err, out.Close())
}

// configure writes a configuration with a number of sensors that never sample while
// the agent is measured, and returns its path.
func (b *bench) configure(sensors int, peers ...*peer) string {
	var t strings.Builder
	fmt.Fprintf(&t, "endpoint = \"bench\"\ntest_object = true\n")
	for i, p := range peers {
		fmt.Fprintf(&t, "[[server]]\nuri = %q\nshort_server_id = %d\n", p.uri, 101+i)
		if p.identity != "" {
			fmt.Fprintf(&t, "identity = %q\nkey = %q\n", p.identity, hex.EncodeToString(p.key))
		}
	}
	for i := range sensors {
		fmt.Fprintf(&t, "[[sensor]]\nname = \"sensor %d\"\ndriver = \"sim\"\nobject = 3303\nmin = 20\nmax = 30\ninterval = \"24h\"\n", i)
	}
	path := filepath.Join(b.TempDir(), "agent.toml")
	b.must(os.WriteFile(path, []byte(t.String()), 0o600), "write the configuration")
	return path
}

// extend adds sections to a configuration.
func (b *bench) extend(path, sections string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	b.must(err, "open the configuration")
	_, err = file.WriteString(sections)
	b.must(err, "extend the configuration")
	b.must(file.Close(), "extend the configuration")
}

// startAgent starts the agent as a process of its own.
func (b *bench) startAgent(p *peer, sensors int, more ...*peer) *process.Process {
	return b.launch(b.configure(sensors, append([]*peer{p}, more...)...))
}

// launch starts the agent with a configuration, and with what an earlier one has left beside it.
func (b *bench) launch(path string, env ...string) *process.Process {
	dir := filepath.Dir(path)
	cmd := exec.CommandContext(b.ctx, b.agent, "run", "-config", path, "-state", filepath.Join(dir, "state"), "-socket", filepath.Join(dir, "agent.sock"))
	cmd.Env = append(append(os.Environ(), "GOMAXPROCS=1"), env...) // as its services do
	return process.Start(b, cmd, filepath.Join(dir, "agent.log"))
}

// startConstant starts this program as a client of nothing but the message layer.
func (b *bench) startConstant(p *peer) {
	self, err := os.Executable()
	b.must(err, "find this program")
	cmd := exec.CommandContext(b.ctx, self, "-constant", p.address())
	process.Start(b, cmd, filepath.Join(b.temp, "constant.log"))
}

// startJava starts Leshan's client with ten sensors.
func (b *bench) startJava(p *peer) *leshan.JavaClient {
	return leshan.StartClient(b, leshan.ClientOptions{
		URI: p.uri, Endpoint: "bench", Identity: p.identity, Key: p.key, Lifetime: 24 * time.Hour, Models: leshan.Models(b, 3303),
	})
}
