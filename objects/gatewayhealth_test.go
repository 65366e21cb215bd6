package objects

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

// healthOf is object 26244 with who watches it.
type healthOf struct {
	*testing.T
	tree   *model.Tree
	object *GatewayHealth
	sub    *model.Subscription
}

func newHealth(t *testing.T, troubles ...Trouble) *healthOf {
	t.Helper()
	tree := model.NewTree(registry.Definitions(), time.Now)
	object, err := NewGatewayHealth(tree, troubles)
	if err != nil {
		t.Fatal(err)
	}
	h := &healthOf{t, tree, object, tree.Subscribe()}
	h.sub.Watch(lwm2m.MustPath("/26244/0"))
	t.Cleanup(h.sub.Close)
	return h
}

// publish shows troubles and returns what of them can be told by a notification, in order.
func (h *healthOf) publish(troubles ...Trouble) []string {
	h.Helper()
	if err := h.object.Publish(troubles); err != nil {
		h.Fatal(err)
	}
	taken := h.sub.Take(nil)
	if taken.Structure {
		h.Error("it costs an Update")
	}
	out := make([]string, 0, len(taken.Changes))
	for _, c := range taken.Changes {
		kind := map[model.ChangeKind]string{model.Valued: "valued", model.Created: "created", model.Deleted: "deleted"}[c.Kind]
		out = append(out, fmt.Sprint(kind, " ", c.Path))
	}
	slices.Sort(out)
	return out
}

// shows holds what a server reads of a resource.
func (h *healthOf) shows(rid int, want string) {
	h.Helper()
	nodes, err := h.tree.Read(model.FromServer(101), lwm2m.MustPath(fmt.Sprint("/26244/0/", rid)), nil)
	if got := strings.Join(valuesOf(nodes), " "); err != nil || got != want {
		h.Errorf("%s, %v, want %s", got, err, want)
	}
}

func sensorFails(sensor, detail string) Trouble {
	return Trouble{Code: "sensor-failing", Subject: sensor, Detail: detail, Remedy: "check it", Severity: "error", Since: start}
}

// TestGatewayHealth: a trouble has one number for as long as it lasts; what has not changed is not told.
func TestGatewayHealth(t *testing.T) {
	h := newHealth(t, sensorFails("a", "no answer"))
	h.shows(ridTroubleCode, "/26244/0/1/0=sensor-failing")
	missing := Trouble{Code: "server-missing", Severity: "warning", Remedy: "add one", Since: start.Add(time.Minute)}
	h.publish(sensorFails("a", "no answer"), sensorFails("b", "garbage"), missing)
	for rid, want := range []string{
		"/26244/0/0=3",
		"/26244/0/1/0=sensor-failing /26244/0/1/1=sensor-failing /26244/0/1/2=server-missing",
		"/26244/0/2/0=a /26244/0/2/1=b /26244/0/2/2=",
		"/26244/0/3/0=no answer /26244/0/3/1=garbage /26244/0/3/2=",
		"/26244/0/4/0=check it /26244/0/4/1=check it /26244/0/4/2=add one",
		fmt.Sprintf("/26244/0/5/0=%s /26244/0/5/1=%s /26244/0/5/2=%s", lwm2m.Time(start), lwm2m.Time(start), lwm2m.Time(start.Add(time.Minute))),
		"/26244/0/6/0=error /26244/0/6/1=error /26244/0/6/2=warning",
	} {
		h.shows(rid, want)
	}
	if told := h.publish(sensorFails("b", "garbage"), sensorFails("a", "no answer"), missing); len(told) != 0 {
		t.Errorf("nothing is new and told: %s", told)
	}
	if told := fmt.Sprint(h.publish(sensorFails("a", "no answer"), sensorFails("b", "short circuit"), missing)); told != "[valued /26244/0/3/1]" {
		t.Errorf("of another detail is told: %s", told)
	}
	h.publish(sensorFails("b", "short circuit"), missing)
	h.shows(ridTroubleSubject, "/26244/0/2/1=b /26244/0/2/2=")
	h.publish(sensorFails("c", ""), sensorFails("b", "short circuit"), missing)
	h.shows(ridTroubleSubject, "/26244/0/2/0=c /26244/0/2/1=b /26244/0/2/2=")
	if told := h.publish(sensorFails("d", ""), sensorFails("b", "short circuit"), missing); !slices.Contains(told, "valued /26244/0/1/3") || !slices.Contains(told, "deleted /26244/0/1/0") {
		t.Errorf("of a trouble that follows another of its kind is told: %s", told)
	}
	h.publish()
	h.shows(ridTroubles, "/26244/0/0=0")
	h.shows(ridTroubleCode, "/26244/0/1=")
}

// TestGatewayHealthBounds: the gravest are shown, which stand first, and all are counted; texts are short.
func TestGatewayHealthBounds(t *testing.T) {
	h := newHealth(t)
	all := make([]Trouble, 3*maxShownTroubles)
	for i := range all {
		all[i] = sensorFails(fmt.Sprint(i), "x"+strings.Repeat("é", maxTroubleText))
	}
	h.publish(all...)
	for _, others := range [][]Trouble{all[1:], all[maxShownTroubles:], all[:2*maxShownTroubles], all} {
		h.publish(others...)
		nodes, err := h.tree.Read(model.FromServer(101), lwm2m.MustPath("/26244/0/3"), nil)
		if err != nil || len(nodes) != maxShownTroubles || nodes[len(nodes)-1].Path.ResourceInstance() >= 2*maxShownTroubles {
			t.Errorf("%d are shown, the last one is %v, %v", len(nodes), nodes[len(nodes)-1].Path, err)
		}
		if n := len(nodes[0].Value.Text()); n != maxTroubleText-1 {
			t.Errorf("a text of %d bytes", n)
		}
		h.shows(ridTroubles, fmt.Sprintf("/26244/0/0=%d", len(others)))
		subjects, err := h.tree.Read(model.FromServer(101), lwm2m.MustPath("/26244/0/2"), nil)
		for _, o := range others[:maxShownTroubles] {
			if !slices.ContainsFunc(subjects, func(n lwm2m.Node) bool { return n.Value == lwm2m.String(o.Subject) }) {
				t.Errorf("%s is not shown, %v", o.Subject, err)
			}
		}
	}
}

// TestGatewayHealthReadOnly: all may read it, nobody may write it.
func TestGatewayHealthReadOnly(t *testing.T) {
	h := newHealth(t, sensorFails("a", ""))
	for _, path := range []string{"/26244/0/0", "/26244/0/1/0"} {
		at := lwm2m.MustPath(path)
		v := lwm2m.String("")
		if path == "/26244/0/0" {
			v = lwm2m.Integer(0)
		}
		if err := h.tree.Write(t.Context(), model.FromServer(101), model.Replace, at, []lwm2m.Node{{Path: at, Value: v}}); lwm2m.CodeOf(err) != lwm2m.MethodNotAllowed {
			t.Errorf("%s: %v", path, err)
		}
	}
}
