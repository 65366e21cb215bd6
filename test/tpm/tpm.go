// Package tpm runs a TPM 2.0 in software (swtpm) beside a test. It knows the simulator
// and nothing of what is done with it.
package tpm

import (
	"net"
	"os/exec"
	"path/filepath"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// TPM is a running simulator.
type TPM struct {
	*process.Process
	Socket string // what takes commands, as the kernel's device does

	folder string
}

// Start manufactures a TPM and starts it.
func Start(t workspace.T) *TPM {
	t.Helper()
	s := &TPM{folder: t.TempDir()}
	// An empty folder is no TPM: swtpm would answer TPM_RC_FAILURE to everything.
	setup := exec.CommandContext(t.Context(), "swtpm_setup", "--tpm2", "--tpm-state", s.folder, "--overwrite")
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("manufacture a TPM: %v\n%s", err, out)
	}
	s.Restart(t)
	return s
}

// Restart starts the TPM again, as a reboot does; the former process must have ended.
func (s *TPM) Restart(t workspace.T) {
	t.Helper()
	s.Socket = filepath.Join(t.TempDir(), "s") // short: the path of a socket may not be long
	cmd := exec.CommandContext(t.Context(), "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+s.folder,
		"--server", "type=unixio,path="+s.Socket, "--flags", "not-need-init,startup-clear")
	s.Process = process.Start(t, cmd, workspace.Artifact(t, "swtpm.log"))
	for end := time.Now().Add(20 * time.Second); ; {
		if conn, err := net.Dial("unix", s.Socket); err == nil { // it is there before it is listened on
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("swtpm does not open %s", s.Socket)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("%v", t.Context().Err())
		}
	}
}
