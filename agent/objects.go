package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// coreObjects are the objects that every agent has.
type coreObjects struct {
	security     *objects.Security
	server       *objects.Server
	device       *objects.Device
	connectivity *objects.ConnectivityMonitor
	location     *objects.Location
	statistics   *objects.Statistics
	coap         *objects.CoAPConfig
	portfolio    *objects.Portfolio
	health       *objects.GatewayHealth
}

// unknown is what a gateway answers that does not know its maker.
const unknown = "unknown"

func (a *Agent) addObjects(n *found) error {
	a.machineID, a.facts = n.machineID, a.deviceFacts(n)
	o := &a.objects
	var err error
	if o.security, err = objects.NewSecurity(a.tree, a.accounts.SaveSecurity); err != nil {
		return err
	}
	if o.server, err = objects.NewServer(a.tree, bind.Transports, a.serverHooks()); err != nil {
		return err
	}
	machine := &bind.Machine{Root: a.opts.Root, Control: a.opts.Control, Clock: a.opts.Now, Built: a.opts.Built, Told: a.clock.Told}
	if o.device, err = objects.NewDevice(a.tree, machine, a.facts, a.deviceHooks()); err != nil {
		return err
	}
	if o.connectivity, err = objects.NewConnectivityMonitor(a.tree); err != nil {
		return err
	}
	if o.location, err = objects.NewLocation(a.tree); err != nil {
		return err
	}
	if err := a.addStatistics(); err != nil {
		return err
	}
	if err := a.addTraffic(); err != nil {
		return err
	}
	if o.health, err = objects.NewGatewayHealth(a.tree, a.troubles()); err != nil {
		return err
	}
	if err := a.addCoAPConfig(); err != nil {
		return err
	}
	if a.opts.Config.TestObject {
		if _, err = objects.NewTestObject(a.tree); err != nil {
			return err
		}
	}
	if err = a.addModems(); err != nil {
		return err
	}
	a.wlan = &bind.WLAN{Root: a.opts.Root, Store: a.store, Object: objects.NewWLANConnectivity(a.tree)}
	if err = a.addContents(); err != nil {
		return err
	}
	a.firstValues(n)
	return nil
}

// addTraffic adds object 26242.
func (a *Agent) addTraffic() error {
	octets := func(f client.Flow) objects.Octets {
		return objects.Octets{Sent: f.SentBytes, Received: f.ReceivedBytes}
	}
	return objects.AddGatewayTraffic(a.tree, int(client.PurposeCount), func(purpose int) (day, run objects.Octets) {
		total, today := a.client.Traffic()
		return octets(today[purpose]), octets(total[purpose])
	})
}

// Where object 7 is kept: its collection period, and what it has collected.
const (
	keyStatistics = "statistics"
	keyCollection = "statistics/collection"
)

func (a *Agent) addStatistics() error {
	kept := bind.Kept{Store: a.store, Key: keyStatistics}
	var err error
	if a.objects.statistics, err = objects.NewStatistics(a.tree, a.counters, kept.Save); err != nil {
		return err
	}
	a.restore(kept, a.objects.statistics.Restore)
	return nil
}

// continueStatistics goes on with what the former process has collected.
func (a *Agent) continueStatistics() {
	record := a.store.Small(keyCollection)
	if record == nil {
		return
	}
	var c objects.Counted
	if err := json.Unmarshal(record, &c); err != nil {
		a.log.Warn("the collection of object 7 begins anew", slog.Any("error", err))
		return
	}
	a.objects.statistics.Continue(c)
}

// keepStatistics has what was collected outlive the process. It does not wait for the disk.
func (a *Agent) keepStatistics() {
	c := a.objects.statistics.Counted()
	if c == (objects.Counted{}) && a.store.Small(keyCollection) == nil {
		return // nobody has ever asked for it
	}
	record, err := json.Marshal(c)
	if err == nil {
		err = a.store.DeferSmall(keyCollection, record)
	}
	if err != nil {
		a.log.Warn("the collection of object 7 is not kept", slog.Any("error", err))
	}
}

// keyCoAPConfig is where object 500 is kept.
const keyCoAPConfig = "coap"

