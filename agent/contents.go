package agent

import (
	"cmp"
	"log/slog"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/objects"
)

// Where objects 16 and 19 are kept.
const (
	keyPortfolio = "portfolio"
	keyAppData   = "app data"
)

// addContents adds the objects that servers and local programs fill, with what
// they held before. What cannot be restored is told and left out.
func (a *Agent) addContents() error {
	kept := bind.Kept{Store: a.store, Key: keyPortfolio}
	portfolio, err := objects.NewPortfolio(a.tree, a.hostIdentities(), kept.Save)
	if err != nil {
		return err
	}
	a.restore(kept, portfolio.Restore)
	a.objects.portfolio = portfolio
	kept.Key = keyAppData
	data, err := objects.NewBinaryAppDataContainer(a.tree, a.opts.Now, kept.Save)
	if err != nil {
		return err
	}
	a.restore(kept, data.Restore)
	return nil
}

// restore gives an object what was kept of it.
func (a *Agent) restore(kept bind.Kept, restore func([]lwm2m.Node) error) {
	nodes, err := kept.Load()
	if err == nil && nodes != nil {
		err = restore(nodes)
	}
	if err != nil {
		a.log.Warn("content of an object not restored", slog.Any("error", err))
	}
}

// hostIdentities are what object 16 says of this gateway. What has no serial
// number is known by its endpoint name.
func (a *Agent) hostIdentities() objects.HostIdentities {
	facts := &a.facts
	serial := facts.Serial
	if serial == unknown {
		serial = ""
	}
	return objects.HostIdentities{
		DeviceID: cmp.Or(serial, a.endpoint), Manufacturer: facts.Manufacturer, Model: facts.Model, Software: facts.Software,
	}
}
