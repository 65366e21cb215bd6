package config

import (
	"math"
	"slices"
	"time"

	"lwm2m-agent/agent/keys"
	"lwm2m-agent/lwm2m"
)

// section describes one table of the configuration, or each table of a list.
// docs/configuration.md is made from it by go generate.
type section struct {
	name     string
	identity string // of a list of tables: the key that tells them apart; "" for a table
	help     string
	keys     []key
	sections []section
}

// key describes one key.
type key struct {
	name     string
	kind     kind
	required bool
	fallback string // the default, in words; "" if there is none to tell
	help     string
	secret   bool // problems do not quote it
	driver   bool // only drivers that say so take it
}

const (
	maxID   = lwm2m.MaxID - 1
	longest = math.MaxInt32 * time.Second // what an Integer of 32 bits can say
	day     = 24 * time.Hour
)

var (
	anyText   = text(255)
	uniqueFor = text(64)
	filePath  = text(1024)
)

// accountKeys are what a server and the bootstrap server have in common.
var accountKeys = []key{
	{name: "uri", kind: serverURI, required: true, help: "address of the server; the port is 5683 or, with coaps, 5684 if not given; coap and coaps are over UDP; coaps+tcp (TLS) needs certificates"},
	{name: "secondary_uris", kind: serverURIs, fallback: "none", help: "other addresses of the same server, tried in order when uri fails (/0/x/25)"},
	{name: "interface", kind: interfaceName, fallback: "as the routes say", help: "network interface to go through, such as \"wwan0\"; needs Linux 5.7, or CAP_NET_RAW"},
	{name: "modem", kind: text(64), fallback: "none: the machine's own network", help: "name of the [[modem]] with driver \"at\" through whose own UDP sockets to go, where the machine has no network; docs/modems.md"},
	{name: "security", kind: oneOf(string(SecurityNone), string(SecurityPSK), string(SecurityRPK), string(SecurityX509)), fallback: `"psk" when identity is given, "x509" with certificate_file, "rpk" with server_public_key_file, else "none"`, help: "how the connection is secured: not at all, by a pre-shared key, raw public keys, certificates"},
	{name: "identity", kind: text(maxIdentity), help: "identity of the pre-shared key"},
	{name: "key_file", kind: filePath, help: `file with the pre-shared key in hexadecimal, to which nobody but owner and group may have access; or "tpm-sealed:FILE", "credential:NAME" (docs/security.md)`},
	{name: "key", kind: hexKey, secret: true, help: "the pre-shared key itself, for tests"},
	{name: "private_key_file", kind: filePath, help: "rpk, x509: own key on P-256, PKCS #8 or EC PRIVATE KEY in PEM or DER, not encrypted, to which nobody but owner and group may have access; or \"tpm:HANDLE\", \"credential:NAME\" (docs/security.md)"},
	{name: "certificate_file", kind: filePath, help: "x509: own certificate, with those above it behind it, in PEM or DER"},
	{name: "server_public_key_file", kind: filePath, help: "rpk: the server's public key in PEM or DER; or its digest in hexadecimal"},
	{name: "server_certificate_file", kind: filePath, help: "x509: the one certificate that the server's own is judged by, in PEM or DER; or its digest in hexadecimal (/0/x/4)"},
	{name: "certificate_usage", kind: integer(0, 3), fallback: "3, or 2 where the file has an authority's certificate that is not the server's", help: "x509, what server_certificate_file is: 0 an authority that must be in the chain, 1 the server's, both besides the system's authorities; 2 the authority to trust; 3 the server's, whatever its names and dates (/0/x/15)"},
	{name: "matching_type", kind: integer(0, 3), fallback: "0", help: "rpk, x509: what is kept of the server's key or certificate: 0 all of it, 1 SHA-256, 2 SHA-384, 3 SHA-512 (/0/x/13)"},
	{name: "sni", kind: hostName, fallback: "the host of uri", help: "the server's name: told to it, and looked for in its certificate (/0/x/14)"},
	{name: "cipher_suites", kind: cipherSuites, fallback: "all that the security has", help: "what to offer, the preferred one first (/0/x/16)"},
	{name: "queue_mode", kind: boolean, fallback: "false", help: "sleep between messages; the server holds its requests until the next one"},
	{name: "version", kind: protocolVersion, fallback: "the highest implemented", help: "highest LwM2M version to offer"},
}

