package objects

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// HostDevice is the machine that a modem is built into.
type HostDevice struct{ Manufacturer, Model, UniqueID, Software string }

// The resources of object 10241 (OMA registry, version 1.0).
const (
	objectHostDevice = 10241
	ridHostMaker     = 5905
	ridHostModel     = 5906
	ridHostID        = 5907
	ridHostSoftware  = 5908
)

// NewHostDevice adds object 10241 (HostDeviceInfo), read only, with what never changes.
func NewHostDevice(tree *model.Tree, h HostDevice) error {
	var s shown
	if err := s.add(tree, objectHostDevice); err != nil {
		return err
	}
	var b model.Batch
	b.Create(0)
	for rid, text := range map[uint16]string{ridHostMaker: h.Manufacturer, ridHostModel: h.Model, ridHostID: h.UniqueID, ridHostSoftware: h.Software} {
		b.SetAll(0, rid, lwm2m.String(text))
	}
	return s.pub.Publish(&b)
}

// HostDeviceLink is what /3/0/22 (ExtDevInfo) has for it.
func HostDeviceLink() lwm2m.Value { return lwm2m.Objlnk(objectHostDevice, 0) }
