package objects

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 1 that mean something here (Core, appendix E.2).
const (
	ridServerShortID    = 0
	ridLifetime         = 1
	ridDefaultMinPeriod = 2
	ridDefaultMaxPeriod = 3
	ridDisable          = 4
	ridDisableTimeout   = 5
	ridStoring          = 6
	ridBinding          = 7
	ridUpdateTrigger    = 8
	ridBootstrapTrigger = 9
	ridAPNLink          = 10
	ridAlertCode        = 11
	ridPreferred        = 22
	ridAlternateAPN     = 24
	ridServerVersions   = 25
)

// defaultDisableTimeout is in force where there is no Disable Timeout.
const defaultDisableTimeout = 24 * time.Hour

// ServerHooks are what executing resources of object 1 does, and where writes
// are kept. All are called with the Short Server ID of the instance and return
// when the thing is certain to be done: it must happen after the answer to the
// Execute is out. A nil function refuses with 4.05.
type ServerHooks struct {
	Save      Save
	Disable   func(ctx context.Context, shortServerID uint16, timeout time.Duration) error
	Update    func(ctx context.Context, shortServerID uint16, transport string) error // its letter; "": the one in use
	Bootstrap func(ctx context.Context, shortServerID uint16) error
}

// Server is object 1: what a server and the client have agreed on.
type Server struct {
	model.Plain
	record     record
	transports string
	hooks      ServerHooks
}

// NewServer adds object 1 to the tree. Transports are the letters of the
// transports that exist here, "U" or "UT": a server can choose no other binding.
func NewServer(tree *model.Tree, transports string, hooks ServerHooks) (*Server, error) {
	s := &Server{record: record{tree: tree, save: hooks.Save}, transports: transports, hooks: hooks}
	s.record.executable = []uint16{ridUpdateTrigger}
	if hooks.Disable != nil {
		s.record.executable = append(s.record.executable, ridDisable)
	}
	if hooks.Bootstrap != nil {
		s.record.executable = append(s.record.executable, ridBootstrapTrigger)
	}
	var err error
	s.record.pub, err = tree.AddRegistered(1, s)
	return s, err
}

// Seed makes the instances for accounts anew; what was there is gone. Bootstrap
// servers are skipped.
func (s *Server) Seed(accounts ...Account) error {
	var nodes []lwm2m.Node
	taken := make(map[uint16]string)
	for i := range accounts {
		a := &accounts[i]
		if a.Bootstrap {
			continue
		}
		if other, dup := taken[a.ServerInstance]; dup {
			return fmt.Errorf("account %s: server instance %d belongs to %s", a.URI, a.ServerInstance, other)
		}
		taken[a.ServerInstance] = a.URI
		instance := instanceNodes(lwm2m.NewPath(1, a.ServerInstance), a.server(), a.Server)
		for _, n := range instance {
			if err := s.valid(n); err != nil {
				return fmt.Errorf("account %s: %w", a.URI, err)
			}
		}
		nodes = append(nodes, instance...)
	}
	return s.record.restore(nodes)
}

func (a *Account) server() map[uint16]lwm2m.Value {
	binding := a.Binding
	if binding == "" {
		binding = "U"
	}
	return map[uint16]lwm2m.Value{
		ridServerShortID: lwm2m.Integer(int64(a.ShortServerID)), ridLifetime: seconds(a.Lifetime),
		ridStoring: lwm2m.Boolean(!a.DropOffline), ridBinding: lwm2m.String(binding),
	}
}

// Restore makes the object's content what Save was given.
func (s *Server) Restore(nodes []lwm2m.Node) error { return s.record.restore(nodes) }

// SetAlert records the last TLS or DTLS alert from a server (/1/x/11). The next
// Save contains it.
func (s *Server) SetAlert(shortServerID uint16, alert uint8) error {
	for _, iid := range s.record.tree.Instances(1) {
		if s.shortServerID(iid) == shortServerID {
			return s.record.pub.Set(iid, ridAlertCode, lwm2m.Unsigned(uint64(alert)))
		}
	}
	return fmt.Errorf("no instance of object 1 has Short Server ID %d", shortServerID)
}

func (s *Server) shortServerID(iid uint16) uint16 {
	return uint16(s.record.tree.Value(s.record.path(iid, ridServerShortID)).Int()) //nolint:gosec // 1 to 65534 by definition
}

