package objects

import (
	"context"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Save keeps the whole content of an object, so that the next start can restore
// it. It is called before a change takes effect; its error refuses the change.
// The nodes may hold key material.
type Save func(ctx context.Context, nodes []lwm2m.Node) error

// Security is object 0: how to reach the servers. No server but the bootstrap
// server sees or changes it.
type Security struct{ model.Plain }

// NewSecurity adds object 0 to the tree. A nil save keeps nothing.
func NewSecurity(tree *model.Tree, save Save) (*Security, error) { return &Security{}, nil }

// Seed makes the instances for accounts anew; what was there is gone.
func (s *Security) Seed(accounts ...Account) error { return nil }

// Restore makes the object's content what Save was given.
func (s *Security) Restore(nodes []lwm2m.Node) error { return nil }
