package objects

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 26243 (registry/xml/26243.xml).
const (
	objectUpdateProgress = 26243

	ridPhase        = 0
	ridReceived     = 1
	ridSize         = 2
	ridSource       = 3
	ridWaitingFor   = 4
	ridWaitingUntil = 5
	ridReason       = 6
	ridDataUsed     = 7
	ridDataBudget   = 8
)

// FirmwareProgress is what object 26243 shows.
type FirmwareProgress struct {
	Phase        string
	Received     int64 // bytes of the package
	Size         int64 // of it; 0: unknown
	Source       string
	WaitingFor   string    // "": nothing
	WaitingUntil time.Time // if it waits for something
	Reason       string
	Used, Budget int64 // bytes of the day or month; Budget 0: there is none
}

// steps returns how far the package has come, in the steps that are worth telling.
func (p *FirmwareProgress) steps() int64 {
	if p.Size > 0 {
		return p.Received * 100 / p.Size
	}
	return p.Received >> 20
}

// UpdateProgress is object 26243: how a firmware update gets on.
type UpdateProgress struct {
	pub  *model.Publisher
	now  func() time.Time
	last FirmwareProgress // as it was published
	at   time.Time
}

// progressPause is the least time between two changes that only say that more has come: to observe them is to cost little beside the package itself.
const progressPause = 10 * time.Second

// NewUpdateProgress adds object 26243 with its instance to the tree.
func NewUpdateProgress(tree *model.Tree, now func() time.Time, p *FirmwareProgress) (*UpdateProgress, error) {
	pub, err := tree.AddRegistered(objectUpdateProgress, model.Plain{})
	if err != nil {
		return nil, err
	}
	g := &UpdateProgress{pub: pub, now: now}
	var b model.Batch
	b.Create(0)
	return g, g.publish(&b, p)
}

// Publish shows how an update gets on, unless it is too little to be worth a notification. It is called by one goroutine.
func (g *UpdateProgress) Publish(p *FirmwareProgress) error {
	rest := *p
	rest.Received, rest.Used = g.last.Received, g.last.Used
	if rest == g.last && (p.steps() == g.last.steps() || g.now().Sub(g.at).Abs() < progressPause) {
		return nil
	}
	return g.publish(&model.Batch{}, p)
}

func (g *UpdateProgress) publish(b *model.Batch, p *FirmwareProgress) error {
	optional := func(rid uint16, there bool, v lwm2m.Value) {
		if there {
			b.Set(0, rid, v)
		} else {
			b.Remove(0, rid)
		}
	}
	b.Set(0, ridPhase, lwm2m.String(p.Phase))
	b.Set(0, ridReceived, lwm2m.Integer(p.Received))
	optional(ridSize, p.Size > 0, lwm2m.Integer(p.Size))
	optional(ridSource, p.Source != "", lwm2m.String(p.Source))
	b.Set(0, ridWaitingFor, lwm2m.String(p.WaitingFor))
	optional(ridWaitingUntil, p.WaitingFor != "", lwm2m.Time(p.WaitingUntil))
	b.Set(0, ridReason, lwm2m.String(p.Reason))
	optional(ridDataUsed, p.Budget > 0, lwm2m.Integer(p.Used))
	optional(ridDataBudget, p.Budget > 0, lwm2m.Integer(p.Budget))
	if err := g.pub.Publish(b); err != nil {
		return err
	}
	g.last, g.at = *p, g.now()
	return nil
}
