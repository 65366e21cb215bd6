//go:build !small

package agent

import (
	"bytes"
	"net/http"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/fota/file"
)

// demoFirmware is short of patience, so that a person sees an update end to end.
func demoFirmware() *config.Firmware {
	return &config.Firmware{
		Backend: config.FirmwareFile, Confirm: 10 * time.Second, Limit: time.Minute, Patience: time.Minute, MaxSize: config.DefaultMaxSize,
	}
}

// demoPackages serves packages for the demo's board, and everything else by the
// page.
func demoPackages(page http.Handler) http.Handler {
	image := bytes.Repeat([]byte("a system "), 30_000)
	mux := http.NewServeMux()
	mux.Handle("/", page)
	for name, content := range map[string][]byte{
		"2.0":     file.Compose("gateway", "2.0", image),
		"ill":     file.Compose("gateway", "2.1-ill", image, "healthy = no"),
		"damaged": append(file.Compose("gateway", "2.2", image), "!"...),
	} {
		mux.HandleFunc("GET /firmware/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"`+name+`"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
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
