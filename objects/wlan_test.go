package objects

import (
	"slices"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func station(iid uint16, name string) WLAN {
	return WLAN{
		Instance: iid, Name: name, Status: WLANUp, MAC: []byte{0, 0x0c, 0x43, 0xaa, 0xbb, 0xcc}, SSID: "home", Channel: 11,
		Mode: new(WLANStation), Radio: new(Radio2400MHz), Standard: new(StandardBGN),
		Authentication: new(AuthenticationPSK), Encryption: new(EncryptionAES),
		Counter: func(c WLANCounter) uint64 { return uint64(c) * 1000 },
	}
}

func TestWLANFollowsTheInterfaces(t *testing.T) {
	f := newFixture(t)
	w := NewWLANConnectivity(f.tree)
	f.check(w.Publish(nil))
	objectIsThere := func() bool { return len(f.tree.Entries(lwm2m.NewPath(objectWLAN), lwm2m.LevelObject)) == 1 }
	if objectIsThere() {
		t.Error("there is an object 12 without a wireless interface")
	}
	f.check(w.Publish([]WLAN{station(0, "wlan0"), station(3, "wlan1")}))
	f.has(map[string]string{
		"/12/0/0": "wlan0", "/12/0/1": "1", "/12/0/2": "1", "/12/0/3": "1", "/12/0/4": "000C43AABBCC", "/12/0/5": "home", "/12/0/8": "1",
		"/12/0/9": "11", "/12/0/14": "5", "/12/0/15": "1", "/12/0/16": "0", "/12/0/33": "33000", "/12/0/46": "46000", "/12/3/0": "wlan1",
	})
	// Switched off, nothing is known; what is mandatory is there and says that it is a guess.
	f.check(w.Publish([]WLAN{{Instance: 3, Name: "wlan1", Counter: func(WLANCounter) uint64 { return 0 }}}))
	f.has(map[string]string{
		"/12/0/0": "", "/12/3/1": "0", "/12/3/2": "", "/12/3/3": "0", "/12/3/5": "", "/12/3/9": "0",
		"/12/3/8": "1 uncertain", "/12/3/14": "5 uncertain", "/12/3/15": "0 uncertain", "/12/3/16": "",
	})
	def := f.tree.Definition(objectWLAN)
	for i := range def.Resources {
		if r := &def.Resources[i]; r.Mandatory && !slices.Contains(f.listed("/12/3"), lwm2m.NewPath(12, 3, r.ID).String()) {
			t.Errorf("mandatory resource %d (%s) is missing", r.ID, r.Name)
		}
	}
	f.check(w.Publish(nil))
	if objectIsThere() {
		t.Error("object 12 stays without a wireless interface")
	}
	f.check(w.Publish([]WLAN{station(0, "wlan0")}))
	f.has(map[string]string{"/12/0/0": "wlan0"})
}

// TestWLANRefusesWrites: keys too, which are write only and which nobody offers.
func TestWLANRefusesWrites(t *testing.T) {
	f := newFixture(t)
	f.check(NewWLANConnectivity(f.tree).Publish([]WLAN{station(0, "wlan0")}))
	f.refused(f.write("/12/0/5", lwm2m.String("other")), lwm2m.MethodNotAllowed, "cannot be written")
	f.refused(f.write("/12/0/18", lwm2m.String("a key phrase")), lwm2m.MethodNotAllowed, "cannot be written")
	f.refused(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/12/0")), lwm2m.MethodNotAllowed, "cannot be written")
	f.has(map[string]string{"/12/0/5": "home", "/12/0/18": ""})
}
