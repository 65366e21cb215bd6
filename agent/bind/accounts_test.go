package bind

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

const allSettings = `[[server]]
short_server_id = 101
uri = "coap://192.0.2.1"
store_notifications = false
confirm_notifications = true
mute_send = false
default_min_period = "5s"
default_max_period = "1h"
disable_timeout = "2h"
priority = 3
failure_block = true
initial_delay = "7s"
retry_count = 4
retry_timer = "10s"
sequence_delay = "3h"
sequence_count = 2
bootstrap_on_failure = false
profile_hash = 6
transport = "tcp"
sms_number = "+4915112345678"
secondary_uris = ["coap+tcp://192.0.2.2", "coap://192.0.2.3:5699"]
`

// TestServerSettings shows where the settings of a server go.
func TestServerSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.toml")
	if err := os.WriteFile(path, []byte(allSettings), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, config.Options{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	given := slices.Sorted(maps.Keys(cfg.Servers[0].More))
	if d := cmp.Diff(slices.Sorted(maps.Keys(serverResources)), given); d != "" {
		t.Errorf("settings that mean nothing, or are missing here: %s", d)
	}
	seeded(t, t.TempDir(), cfg, func(tree *model.Tree) {
		for p, want := range map[string]lwm2m.Value{
			"/1/0/1": lwm2m.Integer(86400), "/1/0/2": lwm2m.Integer(5), "/1/0/3": lwm2m.Integer(3600), "/1/0/5": lwm2m.Integer(7200),
			"/1/0/6": lwm2m.Boolean(false), "/1/0/13": lwm2m.Unsigned(3), "/1/0/14": lwm2m.Unsigned(7), "/1/0/15": lwm2m.Boolean(true),
			"/1/0/16": lwm2m.Boolean(false), "/1/0/17": lwm2m.Unsigned(4), "/1/0/18": lwm2m.Unsigned(10), "/1/0/19": lwm2m.Unsigned(10800), "/1/0/20": lwm2m.Unsigned(2),
			"/1/0/23": lwm2m.Boolean(false), "/1/0/26": lwm2m.Integer(1), "/1/0/27": lwm2m.Unsigned(6),
			"/0/0/9": lwm2m.String("+4915112345678"), "/1/0/21": lwm2m.Boolean(true),
			"/1/0/7": lwm2m.String("UT"), "/1/0/22": lwm2m.String("T"),
			"/0/0/25/0": lwm2m.String("coap+tcp://192.0.2.2:5683"), "/0/0/25/1": lwm2m.String("coap://192.0.2.3:5699"),
		} {
			if got := tree.Value(lwm2m.MustPath(p)); got != want {
				t.Errorf("%s is %v, want %v", p, got, want)
			}
		}
	})
}

// TestCredentials shows where the credentials of an account go.
func TestCredentials(t *testing.T) {
	for _, v := range []struct {
		account config.Account
		want    map[string]lwm2m.Value
	}{
		{
			config.Account{
				Security: config.SecurityX509, Key: config.NewSecret([]byte("key")), Public: []byte("chain"), ServerKey: []byte("ca"),
				SNI: "server.example.com", CertificateUsage: 0, MatchingType: 2, CipherSuites: []uint16{0xc0ae, 0xc02b},
			},
			map[string]lwm2m.Value{
				"/0/0/2": lwm2m.Integer(2), "/0/0/3": lwm2m.Opaque([]byte("chain")), "/0/0/4": lwm2m.Opaque([]byte("ca")),
				"/0/0/5": lwm2m.Opaque([]byte("key")), "/0/0/13": lwm2m.Unsigned(2), "/0/0/14": lwm2m.String("server.example.com"),
				"/0/0/15": lwm2m.Unsigned(0), "/0/0/16/0": lwm2m.Unsigned(0xc0ae), "/0/0/16/1": lwm2m.Unsigned(0xc02b),
			},
		},
		{
			config.Account{
				Security: config.SecurityRPK, Key: config.NewSecret([]byte("key")), Public: []byte("own"), ServerKey: []byte("server"),
				CertificateUsage: config.NoInstance,
			},
			map[string]lwm2m.Value{
				"/0/0/2": lwm2m.Integer(1), "/0/0/3": lwm2m.Opaque([]byte("own")), "/0/0/4": lwm2m.Opaque([]byte("server")),
				"/0/0/13": {}, "/0/0/14": {}, "/0/0/15": {}, "/0/0/16/0": {},
			},
		},
	} {
		v.account.URI = &url.URL{Scheme: "coaps", Host: "192.0.2.1:5684"}
		cfg := &config.Config{Servers: []config.Server{{Account: v.account, ShortServerID: 101}}}
		dir := t.TempDir()
		for range 2 { // and from the state directory
			seeded(t, dir, cfg, func(tree *model.Tree) {
				for p, want := range v.want {
					if got := tree.Value(lwm2m.MustPath(p)); got != want {
						t.Errorf("%s is %v, want %v", p, got, want)
					}
				}
			})
		}
	}
}
