package leshan

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/test/workspace"
)

// demoServer is the demo server 2.0.0-M4, ruled by its REST interface and watched by its event stream.
type demoServer struct {
	url    string // of the REST interface
	models map[uint16]model.Definition

	mu   sync.Mutex
	seen []Event
	more chan struct{} // closed and replaced when an event was added
}

var demoAddresses = regexp.MustCompile(`started at coap:/*([0-9.:]+) coaps:/*([0-9.:]+)`)

// StartDemo starts the demo server 2.0.0-M4, which ends with the test. It is older than RFC 9146, the extended master secret and RFC 5746,
// and answers as the servers do that are in the field since 2021.
func StartDemo(t workspace.T, o Options) *Server {
	t.Helper()
	arguments := []string{
		"--add-opens", "java.base/java.util=ALL-UNNAMED", "-jar", demo(t), "-lh", "127.0.0.1", "-lp", strconv.Itoa(o.CoAPPort),
		"-slh", "127.0.0.1", "-slp", strconv.Itoa(o.CoAPSPort), "-wh", "127.0.0.1", "-wp", "0",
	}
	if len(o.Models) > 0 {
		arguments = append(arguments, "-m", writeModels(t, o.Models))
	}
	p := launch(t, "demo", slices.Concat(brief, arguments)...)
	line := p.WaitLine(t, startTime, "its addresses", demoAddresses.MatchString)
	web := p.WaitLine(t, startTime, "its web address", func(line string) bool { return strings.Contains(line, "Web server started at") })
	_, port, _ := strings.Cut(web, "http://localhost:")
	page := "http://127.0.0.1:" + strings.TrimRight(port, "/.")
	d := &demoServer{
		url:    page + "/api",
		models: map[uint16]model.Definition{},
		more:   make(chan struct{}),
	}
	for _, m := range o.Models {
		d.models[m.ID] = m
	}
	d.watch(t)
	addresses := demoAddresses.FindStringSubmatch(line)
	return &Server{CoAP: "coap://" + addresses[1], CoAPS: "coaps://" + addresses[2], Page: page, process: p, backend: d}
}

// watch opens the event stream and reads it until the test ends.
func (d *demoServer) watch(t workspace.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/event", nil)
	if err != nil {
		t.Fatalf("watch Leshan: %v", err)
	}
	request.Header.Set("Accept", "text/event-stream") // without it the server answers 405
	response, err := http.DefaultClient.Do(request)   //nolint:bodyclose // its reader does
	if err != nil {
		t.Fatalf("watch Leshan: %v", err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer response.Body.Close()
		d.readEvents(bufio.NewScanner(response.Body))
	}()
	t.Cleanup(func() {
		cancel()
		<-read
	})
	if response.StatusCode != http.StatusOK {
		t.Fatalf("watch Leshan: %s", response.Status)
	}
}

// readEvents takes in a stream of server-sent events: lines "event: TYPE" and "data: JSON".
func (d *demoServer) readEvents(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	kind := ""
	for lines.Scan() {
		if k, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kind = k
		} else if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			d.add(d.event(kind, []byte(data)))
		}
	}
}

func (d *demoServer) add(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e.Seq = int64(len(d.seen)) + 1
	d.seen = append(d.seen, e)
	close(d.more)
	d.more = make(chan struct{})
}

// event turns an event of the stream into one of ours; what is not understood becomes an error event.
func (d *demoServer) event(kind string, data []byte) Event {
	var body struct {
		demoRegistration
		Registration demoRegistration // of UPDATED
		EP, Res      string
		Val          json.RawMessage
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return Event{Type: "error", Error: fmt.Sprintf("%s %s: %v", kind, data, err)}
	}
	switch kind {
	case "REGISTRATION":
		return Event{Type: "registered", Endpoint: body.Endpoint, Client: body.client()}
	case "UPDATED":
		return Event{Type: "updated", Endpoint: body.Registration.Endpoint, Client: body.Registration.client()}
	case "DEREGISTRATION":
		return Event{Type: "unregistered", Endpoint: body.Endpoint, Client: body.client()}
	case "AWAKE", "SLEEPING":
		return Event{Type: strings.ToLower(kind), Endpoint: body.EP}
	case "NOTIFICATION":
		content, err := d.content(body.Res, body.Val)
		if err != nil {
			return Event{Type: "error", Endpoint: body.EP, Error: err.Error()}
		}
		return Event{Type: "notification", Endpoint: body.EP, Path: body.Res, Answer: Answer{Code: "2.05", Format: AnyFormat, Content: content}}
	default:
		return Event{Type: "error", Error: kind + " " + string(data)}
	}
}

func (d *demoServer) now(workspace.T) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.seen))
}

func (d *demoServer) events(t workspace.T, after int64, wait time.Duration) []Event {
	t.Helper()
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		d.mu.Lock()
		seen, more := d.seen[after:], d.more
		d.mu.Unlock()
		if len(seen) > 0 {
			return seen
		}
		select {
		case <-more:
		case <-late.C:
			return nil
		}
	}
}

