package objects

import (
	"context"
	"slices"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// PreferredBearer is a bearer as /13/0/0 (Preferred Communications Bearer) numbers it.
type PreferredBearer int64

// The bearers that a modem can prefer (OMA registry, object 13, version 1.1).
const (
	PreferAuto  PreferredBearer = 0
	PreferGSM   PreferredBearer = 2
	PreferUMTS  PreferredBearer = 3
	PreferLTE   PreferredBearer = 4  // LTE-M, too
	PreferNBIoT PreferredBearer = 14 // with control plane optimisations, as every network of NB-IoT has them
	PreferNR    PreferredBearer = 16
)

// Selection is what a modem goes by when it looks for a network.
type Selection struct {
	Bearers []PreferredBearer // the first is tried first; none: the modem chooses
	Choices []PreferredBearer // that can be among them; none: it always chooses itself
	Most    int               // how many of them can be said

	Operators    []string // MCC and MNC, the first is tried first
	MaxOperators int      // 0: the modem has no such list
}

// SelectionHooks are what writes to object 13 do to the modem.
type SelectionHooks struct {
	SetBearers   func(ctx context.Context, order []PreferredBearer) error // none: the modem chooses
	SetOperators func(ctx context.Context, operators []string) error
}

// The resources of object 13 that are served (OMA registry, version 1.1).
const (
	objectSelection    = 13
	ridPreferredBearer = 0
	ridOperatorList    = 6
	ridOperatorMode    = 7
)

// BearerSelection is object 13, from the first modem on.
type BearerSelection struct {
	model.Plain
	tree  *model.Tree
	pub   *model.Publisher
	hooks SelectionHooks
	now   func() Selection
}

// NewBearerSelection adds object 13; its instance appears with the first Publish. now gives
// what the modem has at the moment of a write.
func NewBearerSelection(tree *model.Tree, now func() Selection, hooks SelectionHooks) (*BearerSelection, error) {
	s := &BearerSelection{tree: tree, now: now, hooks: hooks}
	var err error
	s.pub, err = tree.AddRegistered(objectSelection, s)
	return s, err
}

// Publish enters what the modem goes by.
func (s *BearerSelection) Publish(now Selection) error {
	var b model.Batch
	b.Create(0)
	b.SetAll(0, ridPreferredBearer, bearerValues(now.Bearers)...)
	if now.MaxOperators > 0 {
		b.Set(0, ridOperatorList, lwm2m.String(strings.Join(now.Operators, ",")))
		b.Set(0, ridOperatorMode, lwm2m.Boolean(false))
	}
	return s.pub.Publish(&b)
}

func bearerValues(order []PreferredBearer) []lwm2m.Value {
	if len(order) == 0 {
		order = []PreferredBearer{PreferAuto}
	}
	values := make([]lwm2m.Value, len(order))
	for i, bearer := range order {
		values[i] = lwm2m.Integer(int64(bearer))
	}
	return values
}

// Prepare takes an order of bearers and a list of operators, and refuses what the modem cannot.
func (s *BearerSelection) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	before, err := s.tree.Read(model.FromAgent(), lwm2m.NewPath(objectSelection), nil)
	if err != nil {
		return nil, err
	}
	after := edited(before, objectSelection, e)
	touched := make(map[uint16]bool)
	for i := range e.Set {
		touched[e.Set[i].Path.Resource()] = true
	}
	for _, p := range e.Delete {
		if p.Level() == lwm2m.LevelResourceInstance {
			touched[p.Resource()] = true
		}
	}
	shorter := slices.DeleteFunc(slices.Clone(e.Delete), func(p lwm2m.Path) bool {
		return p.Level() < lwm2m.LevelResource || p.Resource() != ridPreferredBearer || !touched[ridPreferredBearer]
	})
	if err := stays(e, "object 13 (Bearer Selection) has the instance that the modem has"); err != nil {
		return nil, err
	}
	e.Delete = shorter
	now := s.now()
	var tx sequence
	for rid := range touched {
		if err := s.change(&tx, rid, &now, after); err != nil {
			return nil, err
		}
	}
	return &tx, nil
}

// change adds what a resource that was written asks of the modem.
func (s *BearerSelection) change(tx *sequence, rid uint16, now *Selection, after []lwm2m.Node) error {
	switch path := lwm2m.NewPath(objectSelection, 0, rid); rid {
	case ridPreferredBearer:
		order, err := orderOf(now, path, after)
		if err != nil {
			return err
		}
		tx.add(func(ctx context.Context) error { return s.hooks.SetBearers(ctx, order) },
			func(ctx context.Context) error { return s.hooks.SetBearers(ctx, now.Bearers) })
	case ridOperatorList:
		operators, err := operatorsOf(now, path, after)
		if err != nil {
			return err
		}
		tx.add(func(ctx context.Context) error { return s.hooks.SetOperators(ctx, operators) },
			func(ctx context.Context) error { return s.hooks.SetOperators(ctx, now.Operators) })
	case ridOperatorMode:
		if value(after, path).Bool() {
			return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s: a modem prefers the operators of its list, and does not keep to them", path)
		}
	default:
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be written: no modem here takes it", path)
	}
	return nil
}

func value(nodes []lwm2m.Node, path lwm2m.Path) lwm2m.Value {
	for _, n := range nodes {
		if n.Path == path {
			return n.Value
		}
	}
	return lwm2m.Value{}
}

// orderOf returns the bearers that are wanted, none for the modem's own choice.
func orderOf(now *Selection, path lwm2m.Path, after []lwm2m.Node) ([]PreferredBearer, error) {
	var order []PreferredBearer
	for _, n := range after {
		if path.Contains(n.Path) && n.Path != path {
			order = append(order, PreferredBearer(n.Value.Int()))
		}
	}
	if len(order) == 0 || len(order) == 1 && order[0] == PreferAuto {
		return nil, nil
	}
	if len(now.Choices) == 0 {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s: this modem, or its driver, always chooses by itself", path)
	}
	for i, bearer := range order {
		if !slices.Contains(now.Choices, bearer) || slices.Contains(order[:i], bearer) {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s: %d cannot be chosen, or is there twice; 0 alone, or among %d", path, bearer, now.Choices)
		}
	}
	if len(order) > now.Most {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s: this modem, or its driver, can be told %d bearer at most", path, now.Most)
	}
	return order, nil
}

// operatorsOf returns the operators that are wanted.
func operatorsOf(now *Selection, path lwm2m.Path, after []lwm2m.Node) ([]string, error) {
	if now.MaxOperators == 0 {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s: the SIM, or the modem's driver, has no list of operators", path)
	}
	text := value(after, path).Text()
	if text == "" {
		return nil, nil
	}
	operators := strings.Split(text, ",")
	for i, o := range operators {
		if o = strings.TrimSpace(o); len(o) < 5 || len(o) > 6 || strings.Trim(o, "0123456789") != "" || slices.Contains(operators[:i], o) {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, `%s: %.10q is not MCC and MNC of an operator, or is there twice; want "26201,26202"`, path, o)
		}
		operators[i] = o
	}
	if len(operators) > now.MaxOperators {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s: the SIM has room for %d operators", path, now.MaxOperators)
	}
	return operators, nil
}
