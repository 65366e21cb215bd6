package arch

// A pattern names packages by their folder: "lwm2m/wire" is that package alone, "lwm2m/wire/..." it and everything below.

// arrow says which packages of this module the packages of a pattern may import. The first arrow that matches a package decides;
// a package that none matches is refused, so that a new one is placed on purpose. The packages of one arrow may import each other.
type arrow struct {
	of  string
	may []string
	why string
}

var arrows = []arrow{
	{"lwm2m", nil, "the vocabulary stands on nothing"},
	{"lwm2m/wire/...", []string{"lwm2m", "lwm2m/wire/..."}, "formats turn bytes into nodes and know no tree, no socket"},
	{"lwm2m/model/...", []string{"lwm2m", "lwm2m/model/..."}, "the tree knows neither formats nor sockets"},
	{"lwm2m/coap/...", nil, "message exchange knows nothing of LwM2M or of the security below"},
	{"lwm2m/dtls/...", nil, "secure sessions know neither CoAP nor LwM2M"},
	{"lwm2m/client/...", []string{"lwm2m", "lwm2m/wire/...", "lwm2m/model/...", "lwm2m/coap", "lwm2m/dtls"}, "the client is free of Linux and of the other end"},
	{"lwm2m/server/...", []string{"lwm2m", "lwm2m/wire/...", "lwm2m/model/...", "lwm2m/coap", "lwm2m/dtls"}, "the small server does not know the agent or the client"},

	{"objects/...", []string{"lwm2m/..."}, "objects meet hardware, modems, firmware and the host only in agent/bind"},
	{"hw/...", nil, "hardware gives channels and knows no LwM2M"},
	{"gnss/...", nil, "a position is no matter of who shows it"},
	{"modem/...", []string{"gnss"}, "a modem knows no LwM2M; it may have a receiver"},
	{"host/...", nil, "the operating system's side knows no LwM2M"},
	{"fota/...", []string{"lwm2m"}, "firmware update knows State and Result and no transport"},

	{"agent", []string{"lwm2m/...", "objects/...", "hw/...", "gnss", "modem/...", "fota/...", "host/...", "agent/..."}, "the agent composes"},
	{"agent/bind/...", []string{
		"lwm2m", "lwm2m/model/...", "lwm2m/client", "objects/...", "hw/...", "gnss", "modem/...", "fota/...", "host/...",
		"agent/config", "agent/store", "agent/health", "agent/keys",
	}, "siblings are joined here and nowhere else"},
	{"agent/config/...", []string{"lwm2m", "agent/keys"}, "the configuration is text made typed; what it means is the affair of those who read it"},
	{"agent/store/...", nil, "the state directory does not know what its records mean"},
	{"agent/helper/...", nil, "the root process does fixed things for whoever may ask; why is the affair of the agent"},
	{"agent/transaction/...", nil, "a transaction knows texts and time; what they say is the affair of those who apply them"},
	{"agent/clock/...", nil, "what time it is at least follows from what sources say; how they are asked is the affair of host"},
	{"agent/keys/...", nil, "a key is used where it is held; which server it is for is the affair of those who ask"},
	{"agent/provision/...", []string{"agent/keys", "agent/config"}, "a factory line makes keys and writes configuration; nothing runs"},
	{"agent/health/...", []string{"lwm2m"}, "a trouble is a declared value; whoever has it reports it"},
	{"agent/apps/...", []string{"lwm2m", "lwm2m/model/...", "agent/config", "agent/health"}, "local programs meet the tree here; how they connect is the affair of agent/control"},
	{"agent/trace/...", []string{"lwm2m", "lwm2m/wire/...", "lwm2m/model/...", "lwm2m/coap"}, "messages are put in words here; who looks is the affair of agent/control"},
	{"agent/control/...", []string{"lwm2m", "lwm2m/model/...", "agent/apps", "agent/config", "agent/health", "agent/trace"}, "the control interface asks the tree and the agent through its own interfaces"},
	{"agent/metrics/...", []string{"agent/control"}, "metrics are told of what the control interface tells of"},
	{"agent/web/...", []string{"lwm2m", "lwm2m/model/...", "agent/control", "agent/health"}, "the page stands on the control interface"},

	{
		"agent/demo/...",
		[]string{"lwm2m", "lwm2m/wire/...", "lwm2m/model/...", "lwm2m/coap", "lwm2m/server", "agent/config", "agent/trace", "agent/web", "modem/at/attest"},
		"the demo's own parts stand on the page, the small server and the simulated modem; the agent composes them",
	},

	{
		"agent/ets/...",
		[]string{"lwm2m", "lwm2m/wire/...", "lwm2m/coap", "lwm2m/server", "agent/config"},
		"the conformance procedures know a server and the device under test through an interface; the agent composes them",
	},

	{"cmd/...", []string{"agent", "agent/config", "agent/control", "agent/ets", "agent/keys", "agent/provision", "agent/trace", "lwm2m"}, "a command parses flags and calls the agent, or its control interface"},
	{"test/...", []string{"..."}, "tests may look at everything"},
}

