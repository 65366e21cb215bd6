//go:build !small

package agent

import (
	"context"
	"log/slog"
	"net/netip"
	"os"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/ets"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

// ETSLab returns where the procedures of the test specification are run with this
// agent. log takes what the agents log; nil: nothing.
func ETSLab(log *slog.Logger) *ets.Lab {
	return &ets.Lab{
		Shapes: model.Shapes(registry.Definitions()),
		Make: func(s ets.Setup) (ets.Device, error) {
			cfg, unplug := withModem(s)
			a, err := New(Options{
				Config: cfg, Version: "ets", Log: log, Root: os.DirFS(s.Machine.Root), Control: s.Machine, Now: s.Machine.Now,
				Simulated: true, Params: func(p *client.Params) { p.Awake = s.Awake },
			})
			if err != nil {
				unplug()
				return nil, err
			}
			return &underTest{a, s.Machine, unplug}, nil
		},
	}
}

// withModem plugs a simulated modem in, where one is wanted and there are pseudo-terminals.
func withModem(s ets.Setup) (cfg *config.Config, unplug func()) {
	if !s.Modem {
		return s.Config, func() {}
	}
	m, err := demo.NewModem([]netip.Addr{netip.MustParseAddr("192.0.2.17")})
	if err != nil {
		return s.Config, func() {}
	}
	with := *s.Config
	with.Modems = []config.Modem{{Name: "wwan", Driver: config.ModemAT, Port: m.Port, Speed: config.DefaultSpeed}}
	return &with, m.Close
}

// underTest is an agent as ets.Device.
type underTest struct {
	agent   *Agent
	machine *ets.Machine
	unplug  func()
}

// Run implements ets.Device.
func (u *underTest) Run(ctx context.Context) error {
	defer u.unplug()
	return u.agent.Run(ctx)
}

// Set implements ets.Device.
func (u *underTest) Set(ctx context.Context, nodes []lwm2m.Node) error {
	if err := u.Sensed(); err != nil {
		return err
	}
	return u.agent.tree.WriteAll(ctx, model.FromAgent(), nodes)
}

// Sensed implements ets.Device.
func (u *underTest) Sensed() error {
	u.agent.publishPower()
	sensed := u.machine.Sensed()
	if err := u.agent.objects.connectivity.Publish(cellular(sensed.Signal)); err != nil {
		return err
	}
	return u.agent.objects.location.Publish(objects.Position{
		Latitude: sensed.Latitude, Longitude: sensed.Longitude,
		Altitude: new(151.0), Radius: new(5.0), Speed: new(0.0), Time: u.machine.Now(),
	})
}

// cellular is a connection over LTE with everything that object 4 can tell
// (configuration C.5).
func cellular(signal int64) objects.Connectivity {
	return objects.Connectivity{
		Bearer: objects.BearerLTEFDD, Available: []objects.Bearer{objects.BearerLTEFDD, objects.BearerWLAN},
		Signal: &signal, LinkQuality: new(int64(98)), Utilization: new(int64(40)),
		Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.17")}, Routers: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Cell: &objects.Cell{
			APN: []string{"internet"}, ID: new(int64(69696969)), MNC: new(int64(10)), MCC: new(int64(232)),
			SINR: new(int64(12)), LAC: new(int64(4711)), Coverage: new(int64(0)),
		},
	}
}

// Update implements ets.Device.
func (u *underTest) Update(id uint16) error { return u.agent.client.Update(id) }

// Send implements ets.Device.
func (u *underTest) Send(ctx context.Context, id uint16, paths ...lwm2m.Path) error {
	return u.agent.client.Send(ctx, id, paths...)
}
