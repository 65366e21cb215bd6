package agent

import (
	"lwm2m-agent/agent/config"
	"lwm2m-agent/objects/registry"
)

// definitions returns the definitions of all objects: the registry's, and those
// of the folder that the configuration names. The error is a config.Problems.
func definitions(cfg *config.Config) (*registry.Registry, error) {
	r := registry.Definitions()
	if cfg.Objects == "" {
		return r, nil
	}
	var problems config.Problems
	for _, f := range r.AddFolder(cfg.Objects) {
		problems = append(problems, &config.Problem{File: f.File, Line: f.Line, Text: f.Err.Error()})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return r, nil
}
