package web

import "lwm2m-agent/test/workspace"

// Click scrolls to the first element that a CSS selector matches and clicks on its middle, as a mouse does: what lies over it gets the click.
// An element that moves is waited for; where it moved under the mouse, so that something else was hit, nothing has got the click, and it is tried again.
func (p *Page) Click(t workspace.T, selector string) {
	t.Helper()
	const tries = 20
	for range tries {
		p.WaitFor(t, element(selector)+" && !"+element(selector)+".disabled")
		var at struct{ X, Y float64 }
		p.Eval(t, aim+"("+quote(selector)+")", &at)
		for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
			p.call(t, "Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
		}
		var missed bool
		p.Eval(t, "window.missed === true", &missed)
		if !missed {
			return
		}
	}
	t.Fatalf("click on %s: it moved under the mouse %d times", selector, tries)
}

// aim is a function of the page that gives the middle of an element when it has stood still for two frames, and sees to it that
// a click that neither this element nor what covers it gets does nothing but set window.missed.
const aim = `(async (selector) => {
	const frame = () => new Promise(requestAnimationFrame);
	let e, r, before;
	do {
		e = document.querySelector(selector);
		e.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
		before = e.getBoundingClientRect();
		await frame();
		await frame();
		r = e.getBoundingClientRect();
	} while (!e.isConnected || r.x !== before.x || r.y !== before.y || r.width !== before.width || r.height !== before.height);
	const at = {x: r.x + r.width / 2, y: r.y + r.height / 2};
	const meant = document.elementFromPoint(at.x, at.y);
	window.missed = true;
	window.aiming?.abort();
	window.aiming = new AbortController();
	for (const kind of ["mousedown", "mouseup", "click"]) {
		window.addEventListener(kind, (event) => {
			const hit = event.target === meant || meant?.contains(event.target);
			if (!hit) { event.preventDefault(); event.stopImmediatePropagation(); }
			if (kind !== "click") return;
			window.missed = !hit;
			window.aiming.abort();
		}, {capture: true, signal: window.aiming.signal});
	}
	return at;
})`

// Type puts the focus on an element and replaces its text by typing.
func (p *Page) Type(t workspace.T, selector, text string) {
	t.Helper()
	p.WaitFor(t, element(selector))
	p.Eval(t, element(selector)+".focus(), "+element(selector)+".select && "+element(selector)+".select()", nil)
	p.call(t, "Input.insertText", map[string]any{"text": text}, nil)
}

// keys are those that have no text, or more than their text: code, virtual key code, text.
var keys = map[string]struct {
	code int
	text string
}{
	"Backspace": {8, ""}, "Tab": {9, ""}, "Enter": {13, "\r"}, "Escape": {27, ""}, "Space": {32, " "}, "Home": {36, ""}, "End": {35, ""},
	"ArrowLeft": {37, ""}, "ArrowUp": {38, ""}, "ArrowRight": {39, ""}, "ArrowDown": {40, ""},
}

// Press presses and releases a key: Backspace, Tab, Enter, Escape, Space, Home, End or an arrow, by its name in KeyboardEvent.code.
func (p *Page) Press(t workspace.T, key string) {
	t.Helper()
	k, ok := keys[key]
	if !ok {
		t.Fatalf("press %s: no such key", key)
	}
	name := key
	if key == "Space" {
		name = " "
	}
	event := map[string]any{"type": "keyDown", "key": name, "code": key, "windowsVirtualKeyCode": k.code}
	if k.text != "" {
		event["text"] = k.text
	}
	p.call(t, "Input.dispatchKeyEvent", event, nil)
	p.call(t, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": name, "code": key, "windowsVirtualKeyCode": k.code}, nil)
}

// Accessible is an element as a screen reader has it.
type Accessible struct{ Role, Name string }

// Accessibles returns what a screen reader finds, in its order: controls, headings, texts. An element without a name has an empty one.
func (p *Page) Accessibles(t workspace.T) []Accessible {
	t.Helper()
	var tree struct {
		Nodes []struct {
			Ignored    bool
			Role, Name struct{ Value string }
		}
	}
	p.call(t, "Accessibility.getFullAXTree", nil, &tree)
	var found []Accessible
	for _, n := range tree.Nodes {
		if !n.Ignored {
			found = append(found, Accessible{n.Role.Value, n.Name.Value})
		}
	}
	return found
}