// serverKeys are resources of object 1 that most servers and bootstrap servers write
// themselves.
var serverKeys = []key{
	{name: "store_notifications", kind: boolean, fallback: "true", help: "keep what cannot be notified (/1/x/6)"},
	{name: "confirm_notifications", kind: boolean, fallback: "false", help: "notifications are confirmable (/1/x/26)"},
	{name: "mute_send", kind: boolean, fallback: "true", help: "the server wants no Send (/1/x/23)"},
	{name: "default_min_period", kind: wholeSeconds(), fallback: `"0s"`, help: "pmin where the server attaches none (/1/x/2)"},
	{name: "default_max_period", kind: wholeSeconds(), fallback: "none", help: "pmax where the server attaches none (/1/x/3)"},
	{name: "disable_timeout", kind: wholeSeconds(), fallback: `"24h"`, help: "how long Disable lasts (/1/x/5)"},
	{name: "priority", kind: integer(0, math.MaxUint32), fallback: "none: it does not wait", help: "place in the order in which servers register at the start and after a bootstrap (/1/x/13)"},
	{name: "failure_block", kind: boolean, fallback: "false", help: "while this one fails, those behind it wait (/1/x/15)"},
	{name: "initial_delay", kind: wholeSeconds(), fallback: `"0s"`, help: "before the first registration at this URI, or after a bootstrap (/1/x/14)"},
	{name: "retry_count", kind: integer(1, math.MaxUint32), fallback: "without end, or 5 when one of the next three is given", help: "attempts in a sequence (/1/x/17)"},
	{name: "retry_timer", kind: wholeSeconds(), fallback: `"1s" up to "1m", or "1m" when a neighbour is given`, help: "before the second attempt, doubling (/1/x/18)"},
	{name: "sequence_delay", kind: wholeSeconds(), fallback: `"24h"`, help: "between two sequences (/1/x/19)"},
	{name: "sequence_count", kind: integer(1, math.MaxUint32), fallback: "1", help: "sequences after which the server counts as failed (/1/x/20)"},
	{name: "bootstrap_on_failure", kind: boolean, fallback: "true", help: "the bootstrap server may be asked when the server has failed (/1/x/16)"},
	{name: "transport", kind: oneOf("udp", "tcp"), fallback: "none: the order of the addresses", help: "transport to be tried first (/1/x/22)"},
	{name: "profile_hash", kind: integer(1, 6), fallback: "none: the object list is sent", help: "hash of the Profile ID that is sent in place of the object list; 6: SHA-256, 32 bits (/1/x/27)"},
}

