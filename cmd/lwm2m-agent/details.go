package main

// paths is what the commands that take a PATH say about it.
const paths = "PATH is by number or by name: /3303/0/5700, /temperature/0/value, /3303. \"lwm2m-agent tree\" lists what there is."

// details is what -h says beyond the flags, in paragraphs: what subcommands do, what arguments are.
var details = map[string][]string{
	"tree":    {paths},
	"read":    {paths},
	"observe": {paths},
	"send":    {paths},
	"write":   {paths, "VALUE: true or false; a number; text; a Time as seconds since 1970; Opaque in Base64. In front of one that begins with a dash stands --."},
	"execute": {paths, "ARGS as in LwM2M: 0='text',1"},
	"config": {
		"show: what is in force, secrets as ***, and how the last change went",
		"diff [FILE]: what FILE would change; without it, what was set on top of the files",
		"apply FILE: sets FILE, - is standard input, on trial until the servers are reached with it; if they are not, the configuration of before returns",
		"confirm: keeps what is on trial at once",
		"rollback: ends a trial; else brings back what was in force before the last change",
		"reset-accounts: makes the server accounts anew from the configuration; what servers and bootstrap servers wrote is forgotten",
	},
	"firmware": {
		"status: how the update stands, and the slots",
		"install [FILE]: takes FILE as the package and installs it; without it, installs the package that is there",
		"accept: installs a package that waits for consent",
		"cancel: gives the update up",
		"mark-good: marks the running system as good, which ends its trial: it stays",
		"rollback: goes back to the system of before",
	},
	"provision": {
		"psk, rpk, x509: make or import a key, and print the configuration lines for it",
		"list: the keys that there are",
		"account FILE: takes an account from a file, - for standard input, or the text of a QR code",
		"Without a subcommand, with -json: a whole device, from JSON on standard input (docs/provisioning.md)",
	},
	"sensor": {
		"record NAME: records what goes over the bus to a sensor of the configuration; with -driver, one that is in none",
		"replay FILE: shows what the driver makes of a recording",
	},
}
