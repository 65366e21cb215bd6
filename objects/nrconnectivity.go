package objects

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// ConnectivityOption is which networks carry (/27/0/0).
type ConnectivityOption int64

// The options that modems tell apart.
const (
	OptionLTE  ConnectivityOption = 1 // core network EPC, LTE alone
	OptionNR   ConnectivityOption = 2 // core network 5GC, NR alone
	OptionDual ConnectivityOption = 3 // core network EPC, LTE with NR beside it
)

// NRConnectivity is how a modem for 5G is connected. What is zero is not known.
type NRConnectivity struct {
	Option ConnectivityOption
	Band   int64   // of NR, in use
	DNN    string  // data network name, the APN of 5G
	Type   PDNType // of the session
	PLMN   string  // MCC and MNC
}

// The resources of object 27 that are served (OMA registry, version 1.0). The others are no
// modem's to tell, here.
const (
	objectNR        = 27
	ridNROption     = 0
	ridNRBand       = 2
	ridNRName       = 4
	ridNRType       = 7
	ridNRPLMN       = 17
	sessionTypeIPv4 = 1 // 3GPP TS 24.501, clause 9.11.4.11
	sessionTypeIPv6 = 2
	sessionTypeBoth = 3
	sessionTypeNone = 4 // unstructured
)

var sessionTypes = map[PDNType]int64{PDNIPv4: sessionTypeIPv4, PDNIPv6: sessionTypeIPv6, PDNIPv4v6: sessionTypeBoth, PDNNonIP: sessionTypeNone}

// NRObject is object 27 (5GNR Connectivity), read only.
type NRObject struct{ shown }

// NewNRObject adds object 27; its instance appears with the first Publish.
func NewNRObject(tree *model.Tree) (*NRObject, error) {
	n := &NRObject{}
	return n, n.add(tree, objectNR)
}

// Publish enters what is known now.
func (n *NRObject) Publish(c NRConnectivity) error {
	var b model.Batch
	b.Create(0)
	b.Set(0, ridNROption, lwm2m.Integer(int64(c.Option)))
	var bands []lwm2m.Value
	if c.Band > 0 {
		bands = []lwm2m.Value{lwm2m.Integer(c.Band)}
	}
	setAllOrRemove(&b, ridNRBand, bands)
	setOrRemoveText(&b, ridNRName, c.DNN)
	setOrRemoveText(&b, ridNRPLMN, c.PLMN)
	if t, ok := sessionTypes[c.Type]; ok && c.Option == OptionNR {
		b.Set(0, ridNRType, lwm2m.Integer(t))
	} else {
		b.Remove(0, ridNRType)
	}
	return n.pub.Publish(&b)
}
