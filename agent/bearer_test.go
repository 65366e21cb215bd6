package agent

import (
	"testing"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

func TestParametersByBearer(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	tree, kept := model.NewTree(registry.Definitions(), time.Now), bind.Kept{Store: st, Key: "coap"}
	o, err := objects.NewCoAPConfig(tree, kept.Save, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Seed(transmissions()); err != nil {
		t.Fatal(err)
	}
	const second = time.Second
	check := func(wanted config.Bearer, inUse objects.Bearer, ack, dtls, first time.Duration) {
		t.Helper()
		var p client.Params
		byBearer(&p, wanted, inUse, o)
		if p.KeepAlive != (p.Retry.First < time.Minute) || p.Network == "" {
			t.Errorf("%q on %d: keep-alive %v on network %q", wanted, inUse, p.KeepAlive, p.Network)
		}
		if at := fetching(&p).NStart; (at > p.CoAP.NStart) != p.KeepAlive {
			t.Errorf("%q on %d: %d blocks of a package at a time", wanted, inUse, at)
		}
		if p.CoAP.AckTimeout != ack || p.DTLSTimeout != dtls || p.Retry.First != first {
			t.Errorf("%q on %d: ACK_TIMEOUT %s, DTLS %s, attempts from %s", wanted, inUse, p.CoAP.AckTimeout, p.DTLSTimeout, p.Retry.First)
		}
	}
	check("", objects.BearerEthernet, 2*second, second, 0)
	check("", objects.BearerWLAN, 2*second, second, 0)
	check("", objects.BearerDSL, 2*second, second, 0)
	check("", objects.BearerGSM, 3*second, 2*second, 10*second)
	check("", objects.BearerNBIoT, 10*second, 9*second, 60*second)
	check("nb-iot", objects.BearerEthernet, 10*second, 9*second, 60*second)
	check("lte-m", objects.BearerEthernet, 6*second, 4*second, 60*second)
	check("lte", objects.BearerWLAN, 3*second, 2*second, 10*second)

	// What a server writes comes before the profile, and outlives the process.
	for _, iid := range tree.Instances(500) {
		p := lwm2m.NewPath(500, iid, 1)
		if err := tree.Write(t.Context(), model.FromServer(1), model.Replace, p, []lwm2m.Node{{Path: p, Value: lwm2m.Integer(20)}}); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := kept.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Restore(nodes); err != nil {
		t.Fatal(err)
	}
	check("", objects.BearerEthernet, 20*second, second, 0)
	check("lte-m", objects.BearerEthernet, 20*second, 2*second, 60*second)
}

// TestBearerOfModem chooses the bearer by the radio, where nobody has chosen one.
func TestBearerOfModem(t *testing.T) {
	for _, tt := range []struct {
		wanted     config.Bearer
		technology modem.Technology
		want       config.Bearer
	}{
		{"", modem.LTEM, config.BearerLTEM}, {"", modem.LTE, ""}, {"", modem.NBIoT, ""}, // which object 4 tells apart
		{config.BearerLTE, modem.LTEM, config.BearerLTE}, {config.BearerEthernet, modem.NBIoT, config.BearerEthernet},
	} {
		if got := byModem(tt.wanted, &modem.State{Network: modem.Network{Technology: tt.technology}}); got != tt.want {
			t.Errorf("%q over %v: %q, want %q", tt.wanted, tt.technology, got, tt.want)
		}
	}
	for _, p := range profiles {
		if metered := p.retry == metered; metered == p.keepAlive {
			t.Errorf("bearer %v: metered %v, keep-alives %v", p.bearer, metered, p.keepAlive)
		}
	}
}
