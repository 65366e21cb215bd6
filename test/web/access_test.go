//go:build web

package web

import (
	"fmt"
	"strings"
	"testing"
)

// everything opens all that can be opened: objects, resources, messages.
func everything(t *testing.T, p *Page) {
	t.Helper()
	p.Eval(t, `document.querySelectorAll("#objects details").forEach((e) => { e.open = true })`, nil)
	p.WaitFor(t, `document.querySelectorAll(".object").length <= document.querySelectorAll(".instance").length`)
	p.WaitFor(t, `!document.querySelector(".instance[aria-busy]") && document.querySelectorAll(".row").length > 100`)
	p.Eval(t, `document.querySelectorAll(".opener[aria-expanded=false]").forEach((e) => e.click())`, nil)
	p.Eval(t, `document.getElementById("wire").hidden && document.getElementById("wire-toggle").click()`, nil)
	p.WaitFor(t, `document.querySelectorAll("#messages li").length > 20`)
	p.Eval(t, `document.getElementById("wire-pause").click(), document.querySelectorAll("#messages details").forEach((e) => { e.open = true })`, nil)
}

// TestKeyboard: who has no pointer gets everywhere, sees where the focus is, and operates the relay.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	until := func(what, condition string) {
		t.Helper()
		for range 200 {
			var at struct {
				There, Seen bool
				Where       string
			}
			p.Eval(t, `(() => {
				const e = document.activeElement, style = getComputedStyle(e);
				return {there: Boolean(`+condition+`), where: e.outerHTML.slice(0, 100),
					seen: e === document.body || e.matches("#messages, h2") || style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2};
			})()`, &at)
			if !at.Seen {
				t.Errorf("the focus cannot be seen on %s", at.Where)
			}
			if at.There {
				return
			}
			p.Press(t, "Tab")
		}
		t.Fatalf("Tab does not lead to %s", what)
	}
	until("the link that skips the head", `e.matches(".skip")`)
	until("the messages", `e.id === "wire-toggle"`)
	until("the relay", `e.matches(".switch") && e.closest(".card").dataset.path === "/3306/0"`)
	p.Press(t, "Enter")
	p.WaitText(t, card("/3306/0")+" .now", "on")
	if got := d.value(t, "/3306/0/5850"); got != true {
		t.Errorf("after Enter the relay is %v", got)
	}
	idle(t, p)
	p.Press(t, "Space")
	p.WaitText(t, card("/3306/0")+" .now", "off")
	until("the object of the relay", `e.matches("summary") && e.parentElement.dataset.path === "/3306"`)
	p.Press(t, "Enter")
	p.WaitFor(t, element(row("/3306/0/5850"))+` && !document.querySelector(".instance[aria-busy]")`)
	until("the dimmer's name", `e.matches(".opener") && e.closest(".row").dataset.path === "/3306/0/5851"`)
	p.Press(t, "Space")
	p.WaitFor(t, "!"+element(row("/3306/0/5851")+" .panel")+".hidden")
	until("the dimmer's Write", `e.textContent === "Write" && e.closest(".panel")`)
	p.Press(t, "Enter")
	p.WaitFor(t, `document.activeElement.id === "field-value"`)
	fill(t, p, "value", "40")
	p.WaitText(t, row("/3306/0/5851")+" .value", "40 %")
	p.WaitFor(t, `document.activeElement.getAttribute("aria-label") === "Write relay Dimmer"`) // the focus is back
	until("the end", `e === document.body`)
}

