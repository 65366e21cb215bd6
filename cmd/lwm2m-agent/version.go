package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"

	"lwm2m-agent/lwm2m"
)

// version is set by the linker: -X main.version=1.2.3.
var version = ""

// versions is what "version -json" prints.
type versions struct {
	Version  string   `json:"version"`
	Commit   string   `json:"commit"` // "" if the build does not know it
	Modified bool     `json:"modified,omitempty"`
	Go       string   `json:"go"`
	LwM2M    []string `json:"lwm2m"`
}

func runVersion(_ context.Context, c *call) error {
	asJSON := c.flags.Bool("json", false, "print JSON")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	v := buildVersions()
	if *asJSON {
		return json.NewEncoder(c.stdout).Encode(v)
	}
	commit := v.Commit
	if commit == "" {
		commit = "unknown"
	}
	if v.Modified {
		commit += " (modified)"
	}
	fmt.Fprintf(c.stdout, "lwm2m-agent %s\ncommit      %s\n%s\nLwM2M       %s\n",
		v.Version, commit, "Go          "+strings.TrimPrefix(v.Go, "go"), strings.Join(v.LwM2M, ", "))
	return nil
}

// buildVersions reads what the linker and the Go command left in the binary.
func buildVersions() versions {
	v := versions{Version: version, LwM2M: []string{
		lwm2m.Version10.String(), lwm2m.Version11.String(), lwm2m.Version12.String(),
	}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	if v.Version == "" {
		v.Version = strings.TrimPrefix(info.Main.Version, "v")
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
