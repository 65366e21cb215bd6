//go:build web

package web

import (
	"strings"
	"testing"
)

// TestFirstSight: a newcomer sees which board it is, where it is registered, and sensors that move.
func TestFirstSight(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	p.WaitText(t, "#reg-state", "registered")
	if text := p.Text(t, "header"); !strings.Contains(text, "urn:dev:") || !strings.Contains(text, "coaps://127.0.0.1:") || !strings.Contains(text, "DTLS PSK") || !strings.Contains(text, "1.2") {
		t.Errorf("the head says %q", text)
	}
	var address string
	if p.Eval(t, "location.href", &address); strings.Contains(address, "token") {
		t.Errorf("the token is still in the address %s", address)
	}
	outdoor := card("/3303/0")
	if text := p.Text(t, outdoor); !strings.Contains(text, "outdoor") || !strings.Contains(text, "Temperature /3303/0") || !strings.Contains(text, "°C") {
		t.Errorf("the card says %q", text)
	}
	before := p.Text(t, outdoor+" .now")
	drawn := p.attribute(t, outdoor+" .line", "d")
	p.WaitFor(t, element(outdoor+" .now")+".textContent !== "+quote(before))
	p.WaitFor(t, element(outdoor+" .line")+".getAttribute('d').split('L').length > "+quote(drawn)+".split('L').length")
	p.WaitFor(t, element(card("/6/0")+" .now")+".textContent.includes(', ')")
	// A page that is loaded anew does not begin with empty charts.
	p.Navigate(t, d.page.String())
	settle(t, p)
	p.WaitFor(t, element(outdoor+" .line")+".getAttribute('d').split('L').length > 3")
	for path, want := range map[string]string{"/3304/0": "% RH", "/3315/0": "Pa", "/3301/0": "lx", "/3320/0": "%"} {
		if text := p.Text(t, card(path)+" .unit"); text != want {
			t.Errorf("the unit of %s is %q, want %q", path, text, want)
		}
	}
}

func (p *Page) attribute(t *testing.T, selector, name string) (value string) {
	t.Helper()
	p.Eval(t, element(selector)+".getAttribute("+quote(name)+")", &value)
	return value
}

// TestSwitch: the relay is switched on through the page, and the board has it.
func TestSwitch(t *testing.T) {
	t.Parallel()
	const relay = "/3306/0/5850"
	d := startDemo(t, "demo")
	p := visit(t, d)
	if got := d.value(t, relay); got != false {
		t.Fatalf("at first the relay is %v", got)
	}
	p.Click(t, "#wire-toggle")
	p.Click(t, card("/3306/0")+" .switch")
	p.WaitFor(t, element(card("/3306/0")+" .switch")+".getAttribute('aria-checked') === 'true'")
	p.WaitText(t, card("/3306/0")+" .now", "on")
	p.WaitText(t, "#notice", "Write "+relay+": done")
	if got := d.value(t, relay); got != true {
		t.Errorf("the relay is %v", got)
	}
	if out := d.run(t, "read", relay); !strings.Contains(out, "true") {
		t.Errorf("read: %s", out)
	}
	// The panel shows the write, decoded, and its answer.
	p.WaitFor(t, `[...document.querySelectorAll("#messages li.received summary")].some((e) => /Write \/3306\/0\/5850 = true/.test(e.innerText.replace(/\s+/g, " ")))`)
	p.WaitFor(t, `[...document.querySelectorAll("#messages li.sent summary")].some((e) => /2\.04 Changed to Write \/3306\/0\/5850/.test(e.innerText.replace(/\s+/g, " ")))`)
	p.WaitText(t, "#messages", "Notify /3303/0/5700 = ")
	// The row of the same resource knows, and turns it back.
	unfold(t, p, "/3306")
	p.WaitText(t, row(relay)+" .value", "true")
	p.Click(t, row(relay)+" .switch")
	p.WaitText(t, row(relay)+" .value", "false")
	p.WaitText(t, card("/3306/0")+" .now", "off")
	if got := d.value(t, relay); got != false {
		t.Errorf("the relay is %v", got)
	}
	// What others do is seen, too: it is observed.
	d.run(t, "write", relay, "true")
	p.WaitText(t, card("/3306/0")+" .now", "on")
}

