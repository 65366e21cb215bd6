package health

// The codes.
const (
	ServerUnreachable     Code = "server-unreachable"
	ServerRefuses         Code = "server-refuses"
	ServerIdentity        Code = "server-identity"
	RegistrationLost      Code = "registration-lost"
	ServerMissing         Code = "server-missing"
	BootstrapFailing      Code = "bootstrap-failing"
	AccountsReverted      Code = "accounts-reverted"
	SensorFailing         Code = "sensor-failing"
	ActuatorFailing       Code = "actuator-failing"
	ActuatorInterlocked   Code = "actuator-interlocked"
	ConfigurationInvalid  Code = "configuration-invalid"
	ConfigurationReverted Code = "configuration-reverted"
	ConfigurationUnsafe   Code = "configuration-unsafe"
	StateDamaged          Code = "state-damaged"
	StateUnwritable       Code = "state-unwritable"
	StateVolatile         Code = "state-volatile"
	StateCopied           Code = "state-copied"
	KeyUnavailable        Code = "key-unavailable"
	ClockWrong            Code = "clock-wrong"
	AppAway               Code = "app-away"
	PartFailing           Code = "part-failing"
	ModemMissing          Code = "modem-missing"
	ModemSilent           Code = "modem-silent"
	SIMMissing            Code = "sim-missing"
	SIMUnusable           Code = "sim-unusable"
	NetworkRefuses        Code = "network-refuses"
	LinkLost              Code = "link-lost"
	ReceiverFailing       Code = "receiver-failing"
	FixMissing            Code = "fix-missing"
	FirmwareFailed        Code = "firmware-failed"
	FirmwareWaits         Code = "firmware-waits"
	FirmwareBudget        Code = "firmware-data-budget"
	FirmwareUnusable      Code = "firmware-unusable"
)

