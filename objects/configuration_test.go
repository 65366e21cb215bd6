package objects

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// configurator records what object 26241 asks for.
type configurator struct {
	calls  []string
	refuse error
}

func (c *configurator) call(format string, args ...any) error {
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
	return c.refuse
}

func (c *configurator) SetCandidate(_ context.Context, o model.Origin, text string) error {
	return c.call("candidate %s of %d", text, o.Server)
}

func (c *configurator) Validate(_ context.Context, o model.Origin) error {
	return c.call("validate of %d", o.Server)
}

func (c *configurator) Commit(_ context.Context, o model.Origin) error {
	return c.call("commit of %d", o.Server)
}

func (c *configurator) Confirm(_ context.Context, o model.Origin) error {
	return c.call("confirm of %d", o.Server)
}

func (c *configurator) RollBack(_ context.Context, o model.Origin) error {
	return c.call("roll back of %d", o.Server)
}

func (c *configurator) SetConfirmTime(_ context.Context, o model.Origin, s int64) error {
	return c.call("confirm time %d of %d", s, o.Server)
}

func TestConfigurationShowsItsStatus(t *testing.T) {
	f := newFixture(t)
	o, err := NewGatewayConfiguration(f.tree, &configurator{}, ConfigurationStatus{Active: "a", Hash: "h", ConfirmTime: 600})
	f.check(err)
	f.has(map[string]string{"/26241/0/0": "a", "/26241/0/1": "", "/26241/0/6": "0", "/26241/0/7": "", "/26241/0/8": "h", "/26241/0/10": "600"})
	watch := f.tree.Subscribe()
	defer watch.Close()
	watch.Watch(lwm2m.MustPath("/26241/0"))
	f.check(o.Publish(ConfigurationStatus{Active: "b", Hash: "i", State: ConfigurationReverted, Message: "why", History: []string{"x", "y"}, ConfirmTime: 60}))
	f.has(map[string]string{"/26241/0/0": "b", "/26241/0/6": "5", "/26241/0/7": "why", "/26241/0/9/0": "x", "/26241/0/9/1": "y", "/26241/0/10": "60"})
	if p := watch.Take(nil); len(p.Changes) == 0 || p.Changes[len(p.Changes)-1].Path != lwm2m.MustPath("/26241/0/6") {
		t.Errorf("the state is not told last: %v", p.Changes)
	}
	if d := f.tree.Definition(objectConfiguration); d.Name != "Gateway Configuration" {
		t.Errorf("its name is %q", d.Name)
	}
}

func TestConfigurationHandsOn(t *testing.T) {
	f := newFixture(t)
	c := &configurator{}
	_, err := NewGatewayConfiguration(f.tree, c, ConfigurationStatus{})
	f.check(err)
	f.check(f.put(model.FromServer(7), map[string]lwm2m.Value{"/26241/0/1": lwm2m.String("key"), "/26241/0/10": lwm2m.Integer(60)}))
	for _, rid := range []uint16{2, 3, 4, 5} {
		f.check(f.tree.Execute(t.Context(), model.FromServer(7), lwm2m.NewPath(objectConfiguration, 0, rid), nil))
	}
	const want = "candidate key of 7, confirm time 60 of 7, validate of 7, commit of 7, confirm of 7, roll back of 7"
	if got := strings.Join(c.calls, ", "); got != want {
		t.Errorf("asked for %s", got)
	}
	f.has(map[string]string{"/26241/0/1": "", "/26241/0/10": "0"}) // a candidate is not kept in the tree
	c.refuse = lwm2m.Errorf(lwm2m.Unauthorized, "not you")
	f.refused(f.put(model.FromServer(8), map[string]lwm2m.Value{"/26241/0/1": lwm2m.String("x")}), lwm2m.Unauthorized, "not you")
	f.refused(f.tree.Execute(t.Context(), model.FromServer(8), lwm2m.MustPath("/26241/0/3"), nil), lwm2m.Unauthorized, "not you")
	f.refused(f.put(model.FromServer(7), map[string]lwm2m.Value{"/26241/0/10": lwm2m.Integer(9)}), lwm2m.BadRequest, "")
	f.refused(f.put(model.FromServer(7), map[string]lwm2m.Value{"/26241/0/0": lwm2m.String("x")}), lwm2m.MethodNotAllowed, "")
}
