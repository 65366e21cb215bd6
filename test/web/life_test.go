//go:build web

package web

import (
	"strings"
	"testing"
	"time"
)

// TestRegistersAgain: the page says that the board is away, and goes on by itself when it is back.
func TestRegistersAgain(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	d.run(t, "write", "/1/0/5", "2") // Disable Timeout, in seconds
	unfold(t, p, "/1")
	p.WaitText(t, row("/1/0/5")+" .value", "2 s")
	p.Click(t, row("/1/0/4")+" .line button:not(.opener)")
	p.Press(t, "Enter") // Disable, without arguments
	p.WaitFor(t, "document.getElementById('reg-state').dataset.registered === 'false'")
	p.WaitText(t, "#reg-state", "disabled")
	p.WaitText(t, "#stale", "not registered at the moment")
	p.WaitFor(t, `document.querySelectorAll(".card").length > 5`) // what was known stays in view
	p.WaitFor(t, "document.getElementById('reg-state').dataset.registered === 'true'")
	p.WaitFor(t, "document.getElementById('stale').textContent === ''")
	before := p.Text(t, card("/3303/0")+" .now")
	p.WaitFor(t, element(card("/3303/0")+" .now")+".textContent !== "+quote(before)) // it is observed again
	p.WaitText(t, row("/1/0/5")+" .value", "2 s")                                    // what was open is open
}

// TestEnd: the page says that the demo has ended, and why nothing works any more.
func TestEnd(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	d.Stop(t)
	if status := d.Wait(t, time.Minute); status != 0 {
		t.Errorf("exit status %d", status)
	}
	p.WaitText(t, "#reg-state", "the demo has ended")
	p.WaitText(t, "#stale", "Start the demo again")
	p.Click(t, card("/3306/0")+" .switch")
	p.WaitText(t, "#notice", "Write /3306/0/5850: the demo has ended")
}

// TestKilled: a demo that has gone without a word is tried again.
func TestKilled(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := Start(t).Open(t, d.page.String())
	settle(t, p)
	d.Kill(t)
	p.WaitText(t, "#reg-state", "the demo does not answer; trying again")
	p.Click(t, card("/3306/0")+" .switch")
	p.WaitText(t, "#notice", "the demo cannot be reached")
}

// TestElsewhere: the same board at another server, where a second demo's server plays that part.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	const name = "urn:dev:ops:32473-elsewhere"
	target := startDemo(t, "target")
	d := startDemo(t, "demo", "-server", target.coap, "-endpoint", name)
	p := visit(t, d)
	p.WaitText(t, "#reg-state", "registered")
	if text := p.Text(t, "header"); !strings.Contains(text, name) || !strings.Contains(text, target.coap) || !strings.Contains(text, "UDP") {
		t.Errorf("the head says %q", text)
	}
	p.WaitText(t, "#direct", "The server is elsewhere")
	if out := d.run(t, "status"); !strings.Contains(out, target.coap) || !strings.Contains(out, "registered") {
		t.Errorf("status: %s", out)
	}
	p.Click(t, "#wire-toggle")
	d.run(t, "update")
	p.WaitText(t, "#messages", "Update /rd/")
	p.WaitText(t, "#messages", "2.04 Changed to Update /rd/")
	p.Click(t, "#messages li:last-child summary")
	p.WaitText(t, "#messages li:last-child dl", "not encrypted")
	// The board is operated without the server.
	before := p.Text(t, card("/3303/0")+" .now")
	p.WaitFor(t, element(card("/3303/0")+" .now")+".textContent !== "+quote(before))
	p.Click(t, card("/3306/0")+" .switch")
	p.WaitText(t, card("/3306/0")+" .now", "on")
	if got := d.value(t, "/3306/0/5850"); got != true {
		t.Errorf("the relay is %v", got)
	}
	if got := target.value(t, "/3306/0/5850"); got != false {
		t.Errorf("the relay of the target's own board is %v", got)
	}
	unfold(t, p, "/3303")
	p.Click(t, row("/3303/0/5700")+" .opener")
	p.WaitText(t, row("/3303/0/5700")+" .panel", "Stop observing")
	if text := p.Text(t, row("/3303/0/5700")+" .panel"); strings.Contains(text, "Attributes") {
		t.Errorf("attributes are offered: %s", text)
	}
	// The target goes: the board says so, and finds it again by itself is the agent's affair.
	target.Stop(t)
	d.run(t, "update")
	p.WaitFor(t, "document.getElementById('reg-state').textContent !== 'registered'")
}