// home says which packages may import a library from outside this module and the standard library. A library that no home names is refused:
// a new dependency is a decision, and its place belongs to it. Packages of test/... are free.
type home struct {
	library string // an import path, or a prefix of one ending in /...
	of      []string
	why     string
}

var homes = []home{
	{"github.com/plgd-dev/go-coap/v3/...", []string{"lwm2m/coap/..."}, "its message codec is used; its connection layer is not"},
	{"github.com/pion/...", []string{"lwm2m/dtls/...", "lwm2m/server/..."}, "building blocks of the client profile, and the server's side"},
	{"golang.org/x/crypto/...", []string{"lwm2m/dtls/..."}, "key agreement and HKDF"},
	{"github.com/google/go-cmp/...", []string{"lwm2m/wire/internal/wiretest"}, "tests"},
	{"github.com/fxamacker/cbor/v2", []string{"lwm2m/wire/...", "agent/store/..."}, "CBOR is a matter of formats and records"},
	{"periph.io/x/...", []string{"hw/..."}, "buses"},
	{"github.com/warthog618/go-gpiocdev/...", []string{"hw/..."}, "GPIO lines"},
	{"github.com/godbus/dbus/v5/...", []string{"modem/...", "host/...", "fota/..."}, "the services that speak D-Bus"},
	{"github.com/coreos/go-systemd/v22/...", []string{"host/...", "agent", "cmd/..."}, "readiness, watchdog, socket activation"},
	{"github.com/mdlayher/netlink/...", []string{"host/..."}, "interfaces and addresses"},
	{"github.com/jsimonetti/rtnetlink/v2/...", []string{"host/..."}, "interfaces and addresses"},
	{"github.com/BurntSushi/toml", []string{"agent/config/..."}, "the configuration's syntax"},
	{"github.com/google/go-tpm/...", []string{"agent/keys"}, "keys in a TPM"},
	{"go.etcd.io/bbolt/...", []string{"agent/store/..."}, "the state directory"},
	{"golang.org/x/sys/unix", []string{"lwm2m/coap/...", "hw/...", "modem/...", "host/...", "fota/...", "agent/...", "cmd/..."}, "the kernel, below the pure protocol packages"},
	{"golang.org/x/sync/...", []string{"agent/...", "lwm2m/client/...", "lwm2m/server/..."}, "errgroup"},
	{"golang.org/x/net/...", []string{"lwm2m/coap/..."}, "socket options"},
}

// pure packages do no I/O and no logging. Commands below them, which generate code, are no part of them.
var (
	pure   = []string{"lwm2m", "lwm2m/wire/...", "lwm2m/model/..."}
	impure = []string{"net", "net/http/...", "net/rpc/...", "net/smtp", "os/...", "log/...", "syscall", "database/...", "golang.org/x/sys/..."}
)

const (
	maxFileLines     = 500
	maxFunctionLines = 60
)
