package config

import "os"

// Where the package for OpenWrt has its configuration, which is of the system's own format, and its state, which a sysupgrade keeps there.
const (
	openWrtFile     = "/etc/config/lwm2m-agent"
	openWrtStateDir = "/etc/lwm2m-agent/state"
)

// Installed returns the main configuration of this machine's service: DefaultFile, or that of OpenWrt's package where there is only this one.
func Installed() string {
	return installed(func(file string) bool {
		_, err := os.Lstat(file)
		return err == nil
	})
}

func installed(there func(file string) bool) string {
	if there(openWrtFile) && !there(DefaultFile) {
		return openWrtFile
	}
	return DefaultFile
}

// StateDirOf returns the state directory of the service that has a main configuration.
func StateDirOf(file string) string {
	if file == openWrtFile {
		return openWrtStateDir
	}
	return DefaultStateDir
}
