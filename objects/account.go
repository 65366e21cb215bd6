package objects

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/url"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
)

// SecurityMode is how a connection is secured (/0/x/2).
type SecurityMode int

// The security modes (Core, appendix E.1).
const (
	ModePSK         SecurityMode = 0 // pre-shared key
	ModeRPK         SecurityMode = 1 // raw public keys
	ModeCertificate SecurityMode = 2
	ModeNoSec       SecurityMode = 3
	ModeEST         SecurityMode = 4 // certificate, obtained by EST
)

// Secret is key material. It prints and logs as "***".
type Secret []byte

// String returns "***".
func (Secret) String() string { return "***" }

// Format writes "***" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue returns "***".
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText returns "***".
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Account is a server, or the bootstrap server, as the configuration names it:
// what an instance of Security and, but for the bootstrap server, one of Server
// begin with.
type Account struct {
	SecurityInstance uint16 // of object 0
	ServerInstance   uint16 // of object 1; without meaning for a bootstrap server

	URI       string // "coaps://host:5684"
	Bootstrap bool   // this is the bootstrap server
	Mode      SecurityMode
	Identity  []byte // /0/x/3: PSK identity, or own public key or certificate, with its chain behind it
	ServerKey []byte // /0/x/4: the server's public key or certificate
	Key       Secret // /0/x/5: PSK, or own private key

	CipherSuites []uint16 // /0/x/16, in order
	Secondary    []string // /0/x/25: other URIs of the same server, in order

	HoldOff time.Duration // /0/x/11, bootstrap server only
	Timeout time.Duration // /0/x/12, bootstrap server only: the account is purged this long after a bootstrap; 0 keeps it

	ShortServerID uint16        // /0/x/10 and /1/x/0; 1 to 65534
	Lifetime      time.Duration // /1/x/1, whole seconds; 0 is for ever
	DropOffline   bool          // /1/x/6 is false: notifications are not stored while the server cannot be reached
	Binding       string        // /1/x/7; "" is "U"

	// Security and Server hold further resources of the two objects by
	// identifier, single ones only: {17: lwm2m.Unsigned(5)}.
	Security, Server map[uint16]lwm2m.Value
}

// validate tells what is wrong with an account.
func (a *Account) validate() error {
	for _, uri := range append([]string{a.URI}, a.Secondary...) {
		scheme, err := uriScheme(uri)
		secured := strings.HasPrefix(scheme, "coaps")
		switch {
		case err != nil:
			return err
		case secured && a.Mode == ModeNoSec:
			return fmt.Errorf("%s needs a key: the security mode is NoSec", uri)
		case !secured && a.Mode != ModeNoSec:
			return fmt.Errorf("%s is not secured, so the security mode must be NoSec", uri)
		}
	}
	switch {
	case a.Mode < ModePSK || a.Mode > ModeEST:
		return fmt.Errorf("there is no security mode %d", a.Mode)
	case a.Bootstrap && a.ShortServerID != 0:
		return errors.New("a bootstrap server has no Short Server ID")
	case !a.Bootstrap && (a.ShortServerID == 0 || a.ShortServerID == lwm2m.MaxID):
		return fmt.Errorf("short server ID %d is not one of 1 to %d", a.ShortServerID, lwm2m.MaxID-1)
	case a.Lifetime < 0 || a.HoldOff < 0 || a.Timeout < 0:
		return errors.New("a time is negative")
	}
	return nil
}

// uriScheme returns the scheme of a server's URI (Transport, section 6.1).
func uriScheme(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > 255 || u.Scheme == "" || u.Host == "" && u.Opaque == "" {
		return "", fmt.Errorf("%.255q is not the URI of a server, such as coaps://host:5684", uri)
	}
	return u.Scheme, nil
}

// seconds returns a duration in whole seconds, rounded up.
func seconds(d time.Duration) lwm2m.Value {
	return lwm2m.Integer(int64(math.Ceil(d.Seconds())))
}

// instanceNodes returns the nodes of an instance: single resources by identifier, of two
// with the same the later one.
func instanceNodes(at lwm2m.Path, values ...map[uint16]lwm2m.Value) []lwm2m.Node {
	all := make(map[uint16]lwm2m.Value)
	for _, m := range values {
		maps.Copy(all, m)
	}
	nodes := make([]lwm2m.Node, 0, len(all))
	for rid, v := range all {
		nodes = append(nodes, lwm2m.Node{Path: at.Child(rid), Value: v})
	}
	lwm2m.SortNodes(nodes)
	return nodes
}
