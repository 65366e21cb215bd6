package objects

import (
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 26244 (registry/xml/26244.xml).
const (
	objectGatewayHealth = 26244

	ridTroubles        = 0
	ridTroubleCode     = 1
	ridTroubleSubject  = 2
	ridTroubleDetail   = 3
	ridTroubleRemedy   = 4
	ridTroubleSince    = 5
	ridTroubleSeverity = 6
)

// What bounds object 26244: troubles that are shown, and bytes of a text of each.
const (
	maxShownTroubles = 32
	maxTroubleText   = 512
)

// Trouble is something that is wrong now, as object 26244 shows it.
type Trouble struct {
	Code     string
	Subject  string // "" if there is only one of its kind
	Detail   string
	Remedy   string
	Severity string
	Since    time.Time
}

// values are the values of a trouble by resource.
func (t *Trouble) values() map[uint16]lwm2m.Value {
	text := func(s string) lwm2m.Value {
		return lwm2m.String(strings.ToValidUTF8(s[:min(len(s), maxTroubleText)], ""))
	}
	return map[uint16]lwm2m.Value{
		ridTroubleCode: lwm2m.String(t.Code), ridTroubleSubject: text(t.Subject), ridTroubleDetail: text(t.Detail),
		ridTroubleRemedy: lwm2m.String(t.Remedy), ridTroubleSince: lwm2m.Time(t.Since), ridTroubleSeverity: lwm2m.String(t.Severity),
	}
}

// GatewayHealth is object 26244: what is wrong with the gateway. A trouble is a resource instance,
// of the same number in each resource: object instances that come and go would cost an Update each.
type GatewayHealth struct {
	pub   *model.Publisher
	riids map[troubleKey]uint16 // of what is shown
}

type troubleKey struct{ code, subject string }

// NewGatewayHealth adds object 26244 with its instance to the tree.
func NewGatewayHealth(tree *model.Tree, troubles []Trouble) (*GatewayHealth, error) {
	pub, err := tree.AddRegistered(objectGatewayHealth, model.Plain{})
	if err != nil {
		return nil, err
	}
	g := &GatewayHealth{pub: pub}
	var b model.Batch
	b.Create(0)
	// A resource that is there without instances can be observed while nothing is wrong.
	b.Declare(0, ridTroubleCode, ridTroubleSubject, ridTroubleDetail, ridTroubleRemedy, ridTroubleSince, ridTroubleSeverity)
	g.enter(&b, troubles)
	return g, g.pub.Publish(&b)
}

// Publish shows all troubles that there are, the gravest first. One that was shown keeps its number.
// It is called by one goroutine.
func (g *GatewayHealth) Publish(troubles []Trouble) error {
	var b model.Batch
	g.enter(&b, troubles)
	return g.pub.Publish(&b)
}

func (g *GatewayHealth) enter(b *model.Batch, troubles []Trouble) {
	b.Set(0, ridTroubles, lwm2m.Integer(int64(len(troubles))))
	shown := troubles[:min(len(troubles), maxShownTroubles)]
	riids := g.place(shown)
	for key, riid := range g.riids {
		if _, lasts := riids[key]; !lasts {
			for rid := uint16(ridTroubleCode); rid <= ridTroubleSeverity; rid++ {
				b.RemoveInstance(0, rid, riid)
			}
		}
	}
	for i := range shown {
		t := &shown[i]
		for rid, v := range t.values() {
			b.SetInstance(0, rid, riids[troubleKey{t.Code, t.Subject}], v)
		}
	}
	g.riids = riids
}

// place numbers troubles. A new one does not take the place of one that is over with the same
// change: who observes the codes would not be told.
func (g *GatewayHealth) place(troubles []Trouble) map[troubleKey]uint16 {
	taken := make(map[uint16]bool)
	for _, riid := range g.riids {
		taken[riid] = true
	}
	riids := make(map[troubleKey]uint16, len(troubles))
	free := uint16(0)
	for i := range troubles {
		key := troubleKey{troubles[i].Code, troubles[i].Subject}
		riid, lasts := g.riids[key]
		if !lasts {
			for taken[free] {
				free++
			}
			riid, taken[free] = free, true
		}
		riids[key] = riid
	}
	return riids
}
