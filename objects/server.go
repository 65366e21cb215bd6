package objects

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// ServerHooks are what executing resources of object 1 does, and where writes
// are kept. All are called with the Short Server ID of the instance and return
// when the thing is certain to be done: it must happen after the answer to the
// Execute is out. A nil function refuses with 4.05.
type ServerHooks struct {
	Save      Save
	Disable   func(ctx context.Context, shortServerID uint16, timeout time.Duration) error
	Update    func(ctx context.Context, shortServerID uint16) error
	Bootstrap func(ctx context.Context, shortServerID uint16) error
}

// Server is object 1: what a server and the client have agreed on.
type Server struct{ model.Plain }

// NewServer adds object 1 to the tree. Transports are the letters of the
// transports that exist here, "U" or "UT": a server can choose no other binding.
func NewServer(tree *model.Tree, transports string, hooks ServerHooks) (*Server, error) {
	return &Server{}, nil
}

// Seed makes the instances for accounts anew; what was there is gone. Bootstrap
// servers are skipped.
func (s *Server) Seed(accounts ...Account) error { return nil }

// Restore makes the object's content what Save was given.
func (s *Server) Restore(nodes []lwm2m.Node) error { return nil }

// SetAlert records the last TLS or DTLS alert from a server (/1/x/11).
func (s *Server) SetAlert(shortServerID uint16, alert uint8) error { return nil }

// SetBootstrapped records when the bootstrap server last wrote a server's
// account (/1/x/12).
func (s *Server) SetBootstrapped(shortServerID uint16, at time.Time) error { return nil }
