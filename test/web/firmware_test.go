//go:build web

package web

import "testing"

// TestFirmware: a person updates the demo's board from its page: a package that is damaged, and one that stays.
func TestFirmware(t *testing.T) {
	d := startDemo(t, "demo")
	p := visit(t, d)
	unfold(t, p, "/5")
	p.Click(t, inst("/5/0")+" "+named("Observe Firmware Update"))
	p.WaitFor(t, element(inst("/5/0")+" "+named("Stop observing Firmware Update")))
	give := func(name string) {
		t.Helper()
		p.Click(t, row("/5/0/1")+" .line button:not(.opener)")
		fill(t, p, "value", "http://"+d.page.Host+"/firmware/"+name)
	}
	give("damaged")
	p.WaitText(t, row("/5/0/5")+" .value", "5")
	p.WaitText(t, row("/5/0/3")+" .value", "0")
	give("2.0")
	p.WaitText(t, row("/5/0/3")+" .value", "2")
	p.WaitText(t, row("/5/0/7")+" .value", "2.0")
	p.Click(t, row("/5/0/2")+" .line button:not(.opener)")
	p.Press(t, "Enter")
	p.WaitText(t, row("/5/0/3")+" .value", "3")
	p.WaitText(t, row("/5/0/5")+" .value", "1") // the new system has been registered for ten seconds
	p.WaitText(t, row("/5/0/3")+" .value", "0")
	if got := d.value(t, "/3/0/3"); got != "2.0" {
		t.Errorf("version %v runs", got)
	}
}
