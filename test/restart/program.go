package restart

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/agent/control"
)

// What the program serves: a number that grows, something to execute, and a number that grows while nothing comes through.
const (
	object       = `{"objects": [{"id": 26300, "name": "Work", "resources": [{"id": 0, "name": "Number", "operations": "R", "type": "Integer", "mandatory": true}, {"id": 1, "name": "Run", "operations": "E"}, {"id": 2, "name": "Stored", "operations": "R", "type": "Integer"}]}], "instances": {"/26300/0": {"0": 0, "1": null, "2": 0}}}`
	instancePath = "/26300/0"
	numberPath   = "/26300/0/0"
	executePath  = "/26300/0/1"
	storedPath   = "/26300/0/2"
)

// program is a local program that the agent's servers reach. It comes back by itself.
type program struct {
	client http.Client

	mu     sync.Mutex
	number int            // that it published last
	runs   map[string]int // executions, by their argument
}

func newProgram(socket string) *program {
	p := &program{runs: make(map[string]int)}
	p.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	return p
}

// ask sends a request and returns the status, 0 if there was no answer.
func (p *program) ask(ctx context.Context, method, route, body string) int {
	request, err := http.NewRequestWithContext(ctx, method, "http://agent/v1/apps/work"+route, strings.NewReader(body))
	if err != nil {
		return 0
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // the status says it all
	return answer.StatusCode
}

// publish counts on until ctx ends.
func (p *program) publish(ctx context.Context) {
	for again := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
		if next := p.published() + 1; p.put(ctx, numberPath, next) {
			p.mu.Lock()
			p.number = next
			p.mu.Unlock()
		}
	}
}

// put publishes a value, and reports whether the agent has taken it.
func (p *program) put(ctx context.Context, path string, value int) bool {
	return p.ask(ctx, http.MethodPatch, "/values", fmt.Sprintf(`{%q: %d}`, path, value)) == http.StatusNoContent
}

// serve executes what it is asked to until ctx ends.
func (p *program) serve(ctx context.Context) {
	for ctx.Err() == nil {
		p.listen(ctx)
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// listen takes requests as long as the agent lives.
func (p *program) listen(ctx context.Context) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/v1/apps/work/requests", http.NoBody)
	if err != nil {
		return
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		var r control.AppRequest
		if json.Unmarshal(lines.Bytes(), &r) != nil || r.Op != "execute" {
			continue
		}
		p.mu.Lock()
		p.runs[r.Args]++
		p.mu.Unlock()
		p.ask(ctx, http.MethodPost, fmt.Sprintf("/answers/%d", r.ID), `{"ok": true}`)
	}
}

// published returns the last number.
func (p *program) published() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.number
}
