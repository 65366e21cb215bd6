//go:build small

package agent

import (
	"errors"
	"log/slog"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/fota"
)

// raucSlots returns no back end: routers do not run RAUC.
func raucSlots(*config.Firmware, *slog.Logger) (fota.Backend, error) {
	return nil, errors.New("this small program has no back end for RAUC")
}

// swupdateSlots returns no back end, likewise.
func swupdateSlots(*config.Firmware, boot) (fota.Backend, error) {
	return nil, errors.New("this small program has no back end for SWUpdate")
}
