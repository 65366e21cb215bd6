package web

import (
	"os"
	"os/exec"
	"sync"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// closeTime is how long the browser may take to end.
const closeTime = 20 * time.Second

// Browser is a running Chromium.
type Browser struct {
	connection *connection

	mu    sync.Mutex
	pages map[string]*Page // by session
}

// Start starts a browser with a profile of its own, which is closed with the test.
func Start(t workspace.T) *Browser {
	t.Helper()
	// Not the test's own folder: processes of the browser may write to it for a moment after its end.
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1280,800",
		"--user-data-dir="+profile, "--remote-debugging-pipe")
	cmd.Env = append(os.Environ(), "HOME="+profile, "TMPDIR="+profile)
	commandsIn, commands, err1 := os.Pipe()
	events, eventsOut, err2 := os.Pipe()
	if err1 != nil || err2 != nil {
		t.Fatalf("start the browser: %v, %v", err1, err2)
	}
	cmd.ExtraFiles = []*os.File{commandsIn, eventsOut} // its descriptors 3 and 4
	p := process.Start(t, cmd, workspace.Artifact(t, "chromium.log"))
	commandsIn.Close()
	eventsOut.Close()

	b := &Browser{connection: &connection{out: commands, waiting: map[int]chan message{}}, pages: map[string]*Page{}}
	b.connection.onEvent = b.event
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.connection.read(events)
	}()
	t.Cleanup(func() {
		if _, err := b.connection.send("", "Browser.close", nil); err == nil {
			p.Wait(t, closeTime)
		}
		commands.Close()
		p.Stop(t)
		<-read
		events.Close()
		os.RemoveAll(profile)
	})
	return b
}

// event gives an event to the page that it is of.
func (b *Browser) event(m message) {
	b.mu.Lock()
	p := b.pages[m.SessionID]
	b.mu.Unlock()
	if p != nil {
		p.event(m)
	}
}

// Open opens a new page and waits until it is loaded. Its window is 1280 by 800.
func (b *Browser) Open(t workspace.T, url string) *Page {
	t.Helper()
	var target struct{ TargetID string }
	b.call(t, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call(t, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &Page{browser: b, session: attached.SessionID, loads: make(chan struct{}, 1)}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "Accessibility"} {
		p.call(t, domain+".enable", nil, nil)
	}
	p.Navigate(t, url)
	return p
}

func (b *Browser) call(t workspace.T, session, method string, params, result any) {
	t.Helper()
	if err := b.connection.call(t.Context(), session, method, params, result); err != nil {
		t.Fatalf("ask the browser: %v", err)
	}
}