// Prepare checks what a server writes. Accounts come and go as pairs with
// instances of object 0, so only the bootstrap server, and the agent, can make
// and delete them.
func (s *Server) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	if e.Origin.Kind == model.OriginServer || e.Origin.Kind == model.OriginLocal {
		if len(e.Create) > 0 {
			return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "server accounts are made by the configuration and the bootstrap server only")
		}
		for _, p := range e.Delete {
			if p.Level() == lwm2m.LevelInstance {
				return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "server accounts are deleted by the configuration and the bootstrap server only")
			}
		}
	}
	for _, n := range e.Set {
		if err := s.valid(n); err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
		}
	}
	var tx sequence
	s.record.keep(&tx, e)
	return &tx, nil
}

// valid checks a value beyond its type and range.
func (s *Server) valid(n lwm2m.Node) error {
	switch n.Path.Resource() {
	case ridLifetime, ridDefaultMinPeriod, ridDefaultMaxPeriod, ridDisableTimeout:
		if n.Value.Int() < 0 {
			return fmt.Errorf("%s: %d s is negative", n.Path, n.Value.Int())
		}
	case ridBinding:
		return s.validBinding(n)
	case ridPreferred:
		if text := n.Value.Text(); len(text) != 1 || !strings.Contains(s.transports, text) {
			return fmt.Errorf("%s: %.20q is not one of the transports %s", n.Path, text, s.transports)
		}
	case ridAPNLink, ridAlternateAPN:
		if oid, iid := n.Value.Objlnk(); oid != 11 && (oid != lwm2m.MaxID || iid != lwm2m.MaxID) {
			return fmt.Errorf("%s: %s is no link to an APN connection profile (object 11)", n.Path, n.Value)
		}
	case ridServerVersions:
		if !isServerVersion(n.Value.Text()) {
			return fmt.Errorf("%s: %.20q is no version such as 1.1 or 1.2.2", n.Path, n.Value.Text())
		}
	}
	return nil
}

// isServerVersion reports whether a text is two or three numbers with dots.
func isServerVersion(text string) bool {
	parts := strings.Split(text, ".")
	for _, part := range parts {
		if part == "" || len(part) > 3 || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return len(parts) == 2 || len(parts) == 3
}

// validBinding checks a binding (Core, table of bindings): transports, each at
// most once, of which one exists here, and, for 1.0, Q for queue mode.
func (s *Server) validBinding(n lwm2m.Node) error {
	const letters = "UMHTSNQ"
	text, usable := n.Value.Text(), false
	for i, letter := range text {
		if !strings.ContainsRune(letters, letter) || strings.ContainsRune(text[:i], letter) {
			return fmt.Errorf("%s: %.20q is no binding", n.Path, text)
		}
		usable = usable || strings.ContainsRune(s.transports, letter)
	}
	if !usable {
		return fmt.Errorf("%s: binding %q has none of the transports %s", n.Path, text, s.transports)
	}
	return nil
}

// Execute disables the account, or has the client update its registration or
// ask for a bootstrap.
func (s *Server) Execute(ctx context.Context, _ model.Origin, p lwm2m.Path, args model.Arguments) error {
	id := s.shortServerID(p.Instance())
	switch rid := p.Resource(); {
	case rid == ridDisable && s.hooks.Disable != nil:
		return s.hooks.Disable(ctx, id, s.disableTimeout(p.Instance()))
	case rid == ridUpdateTrigger && s.hooks.Update != nil:
		transport, ok := args.Get(0)
		if ok && (len(transport) != 1 || !strings.Contains(s.transports, transport)) {
			return lwm2m.Errorf(lwm2m.BadRequest, "%.20q is not one of the transports %s", transport, s.transports)
		}
		return s.hooks.Update(ctx, id, transport)
	case rid == ridBootstrapTrigger && s.hooks.Bootstrap != nil:
		return s.hooks.Bootstrap(ctx, id)
	}
	return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be executed here", p)
}

func (s *Server) disableTimeout(iid uint16) time.Duration {
	v := s.record.tree.Value(s.record.path(iid, ridDisableTimeout))
	if v.IsZero() {
		return defaultDisableTimeout
	}
	const most = int64(100 * 365 * 24 * time.Hour / time.Second) // for ever, in what a Duration holds
	return time.Duration(min(v.Int(), most)) * time.Second
}
