//go:build !small

package agent

import (
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/agent/config"
)

// TestCheckWithoutUpdater looks at what "check" says where the updater is missing.
func TestCheckWithoutUpdater(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	for backend, want := range map[config.FirmwareBackend]string{
		config.FirmwareRAUC: "connect to the system bus", config.FirmwareSysupgrade: `"sysupgrade": executable file not found`,
	} {
		rows := checkFirmware(t.Context(), &config.Config{Firmware: &config.Firmware{Backend: backend}})
		if len(rows) != 1 || rows[0].OK || rows[0].Part != "firmware" || rows[0].Name != string(backend) || !strings.Contains(rows[0].Detail, want) {
			t.Errorf("%s: %+v, want %q", backend, rows, want)
		}
	}
	for _, f := range []*config.Firmware{nil, {Backend: config.FirmwareFile}} {
		if rows := checkFirmware(t.Context(), &config.Config{Firmware: f}); len(rows) != 0 {
			t.Errorf("%+v: %+v", f, rows)
		}
	}
}
