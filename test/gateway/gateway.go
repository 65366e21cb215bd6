// Package gateway runs the agent as a process of its own, as a gateway does, and
// asks it through its command line. It knows the binary's command line and
// configuration file, and nothing of what is inside.
package gateway

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// Binary builds the agent as it ships for this machine, once for a test process, and returns
// its path. env are further settings such as "GOARCH=arm".
func Binary(t workspace.T, env ...string) string {
	t.Helper()
	key := strings.Join(env, " ")
	builds.Lock()
	defer builds.Unlock()
	if path := builds.done[key]; path != "" {
		return path
	}
	dir, err := os.MkdirTemp("", "lwm2m-agent-build-")
	if err != nil {
		t.Fatalf("build the agent: %v", err)
	}
	path := filepath.Join(dir, "lwm2m-agent")
	cmd := exec.CommandContext(t.Context(), filepath.Join(workspace.Root(t), "packaging", "build.sh"), path)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	if builds.done == nil {
		builds.done = make(map[string]string)
	}
	builds.done[key] = path
	return path
}

// builds are the binaries of this test process.
var builds struct {
	sync.Mutex
	done map[string]string
}

// RemoveBinaries removes what Binary built; TestMain calls it at the end.
func RemoveBinaries() {
	builds.Lock()
	defer builds.Unlock()
	for _, path := range builds.done {
		_ = os.RemoveAll(filepath.Dir(path)) // a temporary folder
	}
	builds.done = nil
}

// Agent is a running agent.
type Agent struct {
	*process.Process
	Dir    string // holds agent.toml, state and agent.sock
	binary string
	log    string
	env    []string
}

// Start starts the agent with a configuration.
func Start(t workspace.T, toml string) *Agent {
	t.Helper()
	return StartIn(t, toml)
}

// StartIn is Start with variables besides those of the environment, such as "SSL_CERT_FILE=roots.pem".
func StartIn(t workspace.T, toml string, env ...string) *Agent {
	t.Helper()
	a := &Agent{Dir: t.TempDir(), binary: Binary(t), log: workspace.Artifact(t, "agent.log"), env: env}
	a.Configure(t, toml)
	a.Restart(t)
	return a
}

// Configure writes the configuration, which the agent reads at its next start.
func (a *Agent) Configure(t workspace.T, toml string) {
	t.Helper()
	if err := os.WriteFile(a.path("agent.toml"), []byte(toml), 0o600); err != nil {
		t.Fatalf("configure the agent: %v", err)
	}
}

// Restart starts the agent again in the same folder; the former process must
// have ended.
func (a *Agent) Restart(t workspace.T, flags ...string) {
	t.Helper()
	args := append([]string{"run", "-config", a.path("agent.toml"), "-state", a.path("state"), "-socket", a.Socket()}, flags...)
	cmd := exec.CommandContext(t.Context(), a.binary, args...)
	cmd.Env = append(os.Environ(), a.env...)
	a.Process = process.Start(t, cmd, a.log)
}

func (a *Agent) path(name string) string { return filepath.Join(a.Dir, name) }

// Socket is the path of the control socket.
func (a *Agent) Socket() string { return a.path("agent.sock") }

// Run runs a command of the agent's binary against the running agent and returns
// its output and exit status.
func (a *Agent) Run(t workspace.T, command string, args ...string) (output string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), a.binary, append([]string{command, "-socket", a.Socket()}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("run lwm2m-agent %s: %v", command, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// Beside starts a command of the agent's binary against the running agent. The log of what it prints is
// kept under its name and its first argument.
func (a *Agent) Beside(t workspace.T, command string, args ...string) *process.Process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), a.binary, append([]string{command, "-socket", a.Socket()}, args...)...)
	return process.Start(t, cmd, workspace.Artifact(t, command+strings.Join(args[:min(len(args), 1)], "")+".log"))
}

// Must is Run for a command that must succeed.
func (a *Agent) Must(t workspace.T, command string, args ...string) string {
	t.Helper()
	out, status := a.Run(t, command, args...)
	if status != 0 {
		t.Fatalf("lwm2m-agent %s %s: exit status %d: %s", command, strings.Join(args, " "), status, out)
	}
	return out
}

// Status is what "status -json" prints, as far as tests look at it.
type Status struct {
	Endpoint string
	Servers  []struct {
		ShortServerID                     int `json:"short_server_id"`
		URI, State, Words, Transport, CID string
		LastError                         string `json:"last_error"`
		Remedy                            string
		Queued                            int
	}
	Modems []struct{ Name, State, Words string }
	SMS    struct{ Received, Woken, Ignored int }
	Health []struct{ Code, On, Detail, Remedy string }
}

// Status asks the running agent.
func (a *Agent) Status(t workspace.T) Status {
	t.Helper()
	var s Status
	out := a.Must(t, "status", "-json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("status -json: %v in %s", err, out)
	}
	return s
}

// AwaitStatus waits until the status fits.
func (a *Agent) AwaitStatus(t workspace.T, what string, fits func(Status) bool) Status {
	t.Helper()
	// A server that is silent is given MAX_TRANSMIT_WAIT, 93 s.
	const between, limit = 100 * time.Millisecond, 4 * time.Minute
	var last Status
	for end := time.Now().Add(limit); time.Now().Before(end); {
		out, status := a.Run(t, "status", "-json")
		if status == 0 && json.Unmarshal([]byte(out), &last) == nil && fits(last) {
			return last
		}
		select {
		case <-time.After(between):
		case <-t.Context().Done():
			t.Fatalf("%v", t.Context().Err())
		}
	}
	t.Fatalf("waited %v for: %s; the status is %+v", limit, what, last)
	return last
}