// deviceKeys are what sensors and actuators have in common.
var deviceKeys = []key{
	{name: "name", kind: uniqueFor, required: true, help: "unique; instance numbers are bound to it"},
	{name: "driver", kind: uniqueFor, required: true, help: "what serves the part; docs/drivers.md lists them"},
	{name: "instance", kind: integer(0, maxID), fallback: "the next free one, then kept for this name", help: "object instance"},
	{name: "application_type", kind: anyText, fallback: "the name", help: "Application Type (5750), until a server writes it"},
	{name: "bus", kind: anyText, driver: true, help: `the bus's device node, such as "/dev/i2c-1", its name, or a multiplexer's channel, "/dev/i2c-1/0x70/2"; the node of a part on SPI, "/dev/spidev0.0"`},
	{name: "address", kind: address, driver: true, help: "7-bit I2C address"},
	{name: "chip", kind: anyText, driver: true, help: `GPIO chip, such as "/dev/gpiochip0"`},
	{name: "line", kind: lineName, driver: true, help: "line of the chip"},
	{name: "device", kind: anyText, driver: true, help: "an IIO, hwmon or thermal device by name or folder"},
	{name: "trigger", kind: anyText, driver: true, fallback: "the one that is set, or the device's own", help: "trigger of an IIO device with a buffer, by name"},
	{name: "interval", kind: duration(10*time.Millisecond, 7*day), driver: true, fallback: `"` + short(DefaultInterval) + `"`, help: "time between samples"},
	{name: "debounce", kind: duration(0, 10*time.Second), driver: true, fallback: `"0s"`, help: "how long an input must be steady"},
	{name: "active", kind: anyText, driver: true, help: `level at which a line counts as active: "high" or "low"`},
	{name: "bias", kind: anyText, driver: true, help: `pull of an input line: "off", "pull-up" or "pull-down"`},
	{name: "edge", kind: anyText, driver: true, help: `what is counted: "active", "inactive" or "both"`},
	{name: "drive", kind: anyText, driver: true, help: `"push-pull", "open-drain" or "open-source"`},
	{name: "shunt", kind: number(1e-6, 1e6), driver: true, fallback: "0.1", help: "resistor that a current is measured by, in Ohm"},
	{name: "frequency", kind: number(0.01, 1e6), driver: true, fallback: "200", help: "in Hz: of a PWM output; of the samples of an IIO buffer, as it is if not given"},
	{name: "range", kind: number(1, 1000), driver: true, fallback: "2", help: "full scale: of an accelerometer, in g; of an ADC on SPI, its reference in V, 3.3 if not given"},
	{name: "baud", kind: integer(1200, 230400), driver: true, fallback: "19200", help: "speed of a serial line"},
	{name: "parity", kind: oneOf("none", "even", "odd"), driver: true, fallback: `"even"`, help: "of a serial line"},
	{name: "stop_bits", kind: integer(1, 2), driver: true, fallback: "1", help: "of a serial line"},
	{name: "timeout", kind: duration(10*time.Millisecond, 4*time.Second), driver: true, fallback: `"1s"`, help: "how long an answer may take"},
	{name: "register", kind: integer(0, math.MaxUint16), driver: true, help: "number of a Modbus register or bit, from 0; of a sensor in [[sensor.channel]]"},
	{name: "table", kind: modbusTable, driver: true, fallback: `"input"`, help: `where it is; of an actuator "coil" or "holding"`},
	{name: "type", kind: modbusType, driver: true, fallback: `"uint16"`, help: "how it lies in registers"},
	{name: "word_order", kind: oneOf("big", "little"), driver: true, fallback: `"big"`, help: "big: the highest word comes first"},
	{name: "unit", kind: unitName, driver: true, help: "unit of a simulated value; number of a Modbus device"},
	{name: "wave", kind: anyText, driver: true, help: "course of a simulated value"},
	{name: "min", kind: number(-math.MaxFloat64, math.MaxFloat64), driver: true, help: "lowest simulated value"},
	{name: "max", kind: number(-math.MaxFloat64, math.MaxFloat64), driver: true, help: "highest simulated value"},
	{name: "period", kind: duration(10*time.Millisecond, 365*day), driver: true, help: "length of a simulated wave"},
	{name: "seed", kind: integer(0, math.MaxInt64), driver: true, help: "of a simulated random course"},
	{name: "file", kind: filePath, driver: true, help: "recording to play"},
}

// mappingKeys map one channel of a sensor.
var mappingKeys = []key{
	{name: "name", kind: uniqueFor, required: true, help: "the driver's name of the channel"},
	{name: "object", kind: integer(1, maxID), fallback: "the one that suits what is measured", help: "object that it feeds"},
	{name: "resource", kind: integer(0, maxID), fallback: "5700 or the one that suits", help: "resource that it feeds"},
	{name: "instance", kind: integer(0, maxID), fallback: "that of the sensor", help: "object instance"},
	{name: "application_type", kind: anyText, fallback: "that of the sensor", help: "Application Type (5750), until a server writes it"},
}

