package objects

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 5 (Core, appendix E.6).
const (
	objectFirmware  = 5
	ridPackage      = 0
	ridPackageURI   = 1
	ridUpdate       = 2
	ridState        = 3
	ridUpdateResult = 5
	ridPkgName      = 6
	ridPkgVersion   = 7
	ridProtocols    = 8
	ridDelivery     = 9
	ridCancel       = 10
	ridSeverity     = 11
	ridStateChanged = 12
	ridMaxDefer     = 13
	ridAutomatic    = 14
)

// deliverBoth is the value of /5/0/9 for push and pull.
const deliverBoth = 2

// FirmwareProtocol is a value of /5/0/8.
type FirmwareProtocol int

// The protocols.
const (
	FirmwareCoAP    FirmwareProtocol = 0
	FirmwareCoAPS   FirmwareProtocol = 1
	FirmwareHTTP    FirmwareProtocol = 2
	FirmwareHTTPS   FirmwareProtocol = 3
	FirmwareCoAPTCP FirmwareProtocol = 4
	FirmwareCoAPTLS FirmwareProtocol = 5
)

// FirmwareUpdater carries updates out. What the state does not allow is refused
// with 4.05. Methods return when what they did is safe; the rest follows by itself.
type FirmwareUpdater interface {
	// Receive begins to take a package of a size in bytes, 0 if it is unknown.
	Receive(ctx context.Context, size int64) (model.Stream, error)
	// Fetch begins to download a package. That a URI cannot be used is a result.
	Fetch(ctx context.Context, uri string) error
	// Reset forgets the package and the result.
	Reset(ctx context.Context) error
	// Update installs the package.
	Update(ctx context.Context) error
	Cancel(ctx context.Context) error
	SetPolicy(ctx context.Context, p FirmwarePolicy) error
}

// FirmwarePolicy is what servers say about how to update.
type FirmwarePolicy struct {
	Severity  uint8  // 0 critical, 1 mandatory, 2 optional
	MaxDefer  uint64 // seconds
	Automatic bool
}

// FirmwareStatus is what object 5 shows.
type FirmwareStatus struct {
	State, Result int
	Changed       time.Time // of State
	URI           string
	Name, Version string // of the package
	Policy        FirmwarePolicy
}

// Firmware is object 5.
type Firmware struct {
	pub     *model.Publisher
	updater FirmwareUpdater
	tree    *model.Tree
}

var _ model.Streamer = (*Firmware)(nil)

// NewFirmware adds object 5 with its instance to the tree.
func NewFirmware(tree *model.Tree, u FirmwareUpdater, protocols []FirmwareProtocol, s FirmwareStatus) (*Firmware, error) {
	f := &Firmware{updater: u, tree: tree}
	var err error
	if f.pub, err = tree.AddRegistered(objectFirmware, f); err != nil {
		return nil, err
	}
	var b model.Batch
	b.Create(0)
	b.Declare(0, ridPackage, ridUpdate, ridCancel)
	for i, p := range protocols {
		b.SetInstance(0, ridProtocols, uint16(i), lwm2m.Integer(int64(p)))
	}
	b.Set(0, ridDelivery, lwm2m.Integer(deliverBoth))
	f.enter(&b, s)
	return f, f.pub.Publish(&b)
}

// Publish shows a new status, all of it at once.
func (f *Firmware) Publish(s FirmwareStatus) error {
	var b model.Batch
	f.enter(&b, s)
	return f.pub.Publish(&b)
}

// enter enters a status; the time of the change of State comes before it.
func (f *Firmware) enter(b *model.Batch, s FirmwareStatus) {
	b.Set(0, ridStateChanged, lwm2m.Time(s.Changed))
	b.Set(0, ridPackageURI, lwm2m.String(s.URI))
	b.Set(0, ridState, lwm2m.Integer(int64(s.State)))
	b.Set(0, ridUpdateResult, lwm2m.Integer(int64(s.Result)))
	b.Set(0, ridPkgName, lwm2m.String(s.Name))
	b.Set(0, ridPkgVersion, lwm2m.String(s.Version))
	b.Set(0, ridSeverity, lwm2m.Integer(int64(s.Policy.Severity)))
	b.Set(0, ridMaxDefer, lwm2m.Unsigned(s.Policy.MaxDefer))
	b.Set(0, ridAutomatic, lwm2m.Boolean(s.Policy.Automatic))
}

// Prepare hands a package, a URI and the policy on. Package and URI are not the
// tree's to keep: the updater's status says what holds.
func (f *Firmware) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	e.Delete = nil // a Write that replaces the instance leaves what it does not mention
	policy, before := f.policy(), f.policy()
	var tx sequence
	kept := make([]lwm2m.Node, 0, len(e.Set))
	sources := 0
	for _, n := range e.Set {
		switch n.Path.Resource() {
		case ridPackage:
			sources++
			tx.add(f.takePackage(n.Value.Bytes()), nil)
			continue
		case ridPackageURI:
			sources++
			tx.add(f.takeURI(n.Value.Text()), nil)
			continue
		case ridSeverity:
			policy.Severity = uint8(n.Value.Int()) //nolint:gosec // 0 to 2, says the definition
		case ridMaxDefer:
			policy.MaxDefer = n.Value.Uint()
		case ridAutomatic:
			policy.Automatic = n.Value.Bool()
		}
		kept = append(kept, n)
	}
	e.Set = kept
	if sources > 1 {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "/5/0: there is a package and a URI; write one of them")
	}
	if policy != before { // first: the package may be installed at once
		tx.steps = append([]step{{
			do:   func(ctx context.Context) error { return f.updater.SetPolicy(ctx, policy) },
			undo: func(ctx context.Context) error { return f.updater.SetPolicy(ctx, before) },
		}}, tx.steps...)
	}
	return &tx, nil
}

// policy is what the tree has.
func (f *Firmware) policy() FirmwarePolicy {
	value := func(rid uint16) lwm2m.Value { return f.tree.Value(lwm2m.NewPath(objectFirmware, 0, rid)) }
	return FirmwarePolicy{
		Severity: uint8(value(ridSeverity).Int()), MaxDefer: value(ridMaxDefer).Uint(), Automatic: value(ridAutomatic).Bool(), //nolint:gosec // 0 to 2
	}
}

// takePackage takes a package that came in one piece; none, or NUL, resets (the
// definition of /5/0/3).
func (f *Firmware) takePackage(content []byte) func(context.Context) error {
	if len(content) == 0 || len(content) == 1 && content[0] == 0 {
		return f.updater.Reset
	}
	return func(ctx context.Context) error {
		s, err := f.updater.Receive(ctx, int64(len(content)))
		if err != nil {
			return err
		}
		if err := s.Write(ctx, content); err != nil {
			return err
		}
		return s.Close(ctx)
	}
}

func (f *Firmware) takeURI(uri string) func(context.Context) error {
	if uri == "" {
		return f.updater.Reset
	}
	return func(ctx context.Context) error { return f.updater.Fetch(ctx, uri) }
}

// Streams implements model.Streamer.
func (f *Firmware) Streams(rid uint16) bool { return rid == ridPackage }

// Stream implements model.Streamer.
func (f *Firmware) Stream(ctx context.Context, _ model.Origin, _ lwm2m.Path, size int64) (model.Stream, error) {
	return f.updater.Receive(ctx, size)
}

// Execute installs the package, or cancels.
func (f *Firmware) Execute(ctx context.Context, _ model.Origin, p lwm2m.Path, _ model.Arguments) error {
	if p.Resource() == ridUpdate {
		return f.updater.Update(ctx)
	}
	return f.updater.Cancel(ctx)
}
