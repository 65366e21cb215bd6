package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/test/workspace"
)

// loadTime is how long a page may take to load, waitTime how long WaitFor waits.
const (
	loadTime = time.Minute
	waitTime = time.Minute
)

// Page is an open page.
type Page struct {
	browser *Browser
	session string
	loads   chan struct{} // one for each load that has ended

	mu       sync.Mutex
	problems []string
	requests []string
}

func (p *Page) call(t workspace.T, method string, params, result any) {
	t.Helper()
	p.browser.call(t, p.session, method, params, result)
}

// event notes what a test may ask for later.
func (p *Page) event(m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.Method {
	case "Page.loadEventFired":
		select {
		case p.loads <- struct{}{}:
		default:
		}
	case "Network.requestWillBeSent":
		var e struct{ Request struct{ URL string } }
		if json.Unmarshal(m.Params, &e) == nil {
			p.requests = append(p.requests, e.Request.URL)
		}
	default:
		if problem := problem(m); problem != "" {
			p.problems = append(p.problems, problem)
		}
	}
}

// problem is what an event tells of a mistake in the page: an uncaught exception, console.error, a failed request, a refused policy.
func problem(m message) string {
	var e struct {
		Type             string
		Args             []struct{ Value, Description any }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
		Entry struct{ Level, Text, URL string }
	}
	if err := json.Unmarshal(m.Params, &e); err != nil {
		return ""
	}
	switch {
	case m.Method == "Runtime.exceptionThrown":
		return e.ExceptionDetails.Text + " " + e.ExceptionDetails.Exception.Description
	case m.Method == "Runtime.consoleAPICalled" && (e.Type == "error" || e.Type == "assert"):
		return fmt.Sprint(e.Args)
	case m.Method == "Log.entryAdded" && e.Entry.Level == "error":
		return e.Entry.Text + " " + e.Entry.URL
	}
	return ""
}

// Problems returns the page's console errors, uncaught exceptions and failed requests so far.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.problems...)
}

// Requests returns the addresses that the page asked for so far.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// Navigate goes to an address and waits until it is loaded.
func (p *Page) Navigate(t workspace.T, url string) {
	t.Helper()
	select {
	case <-p.loads:
	default:
	}
	var answer struct{ ErrorText string }
	p.call(t, "Page.navigate", map[string]any{"url": url}, &answer)
	if answer.ErrorText != "" {
		t.Fatalf("open %s: %s", url, answer.ErrorText)
	}
	select {
	case <-p.loads:
	case <-time.After(loadTime):
		t.Fatalf("open %s: not loaded within %v", url, loadTime)
	}
}

// Front puts the page before the others of its browser: what lies behind is not drawn.
func (p *Page) Front(t workspace.T) {
	t.Helper()
	p.call(t, "Page.bringToFront", nil, nil)
}

// evaluate runs an expression, waits if it is a promise, and decodes its value.
func (p *Page) evaluate(t workspace.T, expression string, result any) error {
	t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if e := answer.ExceptionDetails; e != nil {
		return fmt.Errorf("%s: %s %s", expression, e.Text, e.Exception.Description)
	}
	if result == nil || len(answer.Result.Value) == 0 {
		return nil
	}
	return json.Unmarshal(answer.Result.Value, result)
}

// Eval runs a JavaScript expression, waits if it is a promise, and decodes its value into result, unless that is nil.
func (p *Page) Eval(t workspace.T, expression string, result any) {
	t.Helper()
	if err := p.evaluate(t, expression, result); err != nil {
		t.Fatalf("evaluate on the page: %v", err)
	}
}

// Text returns the visible text of the first element that a CSS selector matches.
func (p *Page) Text(t workspace.T, selector string) string {
	t.Helper()
	var text string
	p.Eval(t, element(selector)+".innerText", &text)
	return text
}

// element is the JavaScript expression of the first element that a selector matches.
func element(selector string) string {
	return "document.querySelector(" + quote(selector) + ")"
}

// quote is a text as JavaScript writes it.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can be encoded
	}
	return string(quoted)
}

// WaitFor waits until a JavaScript condition is true. It is looked at every 20 ms, in the page.
func (p *Page) WaitFor(t workspace.T, condition string) {
	t.Helper()
	var met bool
	p.Eval(t, fmt.Sprintf(`new Promise(resolve => {
		const late = performance.now() + %d;
		const look = () => {
			let met = false;
			try { met = Boolean(%s) } catch (e) { /* what it looks for is not there yet */ }
			if (met || performance.now() > late) { resolve(met) } else { setTimeout(look, 20) }
		};
		look();
	})`, waitTime.Milliseconds(), condition), &met)
	if !met {
		t.Fatalf("%s has not become true within %v; the page shows:\n%s", condition, waitTime, p.Text(t, "body"))
	}
}

// WaitText waits until the text of an element contains a text.
func (p *Page) WaitText(t workspace.T, selector, text string) {
	t.Helper()
	p.WaitFor(t, element(selector)+".innerText.includes("+quote(text)+")")
}

// Screenshot keeps a picture of the whole page as an artifact of the test, and returns its path.
func (p *Page) Screenshot(t workspace.T, name string) string {
	t.Helper()
	var answer struct{ Data string }
	p.call(t, "Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &answer)
	picture, err := base64.StdEncoding.DecodeString(answer.Data)
	if err != nil {
		t.Fatalf("take a screenshot: %v", err)
	}
	path := workspace.Artifact(t, strings.TrimSuffix(name, ".png")+".png")
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		t.Fatalf("take a screenshot: %v", err)
	}
	return path
}

// Size gives the page a screen: a phone's, with touch, or a desktop's.
func (p *Page) Size(t workspace.T, width, height int, phone bool) {
	t.Helper()
	scale := 1
	if phone {
		scale = 2
	}
	p.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone,
	}, nil)
	p.call(t, "Emulation.setTouchEmulationEnabled", map[string]any{"enabled": phone}, nil)
}

// Dark says which colours the person prefers.
func (p *Page) Dark(t workspace.T, dark bool) {
	t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	p.call(t, "Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
	}, nil)
}
