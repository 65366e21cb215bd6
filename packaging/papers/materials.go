package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// apacheText says where that licence stands, which Debian wants not to be repeated.
const apacheText = "On Debian systems its text is in\n/usr/share/common-licenses/Apache-2.0; it is also at https://www.apache.org/licenses/LICENSE-2.0."

// licences returns the licences of the program and of all that is linked into it.
func licences(ctx context.Context, info *debug.BuildInfo) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("lwm2m-agent is licensed under the Apache License, version 2.0. " + apacheText + "\n\n" +
		"The object definitions are made from the OMA LwM2M registry, whose files are under the BSD 3-clause licence of\nthe Open Mobile Alliance or of their other authors, as each file says.\n\nIt contains:\n")
	root, err := goEnv(ctx, "GOROOT")
	if err != nil {
		return nil, err
	}
	if err := add(&b, "Go's library and runtime, "+info.GoVersion, root); err != nil {
		return nil, err
	}
	for _, m := range info.Deps {
		dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", m.Path).Output()
		if err != nil {
			return nil, fmt.Errorf("find module %s: %w", m.Path, err)
		}
		if err := add(&b, m.Path+" "+m.Version, strings.TrimSpace(string(dir))); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func goEnv(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", name).Output()
	if err != nil {
		return "", fmt.Errorf("go env %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// add appends the licence files of a folder. A module without any is an error: what is
// shipped must be licensed.
func add(b *bytes.Buffer, what, dir string) error {
	var found []string
	for _, pattern := range []string{"LICEN[CS]E*", "COPYING*", "NOTICE*", "../LICENSE"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		found = append(found, names...)
		if pattern == "NOTICE*" && len(found) > 0 {
			break // what is above the folder matters only where nothing is in it
		}
	}
	fmt.Fprintf(b, "\n--- %s ---\n", what)
	some := false
	for _, name := range found {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // a folder of that name
		}
		text = bytes.TrimSpace(text)
		if bytes.HasPrefix(text, []byte("Apache License")) {
			text = []byte("The Apache License, version 2.0. " + apacheText)
		}
		fmt.Fprintf(b, "\n%s\n", text)
		some = true
	}
	if !some {
		return fmt.Errorf("%s: no licence in %s", what, dir)
	}
	return nil
}

// bom returns the bill of materials (CycloneDX 1.5, JSON). It has no date and no serial
// number, so that the same program has the same one.
func bom(info *debug.BuildInfo) ([]byte, error) {
	type component struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Version string `json:"version"`
		PURL    string `json:"purl"`
	}
	parts := make([]component, 0, 1+len(info.Deps))
	parts = append(parts, component{"library", "std", info.GoVersion, "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")})
	for _, m := range info.Deps {
		parts = append(parts, component{"library", m.Path, m.Version, "pkg:golang/" + m.Path + "@" + m.Version})
	}
	slices.SortFunc(parts, func(a, b component) int { return strings.Compare(a.Name, b.Name) })
	return json.MarshalIndent(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata":   map[string]any{"component": component{"application", info.Main.Path, info.Main.Version, "pkg:golang/" + info.Main.Path}},
		"components": parts,
	}, "", "  ")
}
