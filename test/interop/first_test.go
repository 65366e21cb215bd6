//go:build interop

package interop

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/workspace"
)

// firstConnection finds in docs/install.md what is typed into Leshan's page and into a file of the gateway.
var firstConnection = regexp.MustCompile("(?s)endpoint `([^`]+)`, Pre-Shared Key, identity `([^`]+)`, key `([^`]+)`.*?echo (\\S+) \\| install .*? /etc/lwm2m-agent/(keys/\\S+).*?```toml\\n(.*?)```")

// TestFirstConnection does what docs/install.md tells for a first connection, with the demo server that it names.
func TestFirstConnection(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(workspace.Root(t), "docs/install.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := firstConnection.FindSubmatch(page)
	if found == nil {
		t.Fatal("docs/install.md has no first connection")
	}
	endpoint, identity, key, file, toml := string(found[1]), string(found[2]), string(found[3]), string(found[5]), string(found[6])
	if key != string(found[4]) {
		t.Errorf("Leshan gets the key %s, the gateway %s", key, found[4])
	}
	secret, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	l := leshan.StartDemo(t, leshan.Options{})
	if !strings.Contains(string(page), leshan.DemoJar) {
		t.Errorf("docs/install.md has another server than %s", leshan.DemoJar)
	}
	l.PSK(t, endpoint, identity, secret)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := gateway.Start(t, strings.NewReplacer("coaps://leshan.example.com:5684", l.CoAPS, "../keys", folder).Replace(toml))
	l.AwaitRegistered(t, endpoint, patience)
	a.AwaitStatus(t, "registered", func(s gateway.Status) bool { return len(s.Servers) == 1 && s.Servers[0].State == "registered" })
}