func (a *Agent) addCoAPConfig() error {
	kept := bind.Kept{Store: a.store, Key: keyCoAPConfig}
	var err error
	if a.objects.coap, err = objects.NewCoAPConfig(a.tree, kept.Save, func() { a.client.ParamsChanged() }); err != nil {
		return err
	}
	if err := a.objects.coap.Seed(transmissions()); err != nil {
		return err
	}
	a.restore(kept, a.objects.coap.Restore)
	return nil
}

// firstValues publishes what the watches will keep up to date.
func (a *Agent) firstValues(n *found) {
	a.showNetwork(&n.network, n.networkErr)
	a.publishPower()
}

func (a *Agent) serverHooks() objects.ServerHooks {
	return objects.ServerHooks{
		Save: a.accounts.SaveServer,
		Disable: func(_ context.Context, id uint16, timeout time.Duration) error {
			return a.client.Disable(id, timeout)
		},
		Update: func(_ context.Context, id uint16, transport string) error {
			if transport != "" {
				return a.client.UpdateOver(id, transport)
			}
			return a.client.Update(id)
		},
		Bootstrap: func(_ context.Context, id uint16) error { return a.bootstrap(id) },
	}
}

func (a *Agent) deviceHooks() objects.DeviceHooks {
	hooks := objects.DeviceHooks{
		Reboot: func(ctx context.Context, origin model.Origin) error {
			if err := a.opts.Control.CanReboot(ctx); err != nil {
				return err
			}
			a.log.Warn("reboot was asked for", slog.Int("server", int(origin.Server)))
			return a.afterAnswer("reboot", a.opts.Control.Reboot)
		},
		Errors: a.deviceErrors,
	}
	if a.opts.FactoryReset {
		hooks.FactoryReset = a.factoryReset
	}
	return hooks
}

// firstVersion is the firmware of a simulated machine that was never updated: that of this machine would make no sense beside
// the packages of the demo.
const firstVersion = "1.0"

// deviceFacts are what the Device object says about this machine; the configuration
// knows better than DMI.
func (a *Agent) deviceFacts(n *found) objects.DeviceFacts {
	cfg, id, release := a.opts.Config.Device, n.identity, host.ReadRelease(a.opts.Root)
	facts := objects.DeviceFacts{
		Manufacturer: cmp.Or(cfg.Manufacturer, id.Manufacturer, unknown),
		Model:        cmp.Or(cfg.Model, id.Model, unknown),
		Serial:       cmp.Or(cfg.Serial, id.Serial, unknown),
		Hardware:     cmp.Or(cfg.HardwareVersion, id.Hardware),
		Firmware:     cmp.Or(release.Version, release.Kernel, unknown),
		Software:     a.opts.Version,
		Type:         "gateway",
		Bindings:     bind.Transports,
	}
	if a.opts.SoftReboot {
		facts.Firmware = firstVersion
	}
	if m, err := host.ReadMemory(a.opts.Root); err == nil {
		facts.MemoryTotal = m.Total
	}
	return facts
}

func (a *Agent) publishNetwork() {
	a.network.Lock()
	defer a.network.Unlock()
	n, err := host.ReadNetwork(a.opts.Root)
	a.showNetwork(&n, err)
}

// showNetwork publishes what was read of the network.
func (a *Agent) showNetwork(n *host.Network, err error) {
	if err == nil {
		c := bind.Connectivity(n)
		a.modems.Enter(&c)
		err = a.objects.connectivity.Publish(c)
	}
	if err != nil {
		a.log.Warn("network not read", slog.Any("error", err))
	}
	a.showWLAN(n)
}

func (a *Agent) publishPower() {
	if err := a.objects.device.SetPower(bind.Power(a.opts.Root)); err != nil {
		a.log.Warn("power supplies not published", slog.Any("error", err))
	}
}

func (a *Agent) watchNetwork(ctx context.Context) error {
	w := host.NetworkWatch{Log: a.log, Changed: a.networkChanged, Gone: a.counters.Gone}
	return w.Run(ctx)
}

func (a *Agent) networkChanged() {
	a.counters.NetworkChanged()
	a.publishNetwork()
	a.client.ParamsChanged() // the bearer may be another one
	a.client.NetworkChanged()
}

func (a *Agent) watchPower(ctx context.Context) error {
	return host.WatchPower(ctx, a.publishPower)
}

// ssid is a Short Server ID as the subject of a trouble.
func ssid(id uint16) string { return strconv.Itoa(int(id)) }
