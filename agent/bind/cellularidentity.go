package bind

import (
	"slices"

	"lwm2m-agent/modem"
	"lwm2m-agent/objects"
)

// identityOf puts what object 10308 shows into its words.
func identityOf(s *modem.State) objects.CellularIdentity {
	return objects.CellularIdentity{
		ICCID: s.SIM.ICCID, IMSI: s.SIM.IMSI, MSISDN: s.SIM.MSISDN, SINR: whole(s.Signal.SNR), Coverage: s.Signal.Coverage, Srxlev: s.Signal.Srxlev,
	}
}

// publishNR enters how a modem is connected that has been seen in 5G, or can prefer it. While it
// is not registered, or by neither LTE nor 5G, the last state stands.
func (c *Cellular) publishNR(s *modem.State) error {
	n := &s.Network
	c.seenNR = c.seenNR || n.Dual || n.Technology == modem.NR || slices.Contains(s.Selection.Choices, modem.NR)
	if !c.seenNR || !n.Registration.Registered() {
		return nil
	}
	out := objects.NRConnectivity{PLMN: n.MCC + n.MNC}
	switch {
	case n.Dual:
		out.Option = objects.OptionDual
	case n.Technology == modem.NR:
		out.Option, out.Band = objects.OptionNR, int64(n.Band)
	case n.Technology == modem.LTE:
		out.Option = objects.OptionLTE
	default:
		return nil
	}
	for i := range s.Bearers {
		if b := &s.Bearers[i]; b.Active && b.APN != "" {
			out.DNN, out.Type = b.APN, pdnTypes[b.Type]
			break
		}
	}
	return c.nr.Publish(out)
}
