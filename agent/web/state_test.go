package web

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

func TestState(t *testing.T) {
	s, feed := serve(t, &board{observed: []lwm2m.Path{lwm2m.MustPath("/3306/7"), lwm2m.MustPath("/3306/0")}})
	feed.Values([]lwm2m.Node{{Path: lwm2m.MustPath("/3306/0/5851"), Value: lwm2m.Integer(7)}})
	do(t, s, http.MethodPost, "/api/observe", `{"path":"/3306/0/5850"}`, nil)
	_, body := do(t, s, http.MethodGet, "/api/state", "", nil)
	var got stateOf
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Registration.Endpoint != "gw" || got.Direct {
		t.Errorf("state is %+v", got)
	}
	if len(got.Objects) != 2 || got.Objects[0].Name != "Actuation" || got.Objects[1].Name != "Object 9999" {
		t.Fatalf("objects are %+v", got.Objects)
	}
	if d := cmp.Diff([]uint16{0, 7}, got.Objects[0].Instances); d != "" {
		t.Error(d)
	}
	want := resource{ID: 5851, Name: "Dimmer", Ops: "RW", Type: "Integer", Unit: "/100", Range: "0..100"}
	if d := cmp.Diff(want, got.Objects[0].Resources[2]); d != "" {
		t.Error(d)
	}
	if len(got.Observed) != 3 || got.Observed[0] != lwm2m.MustPath("/3306/0") {
		t.Errorf("observed: %v", got.Observed)
	}
	if h, first := got.History["/3306/0/5851"], got.History["/3306/0/5850"]; len(h) != 1 || h[0][1] != 7 || len(first) != 1 || first[0][1] != 1 {
		t.Errorf("history: %v", got.History)
	}
}

// A state without anything is still made of lists.
func TestStateOfNothing(t *testing.T) {
	s, _ := serve(t, &board{nothing: true})
	_, body := do(t, s, http.MethodGet, "/api/state", "", nil)
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if string(got["objects"]) != "[]" || string(got["observed"]) != "[]" || string(got["history"]) != "{}" || string(got["troubles"]) != "[]" {
		t.Errorf("state is %s", body)
	}
}

func TestValueOf(t *testing.T) {
	for _, c := range []struct {
		value lwm2m.Value
		want  string
	}{
		{lwm2m.Integer(-7), `-7`},
		{lwm2m.Integer(1 << 53), `9007199254740992`},
		{lwm2m.Integer(1<<53 + 2), `"9007199254740994"`},
		{lwm2m.Integer(math.MinInt64), `"-9223372036854775808"`},
		{lwm2m.Unsigned(3), `3`},
		{lwm2m.Unsigned(math.MaxUint64), `"18446744073709551615"`},
		{lwm2m.Float(21.5), `21.5`},
		{lwm2m.Float(math.NaN()), `"NaN"`},
		{lwm2m.Float(math.Inf(-1)), `"-Inf"`},
		{lwm2m.Boolean(true), `true`},
		{lwm2m.UnixTime(0), `"1970-01-01T00:00:00Z"`},
		{lwm2m.Opaque([]byte{1, 2}), `"AQI="`},
		{lwm2m.Objlnk(3, 0), `"3:0"`},
		{lwm2m.String("<b>"), `"\u003cb\u003e"`},
		{lwm2m.Corelnk("</3>"), `"\u003c/3\u003e"`},
	} {
		got, err := json.Marshal(ValueOf(lwm2m.Node{Value: c.value}).Value)
		if err != nil || string(got) != c.want {
			t.Errorf("%v is shown as %s, %v; want %s", c.value, got, err, c.want)
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600))
	if got := ValueOf(lwm2m.Node{Value: lwm2m.Integer(1), Time: at}).Time; got != "2026-01-02T02:04:05.006Z" {
		t.Errorf("time is %s", got)
	}
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h history
		path := lwm2m.MustPath("/3303/0/5700")
		for i := range mostMoments + 10 {
			h.add([]lwm2m.Node{{Path: path, Value: lwm2m.Float(float64(i))}, {Path: lwm2m.MustPath("/3/0/0"), Value: lwm2m.String("no number")}}, time.Now())
			<-time.After(time.Second)
		}
		got := h.tell(time.Now())
		if len(got) != 1 || len(got[path.String()]) != mostMoments {
			t.Fatalf("%d courses, %d moments", len(got), len(got[path.String()]))
		}
		moments := got[path.String()]
		if first, last := moments[0], moments[mostMoments-1]; first != (moment{1000 * mostMoments, 10}) || last != (moment{1000, mostMoments + 9}) {
			t.Errorf("from %v to %v", first, last)
		}
		// The path that has been silent for longest makes room.
		for i := range mostCourses {
			h.add([]lwm2m.Node{{Path: lwm2m.NewPath(3303, uint16(i+1), 5700), Value: lwm2m.Integer(1)}}, time.Now())
			<-time.After(time.Second)
		}
		got = h.tell(time.Now())
		if _, kept := got[path.String()]; kept || len(got) != mostCourses {
			t.Errorf("%d courses, the oldest among them: %v", len(got), kept)
		}
	})
}

func TestNumber(t *testing.T) {
	for value, want := range map[lwm2m.Value]string{
		lwm2m.Boolean(true): "1 true", lwm2m.Boolean(false): "0 true", lwm2m.Integer(5): "5 true", lwm2m.Unsigned(6): "6 true", lwm2m.Float(0.5): "0.5 true",
		lwm2m.UnixTime(5): "0 false", lwm2m.String("5"): "0 false", lwm2m.Float(math.Inf(1)): "+Inf false",
	} {
		f, ok := number(value)
		if got := fmt.Sprint(f, " ", ok); got != want {
			t.Errorf("%v is %s, want %s", value, got, want)
		}
	}
}