// TestScreenReader: all that can be operated has a name, and so have the parts of the page.
func TestScreenReader(t *testing.T) {
	t.Parallel()
	p := visit(t, startDemo(t, "demo"))
	everything(t, p)
	operable := map[string]bool{
		"button": true, "link": true, "textbox": true, "searchbox": true, "checkbox": true, "switch": true, "combobox": true,
		"DisclosureTriangle": true, "article": true, "complementary": true, "dialog": true, "list": false, "heading": true, "image": true,
	}
	count := map[string]int{}
	check := func() {
		t.Helper()
		for _, a := range p.Accessibles(t) {
			count[a.Role]++
			if operable[a.Role] && strings.TrimSpace(a.Name) == "" {
				t.Errorf("a %s has no name", a.Role)
			}
		}
	}
	check()
	p.Eval(t, element(row("/3306/0/5850")+" "+named("Write relay On/Off"))+".click()", nil)
	check()
	for role, least := range map[string]int{"button": 200, "switch": 4, "DisclosureTriangle": 14, "searchbox": 1, "checkbox": 1, "article": 10, "complementary": 1, "dialog": 1, "combobox": 1} {
		if count[role] < least {
			t.Errorf("%d of role %s, want at least %d: %v", count[role], role, least, count)
		}
	}
	var live []string
	p.Eval(t, `[...document.querySelectorAll("[aria-live], [role=status], [role=alert], [role=log]")].map((e) => e.id)`, &live)
	if got := strings.Join(live, " "); got != "reg-state health stale firmware-result found notice-text dialog-error" { // nothing that changes with each measurement
		t.Errorf("what is read out by itself: %s", got)
	}
	var doubles []string
	p.Eval(t, `(() => {
		const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
		const lost = [...document.querySelectorAll("[aria-controls], [aria-labelledby], [aria-describedby], [for]")]
			.flatMap((e) => ["aria-controls", "aria-labelledby", "aria-describedby", "for"].map((a) => e.getAttribute(a))).filter((id) => id && !ids.includes(id));
		return [...ids.filter((id, i) => ids.indexOf(id) !== i), ...lost];
	})()`, &doubles)
	if len(doubles) > 0 {
		t.Errorf("identifiers that are there twice or not at all: %q", doubles)
	}
}

// faint lists texts, and the edges of controls, that stand out too little from what is behind them: less than 4.5:1 and 3:1 (WCAG 2.2,
// 1.4.3 and 1.4.11).
const faint = `(() => {
	const parse = (text) => {
		const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
		return {r, g, b, a};
	};
	const over = (top, below) => ({
		r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a), b: top.b * top.a + below.b * (1 - top.a), a: 1,
	});
	const behind = (e) => {
		const layers = [];
		for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
		return layers.reverse().reduce((below, top) => over(top, below), {r: 255, g: 255, b: 255, a: 1});
	};
	const light = ({r, g, b}) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const contrast = (a, b) => {
		const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
		return (x + 0.05) / (y + 0.05);
	};
	const found = [];
	const check = (e, what, colour, back, least) => {
		const ratio = contrast(over(parse(colour), back), back);
		if (ratio < least) found.push(what + " " + ratio.toFixed(2) + ": " + e.outerHTML.slice(0, 120));
	};
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility({visibilityProperty: true, opacityProperty: true}) || e.closest("svg")) continue;
		const style = getComputedStyle(e);
		if ([...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim())) check(e, "text", style.color, behind(e), 4.5);
		if (e.matches("input, select")) check(e, "text", style.color, behind(e), 4.5);
		if (e.matches("input[placeholder]")) check(e, "placeholder", getComputedStyle(e, "::placeholder").color, behind(e), 4.5);
		if (e.matches("button:not(.opener), input:not([type=checkbox]), select")) check(e, "edge", style.borderTopColor, behind(e.parentElement), 3);
	}
	for (const e of document.querySelectorAll("svg .line, svg .here")) check(e, "line", getComputedStyle(e).stroke, behind(e.closest("article")), 3);
	return found;
})()`

// TestContrast, in both colour schemes, which differ.
func TestContrast(t *testing.T) {
	t.Parallel()
	p := visit(t, startDemo(t, "demo"))
	everything(t, p)
	p.Click(t, card("/3306/0")+" .switch")
	p.WaitText(t, "#notice", "done")
	p.Eval(t, element(row("/3306/0/5850")+" "+named("Write relay On/Off"))+".click()", nil)
	p.Eval(t, `document.getElementById("stale").textContent = "as if the board were away", document.getElementById("dialog-error").textContent = "as if refused"`, nil)
	p.Eval(t, `document.querySelectorAll(".row .value").forEach((e) => { e.style.transition = "none"; e.classList.add("new") })`, nil)
	grounds := map[bool]string{}
	for _, dark := range []bool{false, true} {
		p.Dark(t, dark)
		for _, registered := range []bool{true, false} {
			p.Eval(t, fmt.Sprintf(`document.getElementById("reg-state").dataset.registered = %v`, registered), nil)
			var found []string
			if p.Eval(t, faint, &found); len(found) > 0 {
				t.Errorf("dark %v: %s", dark, strings.Join(found, "\n"))
			}
		}
		var ground string
		p.Eval(t, `getComputedStyle(document.documentElement).backgroundColor`, &ground)
		grounds[dark] = ground
	}
	if grounds[false] == grounds[true] {
		t.Errorf("light and dark are both %s", grounds[true])
	}
}

