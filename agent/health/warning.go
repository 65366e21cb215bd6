package health

// Code names a possible trouble. Codes are part of the control interface and of
// the documentation: one that was released keeps its meaning.
type Code string

// Severity tells how much a trouble matters.
type Severity uint8

// The severities. Error: something that was asked for does not work. Warning:
// it works, but not as it should, or will not for long. Notice: worth knowing,
// nothing to repair.
const (
	Notice Severity = iota
	Warning
	Error
)

// String returns "notice", "warning" or "error".
func (s Severity) String() string { return [...]string{"notice", "warning", "error"}[min(s, Error)] }

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DeviceError is a value of Device's resource 11, Error Code (registry, object 3).
type DeviceError uint8

// The error codes that the agent reports. 16 to 32 are the vendor's own.
const (
	DeviceOK             DeviceError = 0 // and: no code for this trouble
	LowBattery           DeviceError = 1
	ExternalPowerOff     DeviceError = 2
	GPSFailure           DeviceError = 3
	LowSignal            DeviceError = 4
	OutOfMemory          DeviceError = 5
	SMSFailure           DeviceError = 6
	NoIPConnectivity     DeviceError = 7
	PeripheralFault      DeviceError = 8
	StorageFault         DeviceError = 16
	ConfigurationRefused DeviceError = 17
)

// Kind describes one possible trouble.
type Kind struct {
	Code     Code
	Severity Severity
	Text     string // one sentence without a full stop; the subject is told beside it
	Remedy   string // what a person can do
	Device   DeviceError
	Subject  string // what the subject is: "server", "sensor"; "" if there is only one of its kind
}
