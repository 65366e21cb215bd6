package leshan

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// The security modes of accounts (/0/x/2).
const (
	PSK  = 0
	RPK  = 1
	X509 = 2
)

// BootstrapOptions say which client a bootstrap server knows and what it gives it.
type BootstrapOptions struct {
	Endpoint string
	Mode     int       // how the client comes
	Identity []byte    // PSK identity, or the client's SubjectPublicKeyInfo
	Key      []byte    // pre-shared key
	Own      *Identity // who the bootstrap server is, unless with PSK
	Account  Account
}

// Account is what a client is given: an account of one server with a lifetime of 300 s.
type Account struct {
	URI           string
	ShortServerID uint16
	Mode          int
	Identity      []byte // /0/x/3
	ServerKey     []byte // /0/x/4
	Key           []byte // /0/x/5
	Name          string // /0/x/14, with X509: certificate usage 2
}

// BootstrapServer is a running bootstrap server of Leshan's library 2.0.0-M15, the newest that has one.
type BootstrapServer struct {
	CoAPS string // its URI

	process *process.Process
}

// StartBootstrap starts a bootstrap server that ends with the test.
func StartBootstrap(t workspace.T, o BootstrapOptions) *BootstrapServer {
	t.Helper()
	a := &o.Account
	arguments := []string{
		"endpoint=" + o.Endpoint, "mode=" + strconv.Itoa(o.Mode), "identity=" + hex.EncodeToString(o.Identity), "key=" + hex.EncodeToString(o.Key),
		"uri=" + a.URI, fmt.Sprint("id=", a.ShortServerID), "account=" + strconv.Itoa(a.Mode), "accountidentity=" + hex.EncodeToString(a.Identity),
		"accountserver=" + hex.EncodeToString(a.ServerKey), "accountkey=" + hex.EncodeToString(a.Key),
	}
	if a.Name != "" {
		arguments = append(arguments, "name="+a.Name)
	}
	if id := o.Own; id != nil {
		chain := make([]string, len(id.Chain))
		for i, der := range id.Chain {
			chain[i] = hex.EncodeToString(der)
		}
		arguments = append(arguments, "own="+hex.EncodeToString(id.Key), "chain="+strings.Join(chain, ","), "trust="+hex.EncodeToString(id.Trust))
	}
	p := launch(t, "bootstrap", slices.Concat(brief, program(t, "java/bootstrap", "LeshanBootstrap"), arguments)...)
	return &BootstrapServer{p.WaitPrefix(t, startTime, "READY "), p}
}

// AwaitEnd waits until so many bootstraps have ended well, as the server sees it.
func (s *BootstrapServer) AwaitEnd(t workspace.T, count int) {
	t.Helper()
	seen := 0
	s.process.WaitLine(t, startTime, fmt.Sprint(count, " bootstraps"), func(line string) bool {
		if strings.HasPrefix(line, "END ") {
			seen++
		}
		return seen == count
	})
}

// Answers returns what clients have answered, in order: "BootstrapDeleteRequest /0 DELETED(202)".
func (s *BootstrapServer) Answers() []string {
	var answers []string
	for _, line := range s.process.Output() {
		if answer, ok := strings.CutPrefix(line, "ANSWER "); ok {
			answers = append(answers, answer)
		}
	}
	return answers
}
