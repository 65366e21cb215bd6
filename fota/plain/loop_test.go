//go:build rig

package plain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRigDeviceInUse writes to a block device, and to one that something else holds, as
// a mount does.
func TestRigDeviceInUse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has block devices")
	}
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "losetup", "--find", "--show", file).CombinedOutput()
	if err != nil {
		t.Skipf("this kernel gives no loop device: %v: %s", err, out)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	content := bytes.Repeat([]byte("system "), 400_000)
	sum := sha256.Sum256(content)
	image := Image{Name: "rootfs", Size: int64(len(content)), Sum: hex.EncodeToString(sum[:])}
	held, err := os.OpenFile(device, os.O_RDONLY|unix.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), device, image, bytes.NewReader(content)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a device in use is written: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), device, image, bytes.NewReader(content)); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(file); err != nil || len(got) != 4<<20 || !bytes.HasPrefix(got, content) || got[len(content)] != 0 {
		t.Errorf("the device has %d bytes and not the image: %v", len(got), err)
	}
	if size, err := room(device); err != nil || size != 4<<20 {
		t.Errorf("the device has room for %d bytes, %v", size, err)
	}
}
