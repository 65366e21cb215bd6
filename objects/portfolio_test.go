package objects

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

var gatewayHost = HostIdentities{DeviceID: "0017", Manufacturer: "Example", Model: "GW-2", Software: "1.0"}

func (f *fixture) portfolio(id HostIdentities, save Save) *Portfolio {
	f.Helper()
	p, err := NewPortfolio(f.tree, id, save)
	f.check(err)
	return p
}

// create makes an instance of object 16 with identities.
func (f *fixture) createPortfolio(texts ...string) (uint16, error) {
	nodes := make([]lwm2m.Node, 0, len(texts))
	for riid, text := range texts {
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.NewPath(16, 0, 0, uint16(riid)), Value: lwm2m.String(text)})
	}
	return f.tree.Create(f.Context(), model.FromServer(1), lwm2m.NewPath(16), nodes)
}

// restored returns another agent's tree of what the recorder kept last.
func (r *recorder) restored(t *testing.T, id HostIdentities) *fixture {
	t.Helper()
	f := newFixture(t)
	p := f.portfolio(id, nil)
	if len(r.saved) > 0 {
		f.check(p.Restore(r.saved[len(r.saved)-1]))
	}
	return f
}

func TestPortfolioShowsTheHost(t *testing.T) {
	f := newFixture(t)
	f.portfolio(gatewayHost, nil)
	f.has(map[string]string{"/16/0/0/0": "0017", "/16/0/0/1": "Example", "/16/0/0/2": "GW-2", "/16/0/0/3": "1.0"})
	f.refused(f.execute("/16/0/1", ""), lwm2m.NotFound, "no resource") // GetAuthData
}

func TestPortfolioOutlivesTheProcess(t *testing.T) {
	f, kept := newFixture(t), &recorder{}
	f.portfolio(gatewayHost, kept.save)
	iid, err := f.createPortfolio("a", "b")
	f.check(err)
	if iid != 1 {
		t.Errorf("the new instance is %d", iid)
	}
	f.check(f.write("/16/0/0/2", lwm2m.String("renamed")))
	f.check(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/16/0/0/1")))
	updated := gatewayHost
	updated.Software = "2.0"
	g := kept.restored(t, updated)
	g.has(map[string]string{
		"/16/0/0/0": "0017", "/16/0/0/1": "", "/16/0/0/2": "renamed", "/16/0/0/3": "2.0", // what nobody wrote follows the host
		"/16/1/0/0": "a", "/16/1/0/1": "b",
	})

	f.check(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/16/1")))
	kept.restored(t, updated).has(map[string]string{"/16/0/0/2": "renamed", "/16/1/0/0": ""})
	f.check(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/16/0")))
	if g := kept.restored(t, updated); len(g.tree.Instances(16)) != 0 {
		t.Errorf("after the last one was deleted there are %v", g.tree.Instances(16))
	}
	_, err = f.createPortfolio("anew")
	f.check(err)
	kept.restored(t, updated).has(map[string]string{"/16/0/0/0": "anew"})
}

// TestPortfolioShowsTheModule has the module change, and servers change what it says: that stays, also over a restart.
func TestPortfolioShowsTheModule(t *testing.T) {
	f, kept := newFixture(t), &recorder{}
	p := f.portfolio(gatewayHost, kept.save)
	module := ModuleIdentities{IMEI: "866", Manufacturer: "Quectel", Model: "BG95-M3", Firmware: "A04"}
	f.check(p.SetModule(module))
	f.has(map[string]string{"/16/0/0/3": "1.0", "/16/0/0/4": "866", "/16/0/0/5": "Quectel", "/16/0/0/6": "BG95-M3", "/16/0/0/7": "A04"})
	f.check(f.write("/16/0/0/6", lwm2m.String("renamed")))
	f.check(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/16/0/0/5")))
	module.Model, module.Firmware = "BG96", "A05"
	f.check(p.SetModule(module))
	want := map[string]string{"/16/0/0/4": "866", "/16/0/0/5": "", "/16/0/0/6": "renamed", "/16/0/0/7": "A05"}
	f.has(want)

	for _, withModem := range []bool{true, false} {
		g, again := newFixture(t), &recorder{}
		p := g.portfolio(gatewayHost, again.save)
		g.check(p.Restore(kept.saved[len(kept.saved)-1]))
		g.has(map[string]string{"/16/0/0/0": "0017", "/16/0/0/4": "", "/16/0/0/5": "", "/16/0/0/6": "renamed", "/16/0/0/7": ""})
		if withModem {
			g.check(p.SetModule(module))
			g.has(want)
		}
		_, err := g.createPortfolio("x")
		g.check(err) // what was kept is kept again
		kept = again
	}
	g := newFixture(t)
	p = g.portfolio(gatewayHost, nil)
	g.check(p.Restore(kept.saved[len(kept.saved)-1]))
	g.check(p.SetModule(module))
	g.has(want)

	g.check(g.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/16/0")))
	module.Firmware = "A06"
	g.check(p.SetModule(module))
	if n := g.tree.Instances(16); slices.Contains(n, 0) {
		t.Errorf("what a server has deleted is back: %v", n)
	}
}

// TestPortfolioThatCannotBeKept changes nothing.
func TestPortfolioThatCannotBeKept(t *testing.T) {
	f, kept := newFixture(t), &recorder{err: errors.New("disk full")}
	f.portfolio(gatewayHost, kept.save)
	f.refused(f.write("/16/0/0/0", lwm2m.String("x")), lwm2m.InternalServerError, "disk full")
	f.has(map[string]string{"/16/0/0/0": "0017"})
}

func TestPortfolioIsBounded(t *testing.T) {
	f := newFixture(t)
	f.portfolio(gatewayHost, nil)
	for range maxPortfolios - 1 {
		_, err := f.createPortfolio("x")
		f.check(err)
	}
	_, err := f.createPortfolio("x")
	f.refused(err, lwm2m.RequestEntityTooLarge, "32 instances")
	f.refused(f.write("/16/0/0/0", lwm2m.String(strings.Repeat("x", maxIdentitiesBytes))), lwm2m.RequestEntityTooLarge, "16384 bytes")
	f.check(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/16/7")))
	_, err = f.createPortfolio(strings.Split(fmt.Sprintf("%0*d", maxIdentities+1, 0), "")...)
	f.refused(err, lwm2m.RequestEntityTooLarge, "256 identities")
	_, err = f.createPortfolio()
	f.refused(err, lwm2m.BadRequest, "mandatory")
}
