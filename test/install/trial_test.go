//go:build install || soak

package install

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"lwm2m-agent/fota/plain/plaintest"
	"lwm2m-agent/test/workspace"
)

//go:embed trial.sh
var trial []byte

//go:embed base.sh
var base []byte

//go:embed nspawn.sh
var nspawn []byte

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range made.folders {
		_ = os.RemoveAll(dir) // a temporary folder
	}
	os.Exit(code)
}

// made are the folders with packages of this test process, by version and family of architectures.
var made = struct {
	sync.Mutex
	folders map[string]string
}{folders: make(map[string]string)}

// families are made at once: what accompanies the program is the same.
var families = [][]string{{"amd64"}, {"x86_64", "aarch64_cortex-a53", "arm_cortex-a7_neon-vfpv4", "mipsel_24kc"}}

// packaged makes the packages of a family of architectures, once for each version, and returns the path of the one
// that matches form.
func packaged(t *testing.T, arch, version, form string) string {
	t.Helper()
	family := families[slices.IndexFunc(families, func(f []string) bool { return slices.Contains(f, arch) })]
	key := version + " " + family[0]
	made.Lock()
	defer made.Unlock()
	if made.folders[key] == "" {
		dir, err := os.MkdirTemp("", "lwm2m-agent-package-") //nolint:usetesting // it outlives the test
		if err != nil {
			t.Fatal(err)
		}
		made.folders[key] = dir
		makePackages(t, dir, family, "VERSION="+version)
	}
	found, err := filepath.Glob(filepath.Join(made.folders[key], form))
	if err != nil || len(found) != 1 {
		t.Fatalf("./dev package made %v (%v), want one %s", found, err, form)
	}
	return found[0]
}

// makePackages makes packages in a folder.
func makePackages(t *testing.T, dir string, architectures []string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(workspace.Root(t), "dev"), append([]string{"package", dir}, architectures...)...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("./dev package: %v\n%s", err, out)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// firmware makes a package of a system, of which each word is the same.
func firmware(s plaintest.Signer, word string) []byte {
	return plaintest.Compose(s, "14", []plaintest.Image{{Name: "rootfs", Content: bytes.Repeat([]byte(word), 20_000_000), Gzip: true}}, "compatible = lab")
}

// checkInstalled tries install, use, upgrade, removal and purge in a Debian.
func checkInstalled(t *testing.T, suite string) {
	t.Helper()
	payload, vendor := t.TempDir(), plaintest.NewSigner("vendor01")
	for name, content := range map[string][]byte{
		"trial.sh": trial, "first.sh": firstConnection(t), "old.deb": read(t, packaged(t, "amd64", "1.0", "*.deb")), "new.deb": read(t, packaged(t, "amd64", "1.1", "*.deb")),
		"vendor.pub": vendor.PublicKey(), "new.pkg": firmware(vendor, "new"), "foreign.pkg": firmware(plaintest.NewSigner("stranger"), "bad"),
		"modem.at":   read(t, filepath.Join(workspace.Root(t), "modem/at/testdata/module/bg95.at")),
		"managed.at": read(t, filepath.Join(workspace.Root(t), "test/modemmanager/testdata/modem.at")),
	} {
		if err := os.WriteFile(filepath.Join(payload, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(payload, "peer"), "./test/install/peer")
	build.Dir, build.Env = workspace.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the peer: %v\n%s", err, out)
	}
	v := newVisitor(t)
	boot := asRoot(t, nspawn, debian(t, suite), payload, v.folder)
	var out []byte
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out, err = boot.CombinedOutput()
	}()
	v.visits(t, ended)
	<-ended
	if err != nil {
		t.Fatalf("boot the system: %v\n%s", err, out)
	}
	allHold(t, trial, out, "trial.log")
}

// firstConnection returns what docs/install.md tells to do on a gateway for a first connection, with the server on this machine.
func firstConnection(t *testing.T) []byte {
	t.Helper()
	m := regexp.MustCompile("(?s)gateway, as root, the key:\n\n(    echo .*?)\n\nand `(/etc/\\S+)`.*?```toml\n(.*?)```\n\n(.*?)\n\n").
		FindSubmatch(read(t, filepath.Join(workspace.Root(t), "docs/install.md")))
	if m == nil {
		t.Fatal("docs/install.md has no first connection")
	}
	toml := bytes.Replace(m[3], []byte("leshan.example.com"), []byte("127.0.0.1"), 1)
	return fmt.Appendf(nil, "%s\ncat >%s <<'TOML'\n%sTOML\n%s\n", m[1], m[2], toml, m[4])
}

// debian returns the archive of a Debian of a suite with systemd, which is made once.
func debian(t *testing.T, suite string) string {
	t.Helper()
	out, err := asRoot(t, base, suite, filepath.Join(workspace.Cache(t), "install")).Output()
	if err != nil {
		t.Fatalf("make a Debian: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// asRoot is the command that runs a script as root.
func asRoot(t *testing.T, script []byte, arguments ...string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script.sh")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		t.Fatal(err)
	}
	arguments = append([]string{"bash", path}, arguments...)
	if os.Geteuid() != 0 {
		arguments = append([]string{"sudo"}, arguments...)
	}
	return exec.CommandContext(t.Context(), arguments[0], arguments[1:]...)
}

// allHold reports what does not hold in the output of a script, which is kept as an artifact, and what it did not
// come to.
func allHold(t *testing.T, script, out []byte, name string) {
	t.Helper()
	if err := os.WriteFile(workspace.Artifact(t, name), out, 0o600); err != nil {
		t.Error(err)
	}
	held := 0
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "ok: ") {
			held++
		} else {
			t.Error(strings.TrimSpace(line))
		}
	}
	if want := len(regexp.MustCompile(`(?m)^(hold|soon|refuse) `).FindAll(script, -1)); held != want {
		t.Errorf("%d things held, want %d", held, want)
	}
}
