package objects

import (
	"net/netip"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Bearer is a kind of network (/4/0/0): 0 to 20 are cellular, 21 to 40 other
// wireless ones, 41 to 50 wired.
type Bearer int

// The bearers.
const (
	BearerGSM       Bearer = 0
	BearerTDSCDMA   Bearer = 1
	BearerWCDMA     Bearer = 2
	BearerCDMA2000  Bearer = 3
	BearerWiMAX     Bearer = 4
	BearerLTETDD    Bearer = 5
	BearerLTEFDD    Bearer = 6
	BearerNBIoT     Bearer = 7
	BearerNRTDD     Bearer = 8
	BearerNRFDD     Bearer = 9
	BearerWLAN      Bearer = 21
	BearerBluetooth Bearer = 22
	Bearer802154    Bearer = 23 // IEEE 802.15.4
	BearerEthernet  Bearer = 41
	BearerDSL       Bearer = 42
	BearerPLC       Bearer = 43
)

// wired reports whether the bearer has no radio.
func (b Bearer) wired() bool { return b >= 41 }

// Cell is the serving cell of a cellular bearer. Pointers are nil where nothing
// is known.
type Cell struct {
	APN      []string // /4/0/7
	ID       *int64   // /4/0/8
	MNC, MCC *int64   // /4/0/9 and 10
	SINR     *int64   // /4/0/11, dB
	LAC      *int64   // /4/0/12
	Coverage *int64   // /4/0/13: coverage enhancement level, 0 to 4
}

// Connectivity is how this device is connected.
type Connectivity struct {
	Bearer      Bearer   // in use for LwM2M
	Available   []Bearer // all that could be used now
	Signal      *int64   // dBm; nil if the bearer has none or it is not known
	LinkQuality *int64   // in the bearer's own measure
	Utilization *int64   // percent of the link to the next router
	Addresses   []netip.Addr
	Routers     []netip.Addr
	Cell        *Cell
}

// The resources of object 4 (Core, appendix E.5).
const (
	ridBearer           = 0
	ridAvailableBearers = 1
	ridSignalStrength   = 2
	ridLinkQuality      = 3
	ridIPAddresses      = 4
	ridRouters          = 5
	ridLinkUtilization  = 6
	ridAPN              = 7
	ridCellID           = 8
	ridMNC              = 9
	ridMCC              = 10
	ridSINR             = 11
	ridLAC              = 12
	ridCoverage         = 13
)

// ConnectivityMonitor is object 4.
type ConnectivityMonitor struct {
	model.Plain
	pub *model.Publisher
}

// NewConnectivityMonitor adds object 4 to the tree; its instance appears with
// the first Publish.
func NewConnectivityMonitor(tree *model.Tree) (*ConnectivityMonitor, error) {
	m := &ConnectivityMonitor{}
	var err error
	m.pub, err = tree.AddRegistered(4, m)
	return m, err
}

// Publish enters what is known now.
func (m *ConnectivityMonitor) Publish(c Connectivity) error {
	var b model.Batch
	b.Create(0)
	b.Set(0, ridBearer, lwm2m.Integer(int64(c.Bearer)))
	available := make([]lwm2m.Value, len(c.Available))
	for i, bearer := range c.Available {
		available[i] = lwm2m.Integer(int64(bearer))
	}
	b.SetAll(0, ridAvailableBearers, available...)
	c.signal(&b)
	setOrRemoveNumber(&b, ridLinkQuality, c.LinkQuality)
	setOrRemoveNumber(&b, ridLinkUtilization, c.Utilization)
	b.SetAll(0, ridIPAddresses, addresses(c.Addresses)...)
	setAllOrRemove(&b, ridRouters, addresses(c.Routers))
	cell := c.Cell
	if cell == nil {
		cell = &Cell{}
	}
	cell.enter(&b)
	return m.pub.Publish(&b)
}

// signal enters the radio signal strength, which is mandatory: 0 where there is
// no radio, and an uncertain 0, impossibly strong, where it is not known.
func (c *Connectivity) signal(b *model.Batch) {
	switch {
	case c.Signal != nil:
		b.Set(0, ridSignalStrength, lwm2m.Integer(*c.Signal))
	case c.Bearer.wired():
		b.Set(0, ridSignalStrength, lwm2m.Integer(0))
	default:
		b.SetAt(0, ridSignalStrength, lwm2m.Integer(0), noTime, model.Uncertain)
	}
}

func (c *Cell) enter(b *model.Batch) {
	names := make([]lwm2m.Value, len(c.APN))
	for i, name := range c.APN {
		names[i] = lwm2m.String(name)
	}
	setAllOrRemove(b, ridAPN, names)
	setOrRemoveNumber(b, ridCellID, c.ID)
	setOrRemoveNumber(b, ridMNC, c.MNC)
	setOrRemoveNumber(b, ridMCC, c.MCC)
	setOrRemoveNumber(b, ridSINR, c.SINR)
	setOrRemoveNumber(b, ridLAC, c.LAC)
	setOrRemoveNumber(b, ridCoverage, c.Coverage)
}

func addresses(addrs []netip.Addr) []lwm2m.Value {
	out := make([]lwm2m.Value, len(addrs))
	for i, a := range addrs {
		out[i] = lwm2m.String(a.String())
	}
	return out
}

// setAllOrRemove gives a multiple resource its values, or takes it away if there
// are none.
func setAllOrRemove(b *model.Batch, rid uint16, values []lwm2m.Value) {
	if len(values) == 0 {
		b.Remove(0, rid)
	} else {
		b.SetAll(0, rid, values...)
	}
}
