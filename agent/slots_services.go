//go:build !small

package agent

import (
	"log/slog"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/rauc"
	"lwm2m-agent/fota/swupdate"
)

// raucSlots returns the back end that RAUC stands behind.
func raucSlots(cfg *config.Firmware, log *slog.Logger) (fota.Backend, error) {
	return rauc.New(rauc.Options{Config: cfg.RAUCConfig, Log: log}), nil
}

// swupdateSlots returns the back end that SWUpdate stands behind.
func swupdateSlots(cfg *config.Firmware, boot boot) (fota.Backend, error) {
	selections := make(map[string]string)
	for _, s := range cfg.Images.Slots {
		selections[s.Name] = s.Select
	}
	return swupdate.New(swupdate.Options{Boot: boot, Socket: cfg.Socket, Select: selections}), nil
}
