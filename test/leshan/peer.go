package leshan

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/test/workspace"
)

// peer is our own Java program on the newest Leshan library; LeshanPeer.java describes what it is asked.
type peer struct{ url string }

// Start starts a server on the newest Leshan library that ends with the test.
func Start(t workspace.T, o Options) *Server {
	t.Helper()
	p := launch(t, "peer", slices.Concat(brief, program(t, "java", "LeshanPeer"), o.arguments(t))...)
	var ready struct{ HTTP, CoAP, CoAPS string }
	line := p.WaitPrefix(t, startTime, "READY ")
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		t.Fatalf("Leshan's READY line %q: %v", line, err)
	}
	return &Server{CoAP: ready.CoAP, CoAPS: ready.CoAPS, process: p, backend: peer{ready.HTTP}}
}

// program is the java command's arguments for one of our own programs.
func program(t workspace.T, folder, class string) []string {
	t.Helper()
	return []string{
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", classPath(t, folder), class,
	}
}

func (o Options) arguments(t workspace.T) []string {
	t.Helper()
	if o.CID == 0 {
		o.CID = 6
	}
	if o.AckTimeout == 0 {
		o.AckTimeout = 2 * time.Second
	}
	arguments := []string{
		"coap=" + strconv.Itoa(o.CoAPPort), "coaps=" + strconv.Itoa(o.CoAPSPort),
		"cid=" + strconv.Itoa(o.CID), "ack=" + strconv.FormatInt(o.AckTimeout.Milliseconds(), 10),
	}
	if id := o.Identity; id != nil {
		chain := make([]string, len(id.Chain))
		for i, der := range id.Chain {
			chain[i] = hex.EncodeToString(der)
		}
		arguments = append(arguments, "key="+hex.EncodeToString(id.Key), "chain="+strings.Join(chain, ","), "trust="+hex.EncodeToString(id.Trust))
	}
	if len(o.Models) > 0 {
		arguments = append(arguments, "models="+writeModels(t, o.Models, o.Descriptions...))
	}
	return arguments
}

func (p peer) psk(t workspace.T, endpoint, identity string, key []byte) {
	t.Helper()
	body := map[string]string{"endpoint": endpoint}
	if identity != "" {
		body["identity"], body["key"] = identity, hex.EncodeToString(key)
	}
	ask(t, http.MethodPost, p.url+"/psk", body, nil)
}

func (p peer) allow(t workspace.T, route, endpoint string, key []byte) {
	t.Helper()
	ask(t, http.MethodPost, p.url+route, map[string]string{"endpoint": endpoint, "key": hex.EncodeToString(key)}, nil)
}

func (p peer) awakeTime(t workspace.T, d time.Duration) {
	t.Helper()
	ask(t, http.MethodPost, p.url+"/awake", map[string]int64{"millis": d.Milliseconds()}, nil)
}

func (p peer) clients(t workspace.T) map[string]Client {
	t.Helper()
	clients := map[string]Client{}
	ask(t, http.MethodGet, p.url+"/clients", nil, &clients)
	return clients
}

func (p peer) perform(t workspace.T, r Request) Answer {
	t.Helper()
	body := map[string]any{"endpoint": r.Endpoint, "op": r.Op, "path": r.Path, "timeout": r.Timeout.Milliseconds()}
	if r.Format != AnyFormat {
		body["format"] = r.Format
	}
	if r.Accept != 0 {
		body["accept"] = r.Accept
	}
	if r.Paths != nil {
		body["paths"] = r.Paths
	}
	if r.Values != nil {
		body["values"] = r.Values
	}
	if r.Arguments != "" {
		body["arguments"] = r.Arguments
	}
	if r.Attributes != "" {
		body["attributes"] = r.Attributes
	}
	a := Answer{Format: AnyFormat}
	ask(t, http.MethodPost, p.url+"/request", body, &a)
	return a
}

func (p peer) now(t workspace.T) int64 {
	t.Helper()
	var newest struct{ Seq int64 }
	ask(t, http.MethodGet, p.url+"/now", nil, &newest)
	return newest.Seq
}

func (p peer) events(t workspace.T, after int64, wait time.Duration) []Event {
	t.Helper()
	var events []Event
	ask(t, http.MethodGet, fmt.Sprintf("%s/events?after=%d&wait=%d", p.url, after, wait.Milliseconds()), nil, &events)
	return events
}
