package bind

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

func TestWLANInTheWordsOfObject12(t *testing.T) {
	tests := map[string]struct {
		in   host.WLAN
		want objects.WLAN
	}{
		"off": {host.WLAN{}, objects.WLAN{Status: objects.WLANDisabled, Radio: new(objects.RadioDisabled)}},
		"station": {
			host.WLAN{
				Interface: "wlan0", Up: true, Running: true, Mode: host.WLANStation, SSID: "home", Frequency: 5180, Width: 80, HighRate: true,
				Security: &host.WLANSecurity{PSK: true, Cipher: host.CipherAES},
			},
			objects.WLAN{
				Name: "wlan0", Status: objects.WLANUp, Mode: new(objects.WLANStation), SSID: "home", Channel: 36, Radio: new(objects.Radio5GHz),
				Standard: new(objects.StandardAC), Authentication: new(objects.AuthenticationPSK), Encryption: new(objects.EncryptionAES),
			},
		},
		"not connected": {host.WLAN{Up: true, Mode: host.WLANStation}, objects.WLAN{Status: objects.WLANError, Mode: new(objects.WLANStation)}},
		"access point": {
			host.WLAN{Up: true, Running: true, Mode: host.WLANAccessPoint, Frequency: 2412, Width: 20, HighRate: true},
			objects.WLAN{Status: objects.WLANUp, Mode: new(objects.WLANAccessPoint), Channel: 1, Radio: new(objects.Radio2400MHz), Standard: new(objects.StandardBGN)},
		},
		"WEP": {
			host.WLAN{Up: true, Running: true, Mode: host.WLANBridge, Frequency: 2412, Width: 20, Security: &host.WLANSecurity{Cipher: host.CipherWEP}},
			objects.WLAN{
				Status: objects.WLANUp, Mode: new(objects.WLANBridge), Channel: 1, Radio: new(objects.Radio2400MHz), Standard: new(objects.StandardBG),
				Authentication: new(objects.AuthenticationNone), Encryption: new(objects.EncryptionWEP),
			},
		},
		"mesh with WPA": {
			host.WLAN{Up: true, Running: true, Mode: host.WLANMesh, Frequency: 5200, Width: 40, HighRate: true, Security: &host.WLANSecurity{PSK: true, EAP: true, Cipher: host.CipherTKIP}},
			objects.WLAN{
				Status: objects.WLANUp, Mode: new(objects.WLANRepeater), Channel: 40, Radio: new(objects.Radio5GHz), Standard: new(objects.StandardN),
				Authentication: new(objects.AuthenticationEAPPSK), Encryption: new(objects.EncryptionTKIP),
			},
		},
		"11a with EAP": {
			host.WLAN{Up: true, Running: true, Mode: host.WLANOther, Frequency: 5200, Width: 20, Security: &host.WLANSecurity{EAP: true}},
			objects.WLAN{
				Status: objects.WLANUp, Channel: 40, Radio: new(objects.Radio5GHz), Standard: new(objects.StandardA), Authentication: new(objects.AuthenticationEAP),
			},
		},
		"60 GHz":  {host.WLAN{Up: true, Frequency: 60480, Width: 99}, objects.WLAN{Status: objects.WLANError, Channel: 2, Radio: new(objects.Radio60GHz)}},
		"900 MHz": {host.WLAN{Up: true, Frequency: 920, Width: 5}, objects.WLAN{Status: objects.WLANError, Radio: new(objects.Radio900MHz), Standard: new(objects.StandardAH)}},
	}
	for name, tt := range tests {
		if d := cmp.Diff(tt.want, wlanOf(&tt.in)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// TestWLANInstancesKeepTheirNumbers: an interface keeps its number while others
// come and go.
func TestWLANInstancesKeepTheirNumbers(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	tree := model.NewTree(registry.Definitions(), time.Now)
	root := fstest.MapFS{}
	file := func(name, text string) { root[name] = &fstest.MapFile{Data: []byte(text)} }
	w := WLAN{Root: root, Store: s, Object: objects.NewWLANConnectivity(tree)}
	publish := func(interfaces ...string) {
		t.Helper()
		clear(root)
		for _, name := range interfaces {
			file("sys/class/net/"+name+"/ifindex", "4242424") // no interface of this machine
			file("sys/class/net/"+name+"/uevent", "DEVTYPE=wlan\n")
			file("sys/class/net/"+name+"/statistics/tx_bytes", "17")
		}
		if err := w.Publish(new(host.ReadLinks(root))); err != nil {
			t.Fatal(err)
		}
	}
	want := func(path string, v lwm2m.Value) {
		t.Helper()
		if got := tree.Value(lwm2m.MustPath(path)); got != v {
			t.Errorf("%s is %v, want %v", path, got, v)
		}
	}
	publish("wlan0", "wlan1")
	want("/12/0/0", lwm2m.String("wlan0"))
	want("/12/1/0", lwm2m.String("wlan1"))
	want("/12/1/33", lwm2m.Integer(17))
	publish("ath0", "wlan1")
	want("/12/0/0", lwm2m.Value{})
	want("/12/1/0", lwm2m.String("wlan1"))
	want("/12/2/0", lwm2m.String("ath0"))
	publish()
	want("/12/1/0", lwm2m.Value{})
	publish("wlan0")
	want("/12/0/0", lwm2m.String("wlan0"))
}