// TestWrite: texts and numbers, single and multiple, and what is refused.
func TestWrite(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	unfold(t, p, "/3306")
	p.Click(t, row("/3306/0/5750")+" .line button:not(.opener)")
	fill(t, p, "value", "pump <b>1</b>")
	p.WaitText(t, row("/3306/0/5750")+" .value", "pump <b>1</b>")
	p.WaitText(t, card("/3306/0")+" h3", "pump <b>1</b>") // text stays text
	if got := d.value(t, "/3306/0/5750"); got != "pump <b>1</b>" {
		t.Errorf("the application type is %v", got)
	}
	// The dimmer goes to 100: the board's refusal stays in the dialog, in words.
	p.Click(t, row("/3306/0/5851")+" .line button:not(.opener)")
	p.Type(t, "#field-value", "500")
	p.Press(t, "Enter")
	p.WaitText(t, "#dialog-error", "4.0")
	p.Type(t, "#field-value", "a lot")
	p.Press(t, "Enter")
	p.WaitText(t, "#dialog-error", "a lot")
	p.Press(t, "Escape")
	unfold(t, p, "/3442")
	text := row("/3442/0/1110")
	p.Click(t, text+" .line button:not(.opener)")
	p.Type(t, "#field-instance", "5")
	fill(t, p, "value", "five")
	p.WaitText(t, text+" .value", "5: five")
	p.Click(t, row("/3442/0/160")+" .line button:not(.opener)")
	fill(t, p, "value", "2031-02-03T04:05:06Z")
	p.WaitText(t, row("/3442/0/160")+" .value", "2031-02-03T04:05:06Z")
	if got := p.Text(t, row("/3442/0/125")+" .value"); got != "9223372036854775808" { // more than JavaScript's numbers hold
		t.Errorf("the unsigned integer is %s", got)
	}
}

// TestExecute: the arguments arrive, and what came of it is read.
func TestExecute(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	unfold(t, p, "/3442")
	p.Click(t, row("/3442/0/3")+" .line button:not(.opener)")
	fill(t, p, "arguments", "0='hello',7")
	p.WaitText(t, row("/3442/0/4")+" .value", "0: hello, 7:")
	if out := d.run(t, "read", "/3442/0/4"); !strings.Contains(out, "hello") {
		t.Errorf("read: %s", out)
	}
	p.Click(t, row("/3442/0/3")+" .line button:not(.opener)")
	p.Type(t, "#field-arguments", "no arguments")
	p.Press(t, "Enter")
	p.WaitText(t, "#dialog-error", "4.00 Bad Request")
	p.Press(t, "Escape")
	// What is only simulated says so on the page, too.
	unfold(t, p, "/3")
	p.Click(t, row("/3/0/4")+" .line button:not(.opener)")
	p.Press(t, "Enter")
	p.WaitText(t, "#notice", "a real gateway would restart now")
}

// TestObserve: an observation is begun and ended, of a resource and of an instance.
func TestObserve(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	unfold(t, p, "/3303")
	outdoor := row("/3303/0/5700")
	p.WaitText(t, outdoor+" .badge", "observed") // for its card
	p.Click(t, outdoor+" .opener")
	p.Click(t, outdoor+" "+named("Stop observing outdoor Sensor Value"))
	p.WaitFor(t, element(outdoor+" .badge")+".hidden")
	p.WaitText(t, card("/3303/0"), "not observed")
	// The card does not want it back; a person does.
	p.Click(t, outdoor+" "+named("Observe outdoor Sensor Value"))
	p.WaitText(t, outdoor+" .badge", "observed")
	before := p.Text(t, outdoor+" .value")
	p.WaitFor(t, element(outdoor+" .value")+".innerText !== "+quote(before))
	// A whole instance.
	unfold(t, p, "/3")
	p.Click(t, inst("/3/0")+" "+named("Observe Device"))
	p.WaitFor(t, element(inst("/3/0")+" "+named("Stop observing Device")))
	// A second page sees the same.
	second := p.browser.Open(t, d.page.String())
	settle(t, second)
	unfold(t, second, "/3")
	second.Click(t, inst("/3/0")+" "+named("Stop observing Device"))
	p.WaitFor(t, element(inst("/3/0")+" "+named("Observe Device")))
}

