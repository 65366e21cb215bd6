//go:build !small

package agent

import (
	"log/slog"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/rauc"
)

// raucSlots returns the back end that RAUC stands behind.
func raucSlots(cfg *config.Firmware, log *slog.Logger) (fota.Backend, error) {
	return rauc.New(rauc.Options{Config: cfg.RAUCConfig, Log: log}), nil
}
