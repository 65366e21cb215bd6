package objects

import (
	"context"
	"fmt"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 0 that mean something here (Core, appendix E.1).
const (
	ridServerURI       = 0
	ridBootstrapServer = 1
	ridSecurityMode    = 2
	ridIdentity        = 3
	ridServerPublicKey = 4
	ridSecretKey       = 5
	ridShortServerID   = 10
	ridHoldOff         = 11
	ridAccountTimeout  = 12
	ridCipherSuite     = 16
	ridSecondaryURI    = 25
)

// Security is object 0: how to reach the servers. No server but the bootstrap
// server sees or changes it, and its keys leave through no interface.
type Security struct {
	model.Plain
	record record
}

// NewSecurity adds object 0 to the tree. A nil save keeps nothing.
func NewSecurity(tree *model.Tree, save Save) (*Security, error) {
	s := &Security{record: record{tree: tree, save: save}}
	var err error
	s.record.pub, err = tree.AddRegistered(0, s)
	return s, err
}

// Seed makes the instances for accounts anew; what was there is gone.
func (s *Security) Seed(accounts ...Account) error {
	var (
		nodes []lwm2m.Node
		taken = make(map[uint16]string)
		byID  = make(map[uint16]bool)
	)
	for i := range accounts {
		a := &accounts[i]
		if err := a.validate(); err != nil {
			return fmt.Errorf("account %s: %w", a.URI, err)
		}
		if other, dup := taken[a.SecurityInstance]; dup {
			return fmt.Errorf("account %s: security instance %d belongs to %s", a.URI, a.SecurityInstance, other)
		}
		if byID[a.ShortServerID] {
			return fmt.Errorf("account %s: another one has the same Short Server ID, or is a bootstrap server too", a.URI)
		}
		taken[a.SecurityInstance], byID[a.ShortServerID] = a.URI, true
		at := lwm2m.NewPath(0, a.SecurityInstance)
		nodes = append(nodes, instanceNodes(at, a.security(), a.Security)...)
		for i, suite := range a.CipherSuites {
			nodes = append(nodes, lwm2m.Node{Path: at.Child(ridCipherSuite).Child(uint16(i)), Value: lwm2m.Unsigned(uint64(suite))})
		}
		for i, uri := range a.Secondary {
			nodes = append(nodes, lwm2m.Node{Path: at.Child(ridSecondaryURI).Child(uint16(i)), Value: lwm2m.String(uri)})
		}
	}
	return s.record.restore(nodes)
}

func (a *Account) security() map[uint16]lwm2m.Value {
	m := map[uint16]lwm2m.Value{
		ridServerURI: lwm2m.String(a.URI), ridBootstrapServer: lwm2m.Boolean(a.Bootstrap),
		ridSecurityMode: lwm2m.Integer(int64(a.Mode)), ridIdentity: lwm2m.Opaque(a.Identity),
		ridServerPublicKey: lwm2m.Opaque(a.ServerKey), ridSecretKey: lwm2m.Opaque(a.Key),
	}
	if a.Bootstrap {
		m[ridHoldOff], m[ridAccountTimeout] = seconds(a.HoldOff), seconds(a.Timeout)
	} else {
		m[ridShortServerID] = lwm2m.Integer(int64(a.ShortServerID))
	}
	return m
}

// Restore makes the object's content what Save was given.
func (s *Security) Restore(nodes []lwm2m.Node) error { return s.record.restore(nodes) }

// Prepare lets the bootstrap server and the agent change the object.
func (s *Security) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	switch e.Origin.Kind {
	case model.OriginBootstrap, model.OriginAgent:
	case model.OriginServer, model.OriginLocal:
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "object 0 is changed by the configuration and the bootstrap server only")
	}
	for _, n := range e.Set {
		if rid := n.Path.Resource(); rid != ridServerURI && rid != ridSecondaryURI {
			continue
		}
		if _, err := uriScheme(n.Value.Text()); err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s: %w", n.Path, err)
		}
	}
	var tx sequence
	s.record.keep(&tx, e)
	return &tx, nil
}
