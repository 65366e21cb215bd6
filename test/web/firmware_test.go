//go:build web

package web

import "testing"

// TestFirmware: a person updates the demo's board from its page: a package that is damaged, and one that stays.
func TestFirmware(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	firmware := card("/5/0")
	p.WaitText(t, firmware+" .facts", "version 1.0 runs")
	p.Click(t, firmware+" "+named("Fetch a damaged package"))
	p.WaitText(t, firmware+" [role=status]", "the package is damaged or not signed by whom it must be")
	p.WaitText(t, firmware+" .now", "ready")
	p.Click(t, firmware+" "+named("Fetch version 2.0"))
	p.WaitText(t, firmware+" .now", "downloaded")
	p.Click(t, firmware+" "+named("Update now: the gateway restarts"))
	p.WaitText(t, firmware+" .now", "updating")
	p.WaitText(t, firmware+" .now", "ready") // the new system has been registered for ten seconds
	p.WaitText(t, firmware+" [role=status]", "the update is in force")
	p.WaitText(t, firmware+" .facts", "version 2.0 runs")
	if got := d.value(t, "/3/0/3"); got != "2.0" {
		t.Errorf("version %v runs", got)
	}
}

// TestFirmwareFromAddress: a person gives an address, and sees the object follow.
func TestFirmwareFromAddress(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	unfold(t, p, "/5")
	p.Click(t, card("/5/0")+" "+named("Fetch from … an address"))
	fill(t, p, "uri", "http://"+d.page.Host+"/firmware/2.0")
	p.WaitText(t, row("/5/0/3")+" .value", "2")
	p.WaitText(t, row("/5/0/7")+" .value", "2.0")
	p.Click(t, card("/5/0")+" "+named("Discard the package"))
	p.WaitText(t, row("/5/0/3")+" .value", "0")
	p.WaitText(t, row("/5/0/5")+" .value", "10")
}

// TestNetwork: the signal of the board's modem moves.
func TestNetwork(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	network := card("/4/0")
	p.WaitText(t, network+" .unit", "dBm")
	var first string
	p.Eval(t, element(network+" .now")+".textContent", &first)
	p.WaitFor(t, element(network+" .now")+`.textContent !== "`+first+`"`)
	p.WaitFor(t, element(network+" .facts")+`.textContent.includes("operator 001-01")`)
}
