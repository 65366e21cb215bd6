//go:build web

package web

import (
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

const local = `<!DOCTYPE html><html lang="en"><title>t</title>
<style>@media (prefers-color-scheme: dark) { body { background: #000 } }</style>
<h1>Board</h1>
<p id="count">0</p>
<button id="more" onclick="document.getElementById('count').textContent++">One more</button>
<button id="broken" onclick="nowhere()">Broken</button>
<form onsubmit="event.preventDefault(); document.getElementById('said').textContent = this.word.value">
<label>Word <input name="word" value="old"></label></form>
<p id="said"></p>
<div style="height: 3000px"></div>
<button id="far" onclick="setTimeout(() => document.getElementById('said').textContent = 'far', 50)">Far</button>
</html>`

func open(t *testing.T) *Page {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, local)
	}))
	t.Cleanup(server.Close)
	return Start(t).Open(t, server.URL+"/")
}

func TestPerson(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.Click(t, "#more")
	p.Click(t, "#more")
	p.WaitText(t, "#count", "2")
	p.Type(t, "input", "new word")
	p.Press(t, "Enter")
	p.WaitText(t, "#said", "new word")
	p.Click(t, "#far")
	p.WaitText(t, "#said", "far")
	p.Eval(t, "document.activeElement.blur(), scrollTo(0, 0)", nil)
	p.Eval(t, "document.querySelector('#more').focus()", nil)
	p.Press(t, "Tab")
	var focused string
	p.Eval(t, "document.activeElement.id", &focused)
	if focused != "broken" {
		t.Errorf("the focus is on %q", focused)
	}
	if problems := p.Problems(); len(problems) > 0 {
		t.Errorf("problems: %q", problems)
	}
	if all := p.Accessibles(t); !slices.Contains(all, Accessible{"button", "One more"}) || !slices.Contains(all, Accessible{"textbox", "Word"}) {
		t.Errorf("a screen reader finds %v", all)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.Click(t, "#broken")
	p.Eval(t, "console.error('said so')", nil)
	p.Eval(t, "fetch('/missing').then(r => r.status)", nil)
	all := strings.Join(p.Problems(), "\n")
	for _, want := range []string{"nowhere is not defined", "said so", "/missing"} {
		if !strings.Contains(all, want) {
			t.Errorf("problems %q lack %q", all, want)
		}
	}
	if requests := p.Requests(); !strings.HasSuffix(requests[len(requests)-1], "/missing") {
		t.Errorf("requests: %q", requests)
	}
	if err := p.evaluate(t, "nowhere()", nil); err == nil {
		t.Error("an exception is no error")
	}
}

func TestScreen(t *testing.T) {
	t.Parallel()
	p := open(t)
	background := func() (colour string) {
		p.Eval(t, "getComputedStyle(document.body).backgroundColor", &colour)
		return colour
	}
	if p.Dark(t, true); background() != "rgb(0, 0, 0)" {
		t.Errorf("dark: %s", background())
	}
	if p.Dark(t, false); background() == "rgb(0, 0, 0)" {
		t.Errorf("light: %s", background())
	}
	p.Size(t, 390, 844, true)
	var width int
	if p.Eval(t, "innerWidth", &width); width != 980 && width != 390 { // a page without a viewport is laid out wide
		t.Errorf("width = %d", width)
	}
	f, err := os.Open(p.Screenshot(t, "phone"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.DecodeConfig(f)
	if err != nil || picture.Height < 844*2 {
		t.Errorf("screenshot: %+v, %v", picture, err)
	}
}
