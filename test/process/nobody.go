package process

import (
	"os"
	"os/exec"
	"strings"
	"syscall"

	"lwm2m-agent/test/workspace"
)

// AsNobody runs the test that calls it in a process of a user who may not read and write everything, as root may. The test fails if it does
// not pass there.
func AsNobody(t workspace.T) {
	t.Helper()
	const nobody = 65534
	c := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^"+t.Name()+"$")
	c.Env, c.Dir = append(os.Environ(), "TMPDIR=/tmp"), "/" // where every user may write
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v: %s", err, out)
	}
}