func (d *demoServer) psk(t workspace.T, endpoint, identity string, key []byte) {
	t.Helper()
	if identity == "" {
		if status, text := send(t, http.MethodDelete, d.url+"/security/clients/"+endpoint, nil); status/100 != 2 {
			t.Fatalf("take the key of %s away: %d: %s", endpoint, status, text)
		}
		return
	}
	body := map[string]any{"endpoint": endpoint, "psk": map[string]string{"identity": identity, "key": hex.EncodeToString(key)}}
	if status, text := send(t, http.MethodPut, d.url+"/security/clients/", body); status/100 != 2 {
		t.Fatalf("give %s a key: %d: %s", endpoint, status, text)
	}
}

func (d *demoServer) awakeTime(t workspace.T, _ time.Duration) {
	t.Helper()
	t.Fatalf("the demo server's awake time cannot be set")
}

// demoRegistration is a registration in the REST interface.
type demoRegistration struct {
	Endpoint, RegistrationID, Address, LwM2mVersion, BindingMode string

	Lifetime                         int64
	QueueMode, Secure                bool
	LastUpdate                       time.Time
	AdditionalRegistrationAttributes map[string]string
	ObjectLinks                      []demoLink
}

type demoLink struct {
	URL        string
	Attributes map[string]string
}

func (r demoRegistration) client() Client {
	c := Client{
		ID: r.RegistrationID, Address: r.Address, Version: r.LwM2mVersion, Binding: r.BindingMode, Queue: r.QueueMode, Lifetime: r.Lifetime,
		Links: linkFormat(r.ObjectLinks), Updated: r.LastUpdate.UnixMilli(), Attributes: r.AdditionalRegistrationAttributes,
		Objects: map[string]string{},
	}
	for _, l := range r.ObjectLinks {
		if v, ok := l.Attributes["ver"]; ok {
			c.Objects[path.Base(l.URL)] = strings.Trim(v, `"`)
		}
	}
	return c
}

func (d *demoServer) clients(t workspace.T) map[string]Client {
	t.Helper()
	var registrations []demoRegistration
	ask(t, http.MethodGet, d.url+"/clients", nil, &registrations)
	clients := map[string]Client{}
	for _, r := range registrations {
		clients[r.Endpoint] = r.client()
	}
	return clients
}

var demoFormats = map[lwm2m.Format]string{
	lwm2m.FormatText: "TEXT", lwm2m.FormatOpaque: "OPAQUE", lwm2m.FormatCBOR: "CBOR", lwm2m.FormatTLV: "TLV", lwm2m.FormatOMAJSON: "JSON",
	lwm2m.FormatSenMLJSON: "SENML_JSON", lwm2m.FormatSenMLCBOR: "SENML_CBOR",
}

func (d *demoServer) perform(t workspace.T, r Request) Answer {
	t.Helper()
	query := url.Values{"timeout": {strconv.Itoa(int(r.Timeout.Seconds()))}}
	if r.Format != AnyFormat {
		name, ok := demoFormats[r.Format]
		if !ok {
			t.Fatalf("the demo server does not know the format %v", r.Format)
		}
		query.Set("format", name)
	}
	method, suffix, body := d.rest(t, r, query)
	at := r.Path
	if r.Op == "create" {
		at = "/" + strings.Split(r.Path, "/")[1] // the instance's ID is in the body
	}
	status, text := send(t, method, d.url+"/clients/"+r.Endpoint+at+suffix+"?"+query.Encode(), body)
	if status != http.StatusOK {
		return refusal(status, string(text))
	}
	return d.answer(t, r.Path, text)
}

// rest says how an operation is asked for: the method, what follows the path, and the body; it adds to the query.
func (d *demoServer) rest(t workspace.T, r Request, query url.Values) (method, suffix string, body any) {
	t.Helper()
	switch r.Op {
	case "read":
		return http.MethodGet, "", nil
	case "observe":
		return http.MethodPost, "/observe", nil
	case "forget":
		return http.MethodDelete, "/observe", nil
	case "discover":
		return http.MethodGet, "/discover", nil
	case "delete":
		return http.MethodDelete, "", nil
	case "execute":
		return http.MethodPost, "", r.Arguments
	case "attributes":
		attributes, err := url.ParseQuery(r.Attributes)
		if err != nil {
			t.Fatalf("attributes %q: %v", r.Attributes, err)
		}
		clear(query) // takes every parameter for an attribute
		maps.Copy(query, attributes)
		return http.MethodPut, "/attributes", nil
	case "replace", "update":
		query.Set("replace", strconv.FormatBool(r.Op == "replace"))
		return http.MethodPut, "", d.node(t, r.Path, r.Values)
	case "create":
		return http.MethodPost, "", d.node(t, r.Path, r.Values)
	default:
		t.Fatalf("the demo server has no operation %s", r.Op)
		return "", "", nil
	}
}

// refusal is the answer where the server got none from the client.
func refusal(status int, text string) Answer {
	a := Answer{Message: text, Format: AnyFormat}
	switch {
	case status == http.StatusGatewayTimeout:
		a.Failure = "TimeoutException"
	case strings.Contains(text, "No registered client"):
		a.Failure = "NotRegistered"
	case strings.Contains(text, "sleeping"):
		a.Failure = "ClientSleepingException"
	default:
		a.Failure = "HTTP " + strconv.Itoa(status)
	}
	return a
}
