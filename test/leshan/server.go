package leshan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// startTime is how long a Java program may take until it is ready.
const startTime = 60 * time.Second

// NoCID as Options.CID turns the DTLS Connection ID off.
const NoCID = -1

// Options are what a server is started with; the zero value is good for most tests.
type Options struct {
	CoAPPort   int           // 0: a free one
	CoAPSPort  int           // 0: a free one
	CID        int           // length of the server's Connection IDs in bytes; 0: 6; NoCID: none. Not for the demo server
	AckTimeout time.Duration // CoAP's ACK_TIMEOUT; 0: 2 s. Not for the demo server
	Identity   *Identity     // who the server is to clients with raw public keys and certificates; nil: nobody. Not for the demo server
	// Descriptions are files that describe objects, as they are shipped, besides those that Models makes. Not for the demo server.
	Descriptions [][]byte
	Models       []model.Definition // objects besides those that Leshan knows; the demo server needs every object in its exact version
}

// Identity is a private key (PKCS #8) with its certificates, the own one first, and the authority whose clients are taken: all in DER.
type Identity struct {
	Key   []byte
	Chain [][]byte
	Trust []byte
}

// Server is a running Leshan server of either kind.
type Server struct {
	CoAP  string // its URI without security: coap://127.0.0.1:PORT
	CoAPS string // its URI over DTLS: coaps://127.0.0.1:PORT
	Page  string // the address of its web page, of the demo server: http://127.0.0.1:PORT

	process *process.Process
	backend backend
}

// backend is how a kind of server is ruled.
type backend interface {
	// psk lets a client in; with an empty identity it locks it out.
	psk(t workspace.T, endpoint, identity string, key []byte)
	awakeTime(t workspace.T, d time.Duration)
	clients(t workspace.T) map[string]Client
	perform(t workspace.T, r Request) Answer
	now(t workspace.T) int64
	// events returns those after a number; if there are none it waits for one, up to wait.
	events(t workspace.T, after int64, wait time.Duration) []Event
}

// launches numbers the Java programs of this test process, for the names of their logs.
var launches atomic.Int32

// brief are JVM settings for a program that lives for seconds: it need not be compiled well, nor its memory be collected in parallel.
var brief = []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}

// launch runs a Java program in a folder of its own, with its log as an artifact of the test.
func launch(t workspace.T, name string, arguments ...string) *process.Process {
	t.Helper()
	// What the programs read and write as text is UTF-8, whatever the locale here.
	cmd := exec.CommandContext(t.Context(), "java", append([]string{"-Dfile.encoding=UTF-8"}, arguments...)...)
	cmd.Dir = t.TempDir()
	return process.Start(t, cmd, workspace.Artifact(t, fmt.Sprintf("%s-%d.log", name, launches.Add(1))))
}

// Stop ends the server, as a server that is restarted does: clients are not told.
func (s *Server) Stop(t workspace.T) {
	t.Helper()
	s.process.Stop(t)
}

// Kill ends the server as a power cut does.
func (s *Server) Kill(t workspace.T) {
	t.Helper()
	s.process.Kill(t)
}

// PSK lets a client in with a pre-shared key; one it had is replaced.
func (s *Server) PSK(t workspace.T, endpoint, identity string, key []byte) {
	t.Helper()
	s.backend.psk(t, endpoint, identity, key)
}

// Forbid takes a client's key away and ends its DTLS session.
func (s *Server) Forbid(t workspace.T, endpoint string) {
	t.Helper()
	s.backend.psk(t, endpoint, "", nil)
}

// PublicKey lets a client in by its raw public key (SubjectPublicKeyInfo in DER). The demo server does not know how.
func (s *Server) PublicKey(t workspace.T, endpoint string, key []byte) {
	t.Helper()
	s.newest(t).allow(t, "/rpk", endpoint, key)
}

// Certificate lets a client in by a certificate whose Common Name is its endpoint. The demo server does not know how.
func (s *Server) Certificate(t workspace.T, endpoint string) {
	t.Helper()
	s.newest(t).allow(t, "/x509", endpoint, nil)
}

func (s *Server) newest(t workspace.T) peer {
	t.Helper()
	p, ok := s.backend.(peer)
	if !ok {
		t.Fatalf("the demo server is not told so here")
	}
	return p
}

// AwakeTime sets how long a client in queue mode counts as awake after the server heard from it: 93 s if not set. The demo server does not
// know how.
func (s *Server) AwakeTime(t workspace.T, d time.Duration) {
	t.Helper()
	s.backend.awakeTime(t, d)
}

// Client is a registration as the server has it.
type Client struct {
	ID         string // the registration's location is /rd/ID
	Address    string // HOST:PORT it was registered or last updated from
	URI        string // of the server's endpoint it came to
	Identity   string // Leshan's words for who it is: address or PSK identity
	Version    string // of LwM2M
	Binding    string
	Queue      bool
	Lifetime   int64             // seconds
	Links      string            // objects and instances in link format
	Updated    int64             // when it was heard, milliseconds since 1970
	Attributes map[string]string // other parameters of the registration
	Objects    map[string]string // versions by object ID
	Awake      bool              // only from Clients
}

// Clients returns the registrations by endpoint.
func (s *Server) Clients(t workspace.T) map[string]Client {
	t.Helper()
	return s.backend.clients(t)
}

// ask sends a request to a server's HTTP side and decodes its JSON answer; a status other than 200 ends the test.
func ask(t workspace.T, method, url string, body, answer any) {
	t.Helper()
	status, text := send(t, method, url, body)
	if status != http.StatusOK {
		t.Fatalf("ask Leshan %s %s: %d: %s", method, url, status, text)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(text, answer); err != nil {
		t.Fatalf("Leshan's answer %s: %v", text, err)
	}
}

// send sends a request with a body in JSON, as plain text if it is a string, or none if it is nil.
func send(t workspace.T, method, url string, body any) (status int, answer []byte) {
	t.Helper()
	content, kind := []byte(nil), "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		content, kind = []byte(b), "text/plain"
	default:
		var err error
		if content, err = json.Marshal(body); err != nil {
			t.Fatalf("ask Leshan: %v", err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(content))
	if err != nil {
		t.Fatalf("ask Leshan: %v", err)
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("ask Leshan: %v", err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("ask Leshan %s %s: %v", method, url, err)
	}
	return response.StatusCode, answer
}
