package arch

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"
)

func TestArchitecture(t *testing.T) {
	found, err := check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// file is a module of one package with one file, that imports what is named.
func file(name string, imports ...string) fstest.MapFS {
	var text strings.Builder
	fmt.Fprintf(&text, "// Package p is here to be checked.\npackage p\n")
	for _, i := range imports {
		fmt.Fprintf(&text, "import _ %q\n", i)
	}
	return fstest.MapFS{
		"go.mod": &fstest.MapFile{Data: []byte("module m\n\ngo 1.26.0\n")},
		name:     &fstest.MapFile{Data: []byte(text.String())},
	}
}

// TestImports shows for each rule that it refuses what it must and lets pass what it may.
func TestImports(t *testing.T) {
	tests := []struct {
		file, path string
		refusal    string // empty: allowed
	}{
		{"lwm2m/a.go", "m/lwm2m/wire/tlv", "the vocabulary stands on nothing"},
		{"lwm2m/a.go", "strconv", ""},
		{"lwm2m/a.go", "net", "no I/O"},
		{"lwm2m/a.go", "net/netip", ""},
		{"lwm2m/a.go", "log/slog", "no I/O and no logging"},
		{"lwm2m/wire/tlv/a.go", "os", "no I/O"},
		{"lwm2m/wire/tlv/a.go", "m/lwm2m", ""},
		{"lwm2m/wire/tlv/a.go", "m/lwm2m/wire/text", ""},
		{"lwm2m/wire/a.go", "m/lwm2m/model", "know no tree"},
		{"lwm2m/wire/a.go", "m/lwm2m/wire/tlv", ""},
		{"lwm2m/model/a.go", "m/lwm2m/wire", "knows neither formats nor sockets"},
		{"lwm2m/model/a.go", "m/lwm2m/coap", "knows neither formats nor sockets"},
		{"lwm2m/model/a.go", "os/exec", "no I/O"},
		{"lwm2m/coap/a.go", "m/lwm2m", "knows nothing of LwM2M"},
		{"lwm2m/coap/a.go", "m/lwm2m/dtls", "knows nothing of LwM2M"},
		{"lwm2m/coap/a.go", "net", ""},
		{"lwm2m/dtls/a.go", "m/lwm2m/coap", "know neither CoAP nor LwM2M"},
		{"lwm2m/client/a.go", "m/lwm2m/coap", ""},
		{"lwm2m/client/a.go", "m/lwm2m/server", "free of Linux and of the other end"},
		{"lwm2m/client/a.go", "m/objects", "free of Linux"},
		{"lwm2m/client/a.go", "m/hw", "free of Linux"},
		{"lwm2m/server/a.go", "m/agent", "does not know the agent"},
		{"objects/a.go", "m/lwm2m/model", ""},
		{"objects/a.go", "m/hw", "only in agent/bind"},
		{"objects/a.go", "m/agent/store", "only in agent/bind"},
		{"hw/a.go", "m/lwm2m", "knows no LwM2M"},
		{"hw/lm75/a.go", "m/hw", ""},
		{"hw/a.go", "m/modem", "knows no LwM2M"},
		{"modem/at/a.go", "m/modem", ""},
		{"modem/a.go", "m/host", "knows no LwM2M"},
		{"host/a.go", "m/lwm2m/model", "knows no LwM2M"},
		{"fota/a.go", "m/lwm2m", ""},
		{"fota/a.go", "m/lwm2m/coap", "no transport"},
		{"fota/rauc/a.go", "m/fota", ""},
		{"agent/a.go", "m/agent/store", ""},
		{"agent/a.go", "m/hw", ""},
		{"agent/a.go", "m/cmd/x", "the agent composes"},
		{"agent/bind/a.go", "m/objects", ""},
		{"agent/apps/a.go", "m/lwm2m/model", ""},
		{"agent/apps/a.go", "m/agent/control", "how they connect is the affair of agent/control"},
		{"agent/apps/a.go", "m/agent/store", "how they connect"},
		{"agent/bind/a.go", "m/agent/web", "joined here"},
		{"agent/store/a.go", "m/lwm2m", "does not know what its records mean"},
		{"agent/web/a.go", "m/hw", "stands on the control interface"},
		{"agent/control/a.go", "m/objects", "through its own interfaces"},
		{"agent/demo/a.go", "m/lwm2m/server", ""},
		{"agent/demo/a.go", "m/agent/bind", "the agent composes them"},
		{"agent/ets/a.go", "m/lwm2m/server", ""},
		{"agent/ets/a.go", "m/objects", "through an interface"},
		{"cmd/x/a.go", "m/agent", ""},
		{"cmd/x/a.go", "m/agent/ets", ""},
		{"cmd/x/a.go", "m/hw", "calls the agent"},
		{"test/x/a.go", "m/hw", ""},
		{"hw/a.go", "m/test/rig", "knows no LwM2M"},
		{"newcomer/a.go", "m/lwm2m", "has no place yet"},
		{"lwm2m/coap/a.go", "github.com/plgd-dev/go-coap/v3/message", ""},
		{"lwm2m/client/a.go", "github.com/plgd-dev/go-coap/v3/message", "at home in lwm2m/coap"},
		{"lwm2m/server/a.go", "github.com/pion/dtls/v3", ""},
		{"lwm2m/client/a.go", "github.com/pion/dtls/v3", "at home in lwm2m/dtls"},
		{"objects/a.go", "github.com/example/left-pad", "has no home yet"},
		{"test/x/a.go", "periph.io/x/conn/v3/i2c", ""},
	}
	for _, tt := range tests {
		t.Run(path.Dir(tt.file)+" imports "+tt.path, func(t *testing.T) {
			wantRefusal(t, file(tt.file, tt.path), tt.refusal)
		})
	}
}

func TestSourceRules(t *testing.T) {
	with := func(fsys fstest.MapFS, name, text string) fstest.MapFS {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
		return fsys
	}
	const doc = "// Package p is here to be checked.\npackage p\n"
	long := strings.Repeat("\t_ = 1\n", maxFunctionLines)
	tests := []struct {
		name    string
		fsys    fstest.MapFS
		refusal string
	}{
		{"no package comment", with(file("hw/a.go"), "hw/a.go", "package p\n"), "has 0 package comments"},
		{"two package comments", with(file("hw/a.go"), "hw/b.go", doc), "has 2 package comments"},
		{"a constraint is no comment", with(file("hw/a.go"), "hw/b.go", "//go:build arm\n\npackage p\n"), ""},
		{"a test needs no second comment", with(file("hw/a.go"), "hw/a_test.go", "package p\n"), ""},
		{"tests alone need one", with(file("hw/a_test.go"), "hw/a_test.go", "package p\n"), "has 0 package comments"},
		{"file as long as it may be", with(file("hw/a.go"), "hw/a.go", doc+strings.Repeat("\n", maxFileLines-2)), ""},
		{"file too long", with(file("hw/a.go"), "hw/a.go", doc+strings.Repeat("\n", maxFileLines-1)), "has 501 lines"},
		{
			"generated file may be long",
			with(file("hw/a.go"), "hw/b.go", "// Code generated by hand; DO NOT EDIT.\n\npackage p\n"+strings.Repeat("\n", maxFileLines)), "",
		},
		{"function as long as it may be", with(file("hw/a.go"), "hw/a.go", doc+"func f() {\n"+long+"}\n"), ""},
		{"comments do not count", with(file("hw/a.go"), "hw/a.go", doc+"func f() {\n\t// Why.\n\t// More.\n"+long+"}\n"), ""},
		{"a trailing comment saves nothing", with(file("hw/a.go"), "hw/a.go", doc+"func f() {\n\t_ = 2 // two\n"+long+"}\n"), "func f has 61 lines"},
		{"function too long", with(file("hw/a.go"), "hw/a.go", doc+"func f() {\n\t_ = 2\n"+long+"}\n"), "func f has 61 lines"},
		{"method too long", with(file("hw/a.go"), "hw/a.go", doc+"type t int\nfunc (t) f() {\n\t_ = 2\n"+long+"}\n"), "func f has 61 lines"},
		{"init", with(file("hw/a.go"), "hw/a.go", doc+"func init() {}\n"), "func init"},
		{"a bad import behind a build tag", with(file("hw/a.go"), "hw/b.go", "//go:build small\n\npackage p\n\nimport _ \"m/lwm2m\"\n"), "knows no LwM2M"},
		{"a test may import", with(file("hw/a.go"), "hw/a_test.go", "package p\n\nimport _ \"m/lwm2m\"\n"), ""},
		{"a generator may write files", with(file("hw/a.go"), "lwm2m/model/gen/main.go", "// Gen writes.\npackage main\n\nimport _ \"os\"\n"), ""},
		{"another module is left alone", with(with(file("hw/a.go"), "tools/go.mod", "module x\n"), "tools/a.go", "package x\n"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantRefusal(t, tt.fsys, tt.refusal) })
	}
}

func TestUnreadableSource(t *testing.T) {
	fsys := file("hw/a.go")
	fsys["hw/a.go"] = &fstest.MapFile{Data: []byte("package")}
	if found, err := check(fsys); err == nil {
		t.Errorf("a file that does not parse was taken: %q", found)
	}
	if _, err := check(fstest.MapFS{}); err == nil {
		t.Error("a folder without go.mod was taken")
	}
}

// wantRefusal checks that the module breaks exactly the one rule that refusal quotes, or none if it is empty.
func wantRefusal(t *testing.T, fsys fstest.MapFS, refusal string) {
	t.Helper()
	found, err := check(fsys)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case refusal == "" && len(found) > 0:
		t.Errorf("refused: %q", found)
	case refusal != "" && (len(found) != 1 || !strings.Contains(found[0], refusal)):
		t.Errorf("found %q, want one that says %q", found, refusal)
	}
}