// TestAttributes: the dialog shows what is set, and sends what was changed.
func TestAttributes(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	p.Click(t, "#wire-toggle")
	unfold(t, p, "/3303")
	outdoor := row("/3303/0/5700")
	p.Click(t, outdoor+" .opener")
	dialog := outdoor + " " + named("Attributes of outdoor Sensor Value")
	p.Click(t, dialog)
	p.Type(t, "#field-pmin", "2")
	fill(t, p, "st", "0.1")
	p.WaitText(t, outdoor+" .panel", "attributes pmin=2 st=0.1")
	p.WaitText(t, "#messages", "Write-Attributes /3303/0/5700 pmin=2&st=0.1")
	p.Click(t, dialog)
	p.WaitFor(t, "document.getElementById('field-pmin').value === '2'")
	p.Type(t, "#field-pmin", "")
	p.Press(t, "Backspace")
	p.Press(t, "Enter")
	p.WaitText(t, outdoor+" .panel", "attributes st=0.1")
	p.Click(t, dialog)
	p.Type(t, "#field-pmax", "soon")
	p.Press(t, "Enter")
	p.WaitText(t, "#dialog-error", "4.00 Bad Request")
	p.Press(t, "Escape")
	p.WaitFor(t, "document.activeElement.getAttribute('aria-label') === 'Attributes of outdoor Sensor Value'")
}

// TestFind: objects and resources by name, and paths.
func TestFind(t *testing.T) {
	t.Parallel()
	p := visit(t, startDemo(t, "demo"))
	shown := func(selector string) string {
		return `[...document.querySelectorAll(` + quote(selector) + `)].filter((e) => e.offsetParent).map((e) => e.dataset.path).join(" ")`
	}
	p.Type(t, "#find", "humid")
	p.WaitFor(t, shown(".object")+` === "/3304"`)
	p.WaitFor(t, shown(".row")+`.includes("/3304/0/5700 /3304/0/5701")`)
	p.Type(t, "#find", "/3303/1/57")
	p.WaitFor(t, shown(".object")+` === "/3303"`)
	p.WaitFor(t, shown(".row")+` === "/3303/1/5700 /3303/1/5701 /3303/1/5750"`)
	p.Type(t, "#find", "dimmer")
	p.WaitFor(t, shown(".row")+` === "/3306/0/5851 /3311/0/5851"`)
	p.Type(t, "#find", "nothing like that")
	p.WaitFor(t, shown(".object")+` === ""`)
	p.WaitText(t, "#found", "0 of ")
}

// TestMessages: the panel can be stopped, cleared and rid of notifications.
func TestMessages(t *testing.T) {
	t.Parallel()
	p := visit(t, startDemo(t, "demo"))
	p.Click(t, "#wire-toggle")
	p.WaitText(t, "#messages", "Notify")
	p.Click(t, "#messages li:last-child summary")
	p.WaitText(t, "#messages li:last-child dl", "message ID")
	if text := p.Text(t, "#messages li:last-child dl"); !strings.Contains(text, "token") || !strings.Contains(text, "inside DTLS") {
		t.Errorf("a message is %q", text)
	}
	p.Click(t, "#wire-notify")
	p.WaitFor(t, `![...document.querySelectorAll("#messages strong")].some((e) => e.textContent === "Notify")`)
	p.Click(t, "#wire-clear")
	p.WaitFor(t, `document.querySelectorAll("#messages li").length === 0`)
	unfold(t, p, "/3")
	p.WaitText(t, "#messages", "Discover /3/0")
	p.Click(t, "#wire-pause")
	p.Click(t, "#wire-notify")
	p.Click(t, inst("/3/0")+" "+named("Read Device"))
	p.WaitText(t, "#notice", "Read /3/0: done")
	before := p.Text(t, "#messages")
	value := p.Text(t, card("/3303/0")+" .now")
	p.WaitFor(t, element(card("/3303/0")+" .now")+".textContent !== "+quote(value)) // a notification has come
	if after := p.Text(t, "#messages"); after != before {
		t.Error("a panel that is stopped goes on")
	}
	p.Press(t, "Tab") // into the panel, or beyond it
	p.Eval(t, "document.getElementById('wire-close').focus()", nil)
	p.Press(t, "Escape")
	p.WaitFor(t, "document.getElementById('wire').hidden && document.activeElement.id === 'wire-toggle'")
}