// TestPhone: nothing is wider than a small screen, and everything can be hit by a finger.
func TestPhone(t *testing.T) {
	t.Parallel()
	p := visit(t, startDemo(t, "demo"))
	for _, width := range []int{390, 320} {
		p.Size(t, width, 844, true)
		everything(t, p)
		for _, state := range []string{"", element(row("/3306/0/5850")+" "+named("Write relay On/Off")) + ".click()", `document.getElementById("dialog").close()`} {
			if state != "" {
				p.Eval(t, state, nil)
			}
			var got struct {
				Page, Screen int
				Wide, Small  []string
			}
			p.Eval(t, fmt.Sprintf(`(() => {
				const all = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest("svg") && !e.matches(".skip"));
				const text = (e) => e.outerHTML.slice(0, 120);
				return {
					page: document.documentElement.scrollWidth, screen: innerWidth,
					wide: all.filter((e) => e.getBoundingClientRect().right > %d + 0.5).map(text),
					small: all.filter((e) => e.matches("button, input, select, summary") && Math.min(e.offsetWidth, e.offsetHeight) < 24).map(text),
				};
			})()`, width), &got)
			if got.Page > width || got.Screen != width || len(got.Wide) > 0 {
				t.Errorf("at %d: the page is %d wide on a screen of %d: %s", width, got.Page, got.Screen, strings.Join(got.Wide, "\n"))
			}
			if len(got.Small) > 0 {
				t.Errorf("at %d: too small for a finger: %s", width, strings.Join(got.Small, "\n"))
			}
		}
		p.Eval(t, `document.getElementById("wire-pause").click(), document.getElementById("wire-close").click()`, nil)
	}
}

// TestNoticeBesideMessages: on a phone the notice stands above the panel of the messages, not on it.
func TestNoticeBesideMessages(t *testing.T) {
	t.Parallel()
	p := visit(t, startDemo(t, "demo"))
	p.Size(t, 390, 844, true)
	p.Click(t, "#wire-toggle")
	p.Eval(t, element(card("/3306/0")+" .switch")+".click()", nil)
	p.WaitText(t, "#notice", "Write /3306/0/5850")
	var notice struct{ Top, Bottom, Panel float64 }
	p.Eval(t, `(() => {
		const at = (id) => document.getElementById(id).getBoundingClientRect();
		return {top: at("notice").top, bottom: at("notice").bottom, panel: at("wire").top};
	})()`, &notice)
	if notice.Top < 0 || notice.Top >= notice.Bottom || notice.Bottom > notice.Panel {
		t.Errorf("the notice is from %v to %v, the panel of the messages begins at %v", notice.Top, notice.Bottom, notice.Panel)
	}
}

// TestPictures keeps pictures of the page for people to look at.
func TestPictures(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "demo")
	p := visit(t, d)
	for _, dark := range []bool{false, true} {
		p.Dark(t, dark)
		scheme := map[bool]string{false: "light", true: "dark"}[dark]
		for name, size := range map[string][2]int{"desktop": {1300, 1000}, "phone": {390, 844}} {
			p.Size(t, size[0], size[1], name == "phone")
			p.Navigate(t, d.page.String())
			settle(t, p)
			p.WaitFor(t, element(card("/3303/0")+" .line")+".getAttribute('d').split('L').length > 5")
			p.Screenshot(t, name+"-"+scheme)
			p.Click(t, "#wire-toggle")
			p.Click(t, card("/3306/0")+" .switch")
			unfold(t, p, "/3303")
			p.Click(t, row("/3303/1/5700")+" .opener")
			p.WaitText(t, "#messages", "Write")
			p.Screenshot(t, name+"-"+scheme+"-open")
		}
	}
}
