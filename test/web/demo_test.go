//go:build web

package web

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

func TestMain(m *testing.M) {
	status := m.Run()
	gateway.RemoveBinaries()
	os.Exit(status)
}

// demo is a running "lwm2m-agent demo".
type demo struct {
	*process.Process
	page   *url.URL // with the token
	socket string
	coap   string // URI of the embedded server, plain
}

const startTime = 30 * time.Second

var plainServer = regexp.MustCompile(`coap://[0-9.]+:[0-9]+`)

// startDemo starts the demo on free ports.
func startDemo(t *testing.T, name string, arguments ...string) *demo {
	t.Helper()
	all := append([]string{"demo", "-web", "127.0.0.1:0", "-coap", "127.0.0.1:0", "-coaps", "127.0.0.1:0"}, arguments...)
	cmd := exec.CommandContext(t.Context(), gateway.Binary(t), all...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // for what one that is killed leaves behind
	d := &demo{Process: process.Start(t, cmd, workspace.Artifact(t, name+".log"))}
	d.coap = plainServer.FindString(d.WaitPrefix(t, startTime, "lwm2m-agent demo: "))
	address := strings.TrimSpace(d.WaitPrefix(t, startTime, "  page "))
	d.socket = strings.TrimSpace(d.WaitPrefix(t, startTime, "  control socket "))
	var err error
	if d.page, err = url.Parse(address); err != nil || d.page.Query().Get("token") == "" {
		t.Fatalf("the page's address is %q: %v", address, err)
	}
	return d
}

// run runs a command of the binary at the demo's control socket.
func (d *demo) run(t *testing.T, command string, arguments ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), gateway.Binary(t), append([]string{command, "-socket", d.socket}, arguments...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("lwm2m-agent %s %v: %v\n%s", command, arguments, err, out)
	}
	return string(out)
}

// value asks GET /v1/value at the page's address.
func (d *demo) value(t *testing.T, path string) any {
	t.Helper()
	address := *d.page
	address.Path = "/v1/value"
	query := address.Query()
	query.Set("path", path)
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var values []struct{ Value any }
	if err := json.Unmarshal(text, &values); err != nil || len(values) != 1 {
		t.Fatalf("GET /v1/value?path=%s: %s: %s", path, response.Status, text)
	}
	return values[0].Value
}

// visit opens the page of a demo in a browser of its own, waits until all cards have values, and checks at the end that the page made no
// mistake and asked nobody but the demo.
func visit(t *testing.T, d *demo) *Page {
	t.Helper()
	p := Start(t).Open(t, d.page.String())
	settle(t, p)
	t.Cleanup(func() { checkManners(t, p, "http://"+d.page.Host+"/") })
	return p
}

// settle waits until the page is complete.
func settle(t *testing.T, p *Page) {
	t.Helper()
	p.WaitFor(t, `document.querySelectorAll(".card").length > 0 && ![...document.querySelectorAll(".card .now")].some((e) => e.textContent === "–") &&
		!document.querySelector(".card[aria-busy]")`)
}

func checkManners(t *testing.T, p *Page, own string) {
	t.Helper()
	if problems := p.Problems(); len(problems) > 0 {
		t.Errorf("the console says:\n%s", strings.Join(problems, "\n"))
	}
	for _, address := range p.Requests() {
		if !strings.HasPrefix(address, own) {
			t.Errorf("the page asks for %s", address)
		}
	}
}

// The places on the page that belong to a path.
func card(path string) string   { return `.card[data-path="` + path + `"]` }
func object(path string) string { return `.object[data-path="` + path + `"]` }
func inst(path string) string   { return `.instance[data-path="` + path + `"]` }
func row(path string) string    { return `.row[data-path="` + path + `"]` }

// named is the selector of a control by its label.
func named(label string) string { return `[aria-label="` + label + `"]` }

// unfold opens an object and waits until the board has told what there is.
func unfold(t *testing.T, p *Page, path string) {
	t.Helper()
	p.Click(t, object(path)+" > summary")
	p.WaitFor(t, element(object(path))+`.querySelector(".row") && !document.querySelector(".instance[aria-busy]")`)
}

// idle waits until no work of a control goes on: until then it takes no more.
func idle(t *testing.T, p *Page) {
	t.Helper()
	p.WaitFor(t, `!document.querySelector("button[aria-busy]")`)
}

// fill types into the open dialog and sends it.
func fill(t *testing.T, p *Page, field, text string) {
	t.Helper()
	p.Type(t, "#dialog #field-"+field, text)
	p.Press(t, "Enter")
	p.WaitFor(t, "!document.getElementById('dialog').open")
}
