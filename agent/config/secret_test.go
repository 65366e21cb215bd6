package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecretNeverPrints: whatever formats a Config, no key gets out.
func TestSecretNeverPrints(t *testing.T) {
	const key = "7365637265742d6b6579" // "secret-key"
	a, err := ParseAccount("coaps://h", "gw", key)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	for _, v := range []any{a.Key, a, &a, Config{Servers: []Server{{Account: a}}}, map[string]any{"a": a}, struct{ inner Secret }{a.Key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o"} {
			fmt.Fprintf(&printed, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			printed.Write(b)
		}
		slog.New(slog.NewTextHandler(&printed, nil)).Info("a", slog.Any("v", v))
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("a", slog.Any("v", v))
	}
	out := strings.ToLower(printed.String())
	for _, leak := range []string{key, "secret-key", "115 101 99", "0x73, 0x65", "c2vjcmv0lwtles", "163 145 143"} {
		if strings.Contains(out, leak) {
			t.Errorf("%q got out:\n%s", leak, out)
		}
	}
	if !strings.Contains(out, "***") {
		t.Error("nothing was printed")
	}
}
