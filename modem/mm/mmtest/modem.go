package mmtest

import "github.com/godbus/dbus/v5"

// The paths of the objects that Registered makes.
const (
	ModemPath  = root + "/Modem/0"
	SIMPath    = root + "/SIM/0"
	BearerPath = root + "/Bearer/3"
)

// Registered are the objects of a modem that is registered at home and has a bearer: what
// ModemManager 1.20 shows of a Quectel BG95, with a bearer of a module with QMI.
func Registered() map[dbus.ObjectPath]Object {
	return map[dbus.ObjectPath]Object{
		ModemPath: {
			service + ".Modem": {
				"Sim": SIMPath, "Bearers": []dbus.ObjectPath{BearerPath}, "Manufacturer": "Quectel", "Model": "BG95-M3", "Revision": "BG95M3LAR02A04",
				"Device": "/sys/devices/usb1/1-1", "Ports": []struct {
					Name string
					Type uint32
				}{{"cdc-wdm0", 6}, {"ttyUSB2", 3}}, "EquipmentIdentifier": "867730050000017",
				"UnlockRequired": uint32(1), "State": int32(11), "StateFailedReason": uint32(0), "AccessTechnologies": uint32(1 << 14),
				"SignalQuality": struct {
					Percent uint32
					Recent  bool
				}{80, true}, "OwnNumbers": []string{"+4915112345678"},
			},
			service + ".Modem.Modem3gpp": {"Imei": "867730050000017", "RegistrationState": uint32(1), "OperatorCode": "26201", "OperatorName": "Lab LTE"},
			service + ".Modem.Signal":    {"Rate": uint32(0), "Lte": Dict(map[string]any{"rsrp": -97.0, "rsrq": -11.0, "snr": 4.5, "rssi": -70.0})},
			service + ".Modem.Location": {
				"Capabilities": uint32(1), "Enabled": uint32(0), "SignalsLocation": false,
				"Location": map[uint32]dbus.Variant{1: dbus.MakeVariant("262,01,0000,01A2D003,001A2B")},
			},
			service + ".Modem.Messaging": {"Messages": []dbus.ObjectPath{}},
		},
		SIMPath: {service + ".Sim": {"SimIdentifier": "89490200001234567890", "Imsi": "262011234567890", "Active": true}},
		BearerPath: {service + ".Bearer": {
			"Connected": true, "ProfileId": int32(1), "Properties": Dict(map[string]any{"apn": "iot.lab", "ip-type": uint32(1)}),
			"Ip4Config": Dict(map[string]any{"method": uint32(2), "address": "10.45.0.2", "prefix": uint32(30), "gateway": "10.45.0.1", "dns1": "10.45.0.53"}),
			"Ip6Config": Dict(nil), "Stats": Dict(map[string]any{"rx-bytes": uint64(2000), "tx-bytes": uint64(1000)}),
		}},
	}
}
