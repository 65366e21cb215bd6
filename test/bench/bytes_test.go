package main

import (
	"strings"
	"testing"
)

func TestOwner(t *testing.T) {
	for _, tt := range []struct{ symbol, group, name string }{
		{"main.run", groupOwn, "cmd/lwm2m-agent"},
		{"lwm2m-agent/lwm2m.Path.String", groupOwn, "lwm2m"},
		{"lwm2m-agent/lwm2m/dtls/internal/record.(*Sealer).Seal", groupOwn, "lwm2m/dtls"},
		{"type:.eq.lwm2m-agent/hw.Channel", groupOwn, "hw"},
		{"noalg.struct { F uintptr; X0 *lwm2m-agent/agent.Agent; X1 string }", groupOwn, "agent"},
		{"go:itab.*lwm2m-agent/hw/i2cdev.Bus,periph.io/x/conn/v3/i2c.BusCloser", groupOwn, "hw/i2cdev"},
		{"noalg.map.group[string]lwm2m-agent/objects.Bearer", groupOwn, "objects"},
		{"github.com/godbus/dbus/v5.(*Conn).Auth", groupLibrary, "github.com/godbus/dbus"},
		{"vendor/golang.org/x/net/idna.idnaValues", groupGo, "golang.org/x/net"},
		{"slices.IndexFunc[go.shape.[]lwm2m-agent/hw.Driver,go.shape.struct { Name string }]", groupGo, "slices"},
		{"func([]uint8) (crypto/cipher.AEAD, error)", groupGo, "crypto"},
		{"internal/runtime/maps.(*Map).Put", groupGo, "runtime"},
		{"type:.eq.go.shape.struct { F uintptr; X0 *net.Conn }", groupGo, "net"},
		{"lwm2m-agent/objects..dict.get[lwm2m-agent/hw.Channel]", groupOwn, "objects"},
		{"go.etcd.io/bbolt/internal/common.(*Page).Meta", groupLibrary, "go.etcd.io/bbolt"},
		{"$f64.43d0000000000000", groupGo, "runtime"},
		{"memeqbody", groupGo, "runtime"},
		{"map[string]int32", groupGo, "runtime"},
	} {
		if group, name := owner(tt.symbol); group != tt.group || name != tt.name {
			t.Errorf("owner(%q) = %q, %q, want %q, %q", tt.symbol, group, name, tt.group, tt.name)
		}
	}
}

func TestWhere(t *testing.T) {
	got := where([]part{
		{groupOwn, "agent", 500e3, 300e3, 50e3},
		{groupGo, "net", 60e3, 30e3, 10e3},
		{groupGo, "path", 4e3, 3e3, 1e3},
		{groupGo, "mime", 2e3, 1e3, 0},
		{groupNobody, groupNobody, 0, 0, 39e3},
	})
	for _, want := range []string{
		"| **Go's runtime and standard library** | 66 | 34 | 11 | 111 | 11.1 % |",
		"| net | 60 | 30 | 10 | 100 | 10.0 % |\n| 2 smaller ones | 6 | 4 | 1 | 11 | 1.1 % |",
		"| **the project** | 500 | 300 | 50 | 850 | 85.0 % |\n| agent | 500 | 300 | 50 | 850 | 85.0 % |",
		"| **texts, names of types and fields, padding** | 0 | 0 | 39 | 39 | 3.9 % |\n",
		"the libraries take 0.1 MB of 1.0 MB. A program of 10 MB would leave 9.9 MB for the project and all texts, which take 0.9 MB.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("where = %s\nwithout %s", got, want)
		}
	}
}
