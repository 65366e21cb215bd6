package omajson_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/omajson"
)

func TestExamples(t *testing.T) {
	t.Parallel()
	for _, test := range examples {
		base := lwm2m.MustPath(test.base)
		got, err := omajson.Append([]byte("x"), base, test.nodes)
		if diff := cmp.Diff("x"+test.json, string(got)); err != nil || diff != "" {
			t.Errorf("%s: written: %v\n%s", test.name, err, diff)
		}
		nodes, err := omajson.Decode([]byte(test.json), base, wiretest.Shapes)
		if diff := wiretest.Diff(test.nodes, nodes); err != nil || diff != "" {
			t.Errorf("%s: read: %v\n%s", test.name, err, diff)
		}
	}
}

// What has no value is left out; the base name is what the others need.
func TestAppendLeavesOutWhatIsEmpty(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		base, want string
		nodes      []lwm2m.Node
	}{
		{"/3442", `{"bn":"/3442/","e":[{"n":"2/110","sv":"a"}]}`, wiretest.Nodes("/3442/0", nil, "/3442/1/1110", nil, "/3442/2/110", lwm2m.String("a"), "/3442/3", nil)},
		{"/3442", `{"bn":"/3442","e":[]}`, wiretest.Nodes("/3442/0", nil, "/3442/1/1110", nil)},
		{"/3/0/9", `{"bn":"/3/0/9","e":[{"v":1}]}`, wiretest.Nodes("/3/0/9", lwm2m.Integer(1), "/3/0/9/0", nil)},
	} {
		got, err := omajson.Append(nil, lwm2m.MustPath(test.base), test.nodes)
		if err != nil || string(got) != test.want {
			t.Errorf("%s, %v, want %s", got, err, test.want)
		}
	}
}

// Times that the format cannot tell are left out, and what is written can be read.
func TestAppendTimes(t *testing.T) {
	t.Parallel()
	p := lwm2m.MustPath("/3303/0/5700")
	for _, test := range []struct {
		time time.Time
		want string
	}{
		{time.Time{}, ``},
		{time.Unix(-1e9, 0), ``},
		{time.Unix(0, 0), ``},
		{time.Unix(1<<28-1, 999_999_999), ``},
		{time.Unix(1<<28, 0), `"bt":268435456,`},
		{time.Unix(1<<28, 999_999), `"bt":268435456,`},
		{time.Unix(1<<28, 1_999_999), `"bt":268435456.001,`},
		{time.Unix(1<<28, 120_000_000), `"bt":268435456.12,`},
		{time.Unix(1<<28, 300_000_000).In(time.FixedZone("", 3600)), `"bt":268435456.3,`},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), `"bt":253402300799,`},
		{time.Date(9999, 12, 31, 23, 59, 59, 1e6, time.UTC), ``},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), ``},
		{time.Unix(math.MaxInt64, 0), ``},
	} {
		got, err := omajson.Append(nil, p, []lwm2m.Node{{Path: p, Value: lwm2m.Integer(1), Time: test.time}})
		if want := `{"bn":"/3303/0/5700",` + test.want + `"e":[{"v":1}]}`; err != nil || string(got) != want {
			t.Errorf("%v: %s, %v", test.time, got, err)
		}
		nodes, err := omajson.Decode(got, p, nil)
		if err != nil || len(nodes) != 1 || nodes[0].Time.IsZero() != (test.want == "") {
			t.Errorf("%s: %v, %v", got, nodes, err)
		} else if test.want != "" && !nodes[0].Time.Equal(test.time.Truncate(time.Millisecond)) {
			t.Errorf("%s: %v, want %v", got, nodes[0].Time, test.time)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	one := lwm2m.Integer(1)
	for _, test := range []struct {
		name, base string
		nodes      []lwm2m.Node
	}{
		{"another object", "/3", wiretest.Nodes("/4/0/0", one)},
		{"another instance after one inside", "/3/0", wiretest.Nodes("/3/0/9", one, "/3/1/9", one)},
		{"a path above, even without a value", "/3/0/9", wiretest.Nodes("/3/0", nil)},
		{"an identifier that only begins the same", "/3/0/1", wiretest.Nodes("/3/0/10", one)},
		{"a gateway's device", "/3", wiretest.Nodes("/dev1/3/0/9", one)},
		{"another device of the gateway", "/dev1", wiretest.Nodes("/dev2/3/0/9", one)},
		{"the own device", "/dev1/3/0", wiretest.Nodes("/3/0/9", one)},
		{"a value of everything", "/", wiretest.Nodes("/", one)},
		{"a value of a gateway's device", "/", wiretest.Nodes("/dev1", one)},
		{"a value of an object", "/3", wiretest.Nodes("/3", one)},
		{"a value of an instance", "/3", wiretest.Nodes("/3/0", one)},
		{"a value and more below it", "/3/0/6", wiretest.Nodes("/3/0/6", one, "/3/0/6/0", one)},
		{"no number", "/3", wiretest.Nodes("/3/0/9", one, "/3/0/10", lwm2m.Float(math.NaN()))},
		{"infinity", "/3", wiretest.Nodes("/3/0/9", one, "/3/0/10", lwm2m.Float(math.Inf(-1)))},
	} {
		got, err := omajson.Append([]byte("x"), lwm2m.MustPath(test.base), test.nodes)
		if err == nil || lwm2m.CodeOf(err) != lwm2m.InternalServerError || string(got) != "x" {
			t.Errorf("%s: %s, %v", test.name, got, err)
		}
	}
}

// Whatever a Read at any level answers comes back, but for what has no value.
func TestRandomNodes(t *testing.T) {
	t.Parallel()
	wiretest.Trees(5, func(base lwm2m.Path, nodes []lwm2m.Node) {
		comesBack(t, base, nodes)
		comesBack(t, lwm2m.Path{}, nodes)
		comesBack(t, lwm2m.Path{}.WithPrefix(base.Prefix()), nodes)
		wiretest.Resources(nodes, func(p lwm2m.Path, nodes []lwm2m.Node) { comesBack(t, p, nodes) })
	})
}

// Every value of every type comes back, as a single resource and as a resource
// instance.
func TestValues(t *testing.T) {
	t.Parallel()
	wiretest.Singles(func(p lwm2m.Path, nodes []lwm2m.Node) { comesBack(t, p, nodes) })
}

func comesBack(t *testing.T, base lwm2m.Path, nodes []lwm2m.Node) {
	t.Helper()
	data, err := omajson.Append([]byte("before"), base, nodes)
	if err != nil || !bytes.HasPrefix(data, []byte("before")) {
		t.Fatalf("write %v: %.80q, %v", base, data, err)
	}
	got, err := omajson.Decode(data[len("before"):], base, wiretest.Shapes)
	if diff := wiretest.Diff(wiretest.Valued(nodes), got); err != nil || diff != "" {
		t.Fatalf("%v came back different: %v\n%.2000s", base, err, diff)
	}
}