// schema is the table of all that a configuration may say.
var schema = section{
	keys: []key{
		{name: "endpoint", kind: endpointName, fallback: "chosen once from what identifies the machine, then kept", help: "endpoint client name"},
		{name: "test_object", kind: boolean, fallback: "false", help: "serve object 3442 (LwM2M v1.1 Test Object), which has every data type, for trying servers"},
		{name: "object_folder", kind: filePath, fallback: "none", help: "folder with definitions of objects that the OMA registry lacks, such as a vendor's: an XML file (*.xml) of OMA's form for each; docs/objects.md. Read at the start"},
	},
	sections: []section{
		{name: "device", help: "What the machine does not say about itself: object 3.", keys: []key{
			{name: "manufacturer", kind: anyText, help: "3/0/0"},
			{name: "model", kind: anyText, help: "3/0/1"},
			{name: "serial", kind: anyText, help: "3/0/2"},
			{name: "hardware_version", kind: anyText, help: "3/0/18"},
		}},
		locationSection,
		{name: "server", identity: "short_server_id", help: "A server to register with: objects 0 and 1.", keys: append([]key{
			{name: "short_server_id", kind: integer(1, maxID), required: true, help: "Short Server ID"},
			{name: "lifetime", kind: wholeSeconds(), fallback: `"` + short(DefaultLifetime) + `"`, help: `lifetime of the registration; "0s" is without end; servers of 1.0 and 1.1, which do not know that, are told 2147483647 s`},
			{name: "instance", kind: integer(0, maxID), fallback: "its place in the file", help: "instance of object 1"},
			{
				name: "bearer", kind: oneOf(string(BearerEthernet), string(BearerWLAN), string(BearerLTE), string(BearerLTEM), string(BearerNBIoT)),
				fallback: "that of the default route", help: "whose timers hold: retransmissions, handshakes and attempts to register; object 500 has them",
			},
			{name: "awake", kind: duration(time.Second, day), fallback: "93s, for which servers wait for an answer", help: "in queue mode: how long to listen after the last message"},
			{name: "gather", kind: duration(0, day), fallback: `"0s"`, help: "in queue mode: how long a notification may wait for one wake-up with others; docs/queue-mode.md"},
			{name: "keep_alive", kind: boolean, fallback: "true", help: "without queue mode: send Updates more often once an address translation was found to forget the connection; never on LTE-M and NB-IoT"},
			{name: "sms_number", kind: telephoneNumber, fallback: "none", help: "telephone number of the server's short messages (/0/x/9), which may then wake the agent (/1/x/21); docs/modems.md"},
			{name: "rights", kind: accessRights, fallback: `all for the first server, ["read"] for others`, help: "what it may do when there are several servers; docs/security.md"},
		}, slices.Concat(accountKeys, serverKeys)...)},
		{name: "bootstrap", help: "The bootstrap server: object 0.", keys: append([]key{
			{name: "hold_off", kind: wholeSeconds(), fallback: `"0s"`, help: "how long to wait before asking it (Client Hold Off Time)"},
			{name: "instance", kind: integer(0, maxID), fallback: "the next free one", help: "instance of object 0"},
		}, accountKeys...)},
		{
			name: "sensor", identity: "name", help: "A sensor or another source of values.",
			keys: append([]key{
				{name: "object", kind: integer(1, maxID), fallback: "the one that suits what is measured", help: "object that it feeds"},
				{name: "interval_min", kind: duration(10*time.Millisecond, 7*day), fallback: "interval", help: "shortest interval that the epmax of servers which observe it can bring about"},
				{name: "interval_max", kind: duration(10*time.Millisecond, 7*day), fallback: "interval", help: "longest interval that their epmin or pmin can bring about"},
			}, deviceKeys...),
			sections: []section{{name: "channel", identity: "name", help: "What becomes of one channel of the sensor.", keys: channelKeys}},
		},
		derivedSection,
		geofenceSection,
		{name: "actuator", identity: "name", help: "Something to switch or set.", keys: append([]key{
			{name: "object", kind: integer(1, maxID), fallback: "3306, Actuation", help: "object that drives it"},
			{name: "resource", kind: integer(0, maxID), fallback: "the one that suits", help: "resource that drives it: a Boolean switches, a number sets"},
			{name: "safe", kind: safeState, fallback: `"off"`, help: "state at start and when the agent ends in order"},
			{name: "watchdog", kind: duration(time.Second, 7*day), fallback: "none", help: "how long the output stays as a server has set it without being set again; then it takes its safe state"},
		}, deviceKeys...), sections: []section{interlockSection}},
		{name: "event_log", identity: "name", help: "A log that servers can read, beside the agent's own, which is instance 0: object 20. Read at the start.", keys: eventLogKeys},
		modemSection,
		appSection,
		{name: "tpm", help: "The TPM 2.0 that holds keys; docs/security.md.", keys: []key{
			{name: "device", kind: filePath, fallback: `"` + keys.DefaultDevice + `"`, help: "its device"},
		}},
		firmwareSection,
		lockAndWipeSection,
		remoteConfigurationSection,
		metricsSection,
		pageSection,
		{name: "log", help: "The agent's log.", keys: []key{
			{name: "level", kind: oneOf("debug", "info", "warn", "error"), fallback: `"info"`, help: "how much is logged"},
		}},
	},
}

func (s *section) key(name string) *key {
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i]
		}
	}
	return nil
}

// hides reports whether a key of that name is a secret, here or in a section below.
func (s *section) hides(name string) bool {
	if k := s.key(name); k != nil && k.secret {
		return true
	}
	for i := range s.sections {
		if s.sections[i].hides(name) {
			return true
		}
	}
	return false
}

func (s *section) section(name string) *section {
	for i := range s.sections {
		if s.sections[i].name == name {
			return &s.sections[i]
		}
	}
	return nil
}
