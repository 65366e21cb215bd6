package objects

import (
	"net/netip"

	"lwm2m-agent/lwm2m/model"
)

// Bearer is a kind of network (/4/0/0).
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

// ConnectivityMonitor is object 4.
type ConnectivityMonitor struct{ model.Plain }

// NewConnectivityMonitor adds object 4 with its instance to the tree.
func NewConnectivityMonitor(tree *model.Tree) (*ConnectivityMonitor, error) {
	return &ConnectivityMonitor{}, nil
}

// Publish enters what is known now.
func (m *ConnectivityMonitor) Publish(c Connectivity) error { return nil }