// kinds is the table of possible troubles, in the order in which the
// documentation lists them.
var kinds = []Kind{
	{
		Code: ServerUnreachable, Severity: Error, Subject: "server", Device: NoIPConnectivity,
		Text:   "the server does not answer",
		Remedy: "Read the text. `lookup`: the name in `uri` is wrong, or this device's DNS. `network is unreachable`, `no route to host`: this device has no connection, see its interfaces and modem. `connection refused`: the machine is there, and nothing listens at that port. No answer at all: a wrong address, a firewall (UDP) between, or a server that does not run. The agent goes on trying with growing pauses and comes back by itself.",
	},
	{
		Code: ServerRefuses, Severity: Error, Subject: "server",
		Text:   "the server refuses the registration",
		Remedy: "Read the response code: 4.00 is an endpoint name or version that the server does not take, 4.03 an endpoint that it does not know or that may not use this security. Compare `endpoint` and the server's list of clients. 4.04 or 4.05: what answers at that `uri` is no LwM2M server. 5.xx: the server has trouble of its own, its log says which; it is tried again with growing pauses.",
	},
	{
		Code: ServerIdentity, Severity: Error, Subject: "server",
		Text:   "no secure session: keys or certificates of this device and the server do not fit",
		Remedy: "Read the text: it names the alert, or the message that did not come, and ends with what helps. Pre-shared keys: compare `identity` and the key with what the server has for this client; a wrong key shows as an alert of the server (decrypt_error, bad_record_mac, with some servers internal_error), or only as a handshake that stops after a flight. Certificates: one that has expired, or is not valid yet, may be right and this device's clock wrong (`date`); one that is not trusted: compare `server_certificate_file`, and the host of `uri` (or `sni`) with the names in it.",
	},
	{
		Code: RegistrationLost, Severity: Warning, Subject: "server",
		Text:   "the server no longer had the last registrations, three in a row or more, before their lifetime was over",
		Remedy: "As a rule two devices have the same endpoint name: the Register of one ends the registration of the other, and each sees this. The server's list of clients shows the address changing. Give one of them another `endpoint`, and keys of its own. If there is no second device, the server forgets its registrations: it is started anew often, or several instances of it do not share them. The entry goes when a registration has stood for two lifetimes.",
	},
	{
		Code: ServerMissing, Severity: Warning,
		Text:   "no server is configured",
		Remedy: "Add a `[[server]]` or `[bootstrap]` section to agent.toml; `lwm2m-agent check` shows whether it is right.",
	},
	{
		Code: BootstrapFailing, Severity: Error,
		Text:   "the bootstrap has failed; accounts stay as they were",
		Remedy: "The text says what went wrong. Check address, `identity` and key of `[bootstrap]`, and what the bootstrap server has for this endpoint: at least one server with object 0 and object 1. It is tried again with growing pauses; `lwm2m-agent bootstrap` tries at once.",
	},
	{
		Code: AccountsReverted, Severity: Error,
		Text:   "the accounts of the last bootstrap have not registered; the former ones are back, or have been",
		Remedy: "The text names the servers that were not reached. Both have an hour each in turn until one of them is. Correct what the bootstrap server gives out, or what the new server knows of this endpoint, then `lwm2m-agent bootstrap`. The entry goes when the accounts of a bootstrap have registered.",
	},
	{
		Code: SensorFailing, Severity: Error, Subject: "sensor", Device: PeripheralFault,
		Text:   "the sensor gives no values",
		Remedy: "Check wiring, bus and address; `lwm2m-agent scan` shows what answers. Its object stays, with the last value marked invalid, and the sensor is tried again by itself.",
	},
	{
		Code: ActuatorFailing, Severity: Error, Subject: "actuator", Device: PeripheralFault,
		Text:   "the actuator cannot be driven",
		Remedy: "Check chip and line, and with `lwm2m-agent scan` whether the kernel or another program uses the line.",
	},
	{
		Code: ActuatorInterlocked, Severity: Warning, Subject: "actuator",
		Text:   "an interlock holds the output in its safe state; servers cannot set another",
		Remedy: "The text says which input is to blame: see to what it watches, or to the input itself if it fails. Then the output can be set again; it does not go back by itself.",
	},
	{
		Code: ConfigurationInvalid, Severity: Error, Device: ConfigurationRefused,
		Text:   "the configuration was read again and refused; the agent goes on with the former one",
		Remedy: "`lwm2m-agent check` prints file, line and what is allowed. After the repair: `systemctl reload lwm2m-agent` (OpenWrt: `/etc/init.d/lwm2m-agent reload`).",
	},
	{
		Code: ConfigurationReverted, Severity: Warning, Device: ConfigurationRefused,
		Text:   "the last change of the configuration was taken back by itself; the one of before is in force",
		Remedy: "The text says why, as a rule a server that was not reached with it. Correct the change and apply it again; the entry goes with the next one that is kept. `lwm2m-agent config show -json` has the history.",
	},
	{
		Code: ConfigurationUnsafe, Severity: Warning, Subject: "place",
		Text:   "the configuration works but should not stay so",
		Remedy: "The text says what to change, for instance `chmod o-rwx` for a file that holds a key. An own certificate that has expired wants another one; of one that is not valid yet, this device's clock may be wrong (`date`), and the entry goes when that is set.",
	},
	{
		Code: KeyUnavailable, Severity: Error, Subject: "key",
		Text:   "the key cannot be used where it is held, so there is no session with servers that want it",
		Remedy: "For a TPM: the agent's user needs to be in the group that owns its device (`ls -l /dev/tpmrm0`, as a rule tss), and `lwm2m-agent provision list` shows the keys that it has. For a credential: the unit needs `LoadCredential=` or `LoadCredentialEncrypted=` with its name. The key is tried again with each attempt to reach the server.",
	},
	{
		Code: ClockWrong, Severity: Warning,
		Text:   "this machine's clock is wrong; certificates are judged by the last time that was known to be right",
		Remedy: "Let a time server set it (`timedatectl`, chrony, ntpd), or a server by a write to /3/0/13. Sessions with pre-shared keys and raw public keys do not depend on it. If the clock is right and what the agent remembers is wrong: `lwm2m-agent write /3/0/13 SECONDS`, with the present time in seconds since 1970 (`date +%s`).",
	},
	{
		Code: AppAway, Severity: Error, Subject: "application", Device: PeripheralFault,
		Text:   "the application's program is not there; its last values stay, marked stale, and writes to its objects are refused",
		Remedy: "Start the program again and see why it ended (its log, `systemctl status` of its unit). If it is gone for good, remove its `[[app]]` section and reload: its objects go with it.",
	},
	{
		Code: PartFailing, Severity: Error, Subject: "part",
		Text:   "a part that the configuration asks for does not work",
		Remedy: "The text says why. `address already in use`: another program listens there; end it, or set another address in `[metrics]` or `[page]`. A log that may not be read: give the agent's user the group that may, on Debian as a rule adm (`systemctl edit lwm2m-agent`, `[Service]`, `SupplementaryGroups=adm`). It is tried again by itself.",
	},
	{
		Code: ModemMissing, Severity: Error, Subject: "modem", Device: PeripheralFault,
		Text:   "the modem is not there, or another program holds its port",
		Remedy: "See whether the modem has power and is on the bus (`dmesg`, `lsusb`, `lwm2m-agent scan`). A program that the text names has to end, or to use another port of the module. ModemManager leaves a modem alone by a udev rule that sets `ENV{ID_MM_DEVICE_IGNORE}=\"1\"`; or follow it through ModemManager (`driver = \"modemmanager\"`; `mmcli -L` lists what it has). It is looked for again by itself.",
	},
	{
		Code: ModemSilent, Severity: Error, Subject: "modem", Device: PeripheralFault,
		Text:   "the modem is there and cannot be used: it does not answer to AT commands, or ModemManager has given it up",
		Remedy: "Check `port`: a module has several, for commands, data and positions; `/dev/ttyUSB*` tries them all. With wires check `speed`, RX and TX, and that the module is switched on (PWRKEY). ModemManager's log says why it has given up. It is asked again by itself, and never reset for this.",
	},
	{
		Code: SIMMissing, Severity: Error, Subject: "modem",
		Text:   "the modem sees no SIM",
		Remedy: "Insert the card, or turn it round. A module with two slots or an eSIM may look at the other one. An eSIM without a profile needs one, which its operator's system or a program such as lpac downloads.",
	},
	{
		Code: SIMUnusable, Severity: Error, Subject: "modem",
		Text:   "the SIM cannot be used",
		Remedy: "If it wants its PIN, set `pin` in `[[modem]]` and restart, or switch the PIN off. A card that has refused `pin` is not given it again, over restarts neither: three wrong ones lock it. Correct it; or, if it is right by now, or nobody knows whether the card has refused it, start once without it. If it wants its PUK, only the operator's PUK in a telephone helps. If the modem locks it out, it takes only its operator's cards.",
	},
	{
		Code: NetworkRefuses, Severity: Error, Subject: "modem",
		Text:   "the network refuses the registration or the connection",
		Remedy: "The text has the network's cause. Causes 2, 3, 6 and 8 are a SIM or modem that is not activated or is blocked: ask the operator. 11 to 15 are a network or place where this contract does not reach: check roaming. 7, 14, 19, 27, 29 and 33 point to the APN, its login, or a contract without data. Resetting the modem helps against none of them.",
	},
	{
		Code: LinkLost, Severity: Warning, Subject: "modem",
		Text:   "the modem's link is lost; it is mended step by step",
		Remedy: "The text says what is missing, what was done last, and when it is looked at again; the log has each step. No cell is often a matter of place or antenna. Steps are few on purpose: who asks more often is blocked by networks. `heal = false` in `[[modem]]` leaves all of it to others.",
	},
	{
		Code: ReceiverFailing, Severity: Error, Subject: "receiver", Device: GPSFailure,
		Text:   "the receiver of `[location]` tells no positions",
		Remedy: "A port that is missing or held: see `dmesg`, wiring, and which program has it; gpsd and this agent cannot both (`source = \"gpsd\"` asks gpsd). Nothing comes: power, RX and TX. Bytes that are no sentences: `baud`, as a rule 9600, 38400 or 115200, or a receiver that is set to a binary protocol. gpsd: `systemctl status gpsd`. A modem: whether it has a receiver at all. It is tried again by itself; object 6 keeps the last position with its time.",
	},
	{
		Code: FixMissing, Severity: Warning, Subject: "receiver",
		Text:   "the receiver works and has no fix; object 6 keeps the last position with its time",
		Remedy: "Check antenna and sky. A receiver that was without power for long needs up to 12 minutes. Indoors it may never have one: a fixed position (`source = \"fixed\"`) may serve as well.",
	},
	{
		Code: StateDamaged, Severity: Warning, Subject: "file", Device: StorageFault,
		Text:   "a file of the state directory was damaged; what could be read was kept",
		Remedy: "The damaged file lies beside as *.corrupt-N. If accounts or instance numbers are missing, they are made anew from the configuration. Look for a failing disk or SD card (`dmesg`).",
	},
	{
		Code: StateUnwritable, Severity: Error, Device: StorageFault,
		Text:   "the state directory cannot be written",
		Remedy: "Free space, or repair permissions: the agent's user needs to own it. `read-only file system`: as a rule Linux has found the disk or SD card failing (`dmesg`); save what is on it. What was stored before is intact; what has changed since is lost at a restart. It is tried again with the next change.",
	},
	{
		Code: StateVolatile, Severity: Warning,
		Text:   "the state directory lies on a RAM disk: accounts, instance numbers and counters are lost at a reboot",
		Remedy: "Give a folder on flash or disk with `-state DIR`.",
	},
	{
		Code: StateCopied, Severity: Warning,
		Text:   "the state directory comes from another machine: its image was copied, keys and all",
		Remedy: "Devices with the same keys can be taken for each other. Give this one its own (`lwm2m-agent provision -json -replace`, or a new bootstrap) and leave the state directory and `keys/` out of images. A name that the agent chose it has chosen anew; one in the configuration must be changed there.",
	},
	{
		Code: FirmwareFailed, Severity: Warning,
		Text:   "the last firmware update has failed; the system of before runs",
		Remedy: "The text says why. `lwm2m-agent firmware status` shows the slots; the entry goes with the next update, or when a server resets the object.",
	},
	{
		Code: FirmwareWaits, Severity: Notice,
		Text:   "a firmware update waits for consent",
		Remedy: "`lwm2m-agent firmware accept` installs it now; it is installed by itself when the server's defer period is over.",
	},
	{
		Code: FirmwareBudget, Severity: Notice,
		Text:   "a download of firmware waits: the data budget is used up",
		Remedy: "It goes on by itself at the time that the text says, behind what has come. A larger `data_budget` in `[firmware]` and a restart let it go on now.",
	},
	{
		Code: FirmwareUnusable, Severity: Error,
		Text:   "this machine could not be updated as it is set up: what writes and boots slots does not answer, or not as updates need it, or a package has no place to lie",
		Remedy: "The text says what is missing and what helps, `lwm2m-agent check` too. The agent sees by itself that it was mended, at the latest after an hour; `lwm2m-agent firmware status` has it look at once.",
	},
}

// Kinds returns the table of possible troubles.
func Kinds() []Kind { return append([]Kind(nil), kinds...) }

// Remedy returns what to do about a trouble.
func Remedy(c Code) string {
	k, _ := kindOf(c)
	return k.Remedy
}

func kindOf(c Code) (Kind, bool) {
	for _, k := range kinds {
		if k.Code == c {
			return k, true
		}
	}
	return Kind{}, false
}
