package bare

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

//go:embed bare.sh
var script []byte

// Start runs a command in a bare system of a Debian suite (bookworm, trixie), in a copy of this repository. A SIGTERM to the process is
// passed on to the command; the system is gone when it has ended. What it printed is an artifact of the test.
func Start(t workspace.T, suite string, command ...string) *process.Process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bare.sh")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		t.Fatalf("make a bare system: %v", err)
	}
	arguments := append([]string{"bash", path, suite, filepath.Join(workspace.Cache(t), "bare"), workspace.Root(t)}, command...)
	if os.Geteuid() != 0 {
		arguments = append([]string{"sudo", "--preserve-env"}, arguments...)
	}
	cmd := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...)
	return process.Start(t, cmd, workspace.Artifact(t, suite+".log"))
}
