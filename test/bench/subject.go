package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
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

// startAgent starts the agent with a number of sensors that never sample while
// it is measured.
func (b *bench) startAgent(p *peer, sensors int) *process.Process {
	dir := b.TempDir()
	var t strings.Builder
	fmt.Fprintf(&t, "endpoint = \"bench\"\n[[server]]\nuri = %q\nshort_server_id = 101\n", p.uri)
	if p.identity != "" {
		fmt.Fprintf(&t, "identity = %q\nkey = %q\n", p.identity, hex.EncodeToString(p.key))
	}
	for i := range sensors {
		fmt.Fprintf(&t, "[[sensor]]\nname = \"sensor %d\"\ndriver = \"sim\"\nobject = 3303\nmin = 20\nmax = 30\ninterval = \"24h\"\n", i)
	}
	path := filepath.Join(dir, "agent.toml")
	b.must(os.WriteFile(path, []byte(t.String()), 0o600), "write the configuration")
	cmd := exec.CommandContext(b.ctx, b.agent, "run", "-config", path, "-state", filepath.Join(dir, "state"), "-socket", filepath.Join(dir, "agent.sock"))
	return process.Start(b, cmd, filepath.Join(dir, "agent.log"))
}

// startConstant starts this program as a client of nothing but the message layer.
func (b *bench) startConstant(p *peer) {
	self, err := os.Executable()
	b.must(err, "find this program")
	cmd := exec.CommandContext(b.ctx, self, "-constant", strings.TrimPrefix(p.uri, "coap://"))
	process.Start(b, cmd, filepath.Join(b.temp, "constant.log"))
}

// startJava starts Leshan's client with ten sensors.
func (b *bench) startJava(p *peer) *leshan.JavaClient {
	def, ok := registry.Definitions().Object(3303)
	if !ok {
		b.Fatalf("object 3303 is not in the registry")
	}
	return leshan.StartClient(b, leshan.ClientOptions{
		URI: p.uri, Endpoint: "bench", Identity: p.identity, Key: p.key, Lifetime: 24 * time.Hour, Models: []model.Definition{*def},
	})
}
