package objects

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// CellularIdentity is whom a modem's SIM is for, and how well it hears.
type CellularIdentity struct {
	ICCID, IMSI, MSISDN string // digits; empty if not known
	SINR, Coverage      *int64 // dB; level of coverage enhancement, 0 to 3
	Srxlev              *int64 // dB
}

// The resources of object 10308 that are served (OMA registry, version 2.0). The retries of APNs (4 to
// 6) are the affair of who makes the connection.
const (
	objectCellularIdentity = 10308
	ridICCID               = 1
	ridIMSI                = 2
	ridMSISDN              = 3
	ridExtensionSINR       = 7
	ridSrxlev              = 8
	ridCoverageLevel       = 9
)

// CellularExtension is object 10308 (AT&T Connectivity Extension), read only.
type CellularExtension struct{ shown }

// NewCellularExtension adds object 10308; its instance appears with the first Publish.
func NewCellularExtension(tree *model.Tree) (*CellularExtension, error) {
	c := &CellularExtension{}
	return c, c.add(tree, objectCellularIdentity)
}

func setOrRemoveText(b *model.Batch, rid uint16, text string) {
	if text == "" {
		b.Remove(0, rid)
		return
	}
	b.Set(0, rid, lwm2m.String(text))
}

// Publish enters what is known now.
func (c *CellularExtension) Publish(id CellularIdentity) error {
	var b model.Batch
	b.Create(0)
	if id.MSISDN == "" {
		id.MSISDN = "0" // as the object's definition wants it
	}
	for rid, text := range map[uint16]string{ridICCID: id.ICCID, ridIMSI: id.IMSI, ridMSISDN: id.MSISDN} {
		setOrRemoveText(&b, rid, text)
	}
	setOrRemoveNumber(&b, ridExtensionSINR, id.SINR)
	setOrRemoveNumber(&b, ridSrxlev, id.Srxlev)
	setOrRemoveNumber(&b, ridCoverageLevel, id.Coverage)
	return c.pub.Publish(&b)
}
