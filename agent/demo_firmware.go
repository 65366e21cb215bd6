//go:build !small

package agent

import (
	"bytes"
	"net/http"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/web"
	"lwm2m-agent/fota/file"
)

// demoFirmware is short of patience, so that a person sees an update end to end.
func demoFirmware() *config.Firmware {
	return &config.Firmware{
		Backend: config.FirmwareFile, Confirm: 10 * time.Second, Limit: time.Minute, Patience: time.Minute, MaxSize: config.DefaultMaxSize,
	}
}

// demoPackages are what the demo's board can be updated with.
func demoPackages() []demoPackage {
	image := bytes.Repeat([]byte("a system "), 30_000)
	return []demoPackage{
		{"2.0", "version 2.0", file.Compose("gateway", "2.0", image)},
		{"failing", "version 2.1, which fails", file.Compose("gateway", "2.1", image, "healthy = no")},
		{"damaged", "a damaged package", append(file.Compose("gateway", "2.2", image), "!"...)},
	}
}

type demoPackage struct {
	name, text string
	content    []byte
}

const demoPackagePath = "/firmware/"

// offer tells the page of packages.
func offer(packages []demoPackage, host string) []web.Package {
	out := make([]web.Package, 0, len(packages))
	for _, p := range packages {
		out = append(out, web.Package{Text: p.text, URI: "http://" + host + demoPackagePath + p.name})
	}
	return out
}

// withPackages serves packages, and everything else by the page.
func withPackages(page http.Handler, packages []demoPackage) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", page)
	for _, p := range packages {
		mux.HandleFunc("GET "+demoPackagePath+p.name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"`+p.name+`"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.content))
		})
	}
	return mux
}

// firmwareNote is a step of an update in words.
func firmwareNote(f *control.Firmware) string {
	text := "firmware: " + f.Phase
	if f.Version != "" {
		text += " " + f.Version
	}
	if f.Outcome != "" {
		text += ", " + f.Outcome
	}
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	return text
}
