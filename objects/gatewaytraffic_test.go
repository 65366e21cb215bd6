package objects

import (
	"math"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

func TestGatewayTraffic(t *testing.T) {
	tree := model.NewTree(registry.Definitions(), time.Now)
	err := AddGatewayTraffic(tree, 8, func(purpose int) (day, run Octets) {
		n := uint64(purpose)
		return Octets{Sent: 100 + n, Received: 200 + n}, Octets{Sent: 300 + n, Received: math.MaxUint64 - n}
	})
	if err != nil {
		t.Fatal(err)
	}
	server := model.FromServer(1)
	for path, want := range map[string]int64{"/26242/0/0": 100, "/26242/0/21": 202, "/26242/0/72": 307, "/26242/0/73": math.MaxInt64} {
		nodes, err := tree.Read(server, lwm2m.MustPath(path), nil)
		if err != nil || len(nodes) != 1 || nodes[0].Value != lwm2m.Integer(want) {
			t.Errorf("%s: %v, %v, want %d", path, nodes, err, want)
		}
	}
	if all, err := tree.Read(server, lwm2m.MustPath("/26242"), nil); err != nil || len(all) != len(tree.Definition(26242).Resources) {
		t.Errorf("%d resources are served, %v", len(all), err)
	}
	at := lwm2m.MustPath("/26242/0/0")
	if err := tree.Write(t.Context(), server, model.Replace, at, []lwm2m.Node{{Path: at, Value: lwm2m.Integer(0)}}); lwm2m.CodeOf(err) != lwm2m.MethodNotAllowed {
		t.Error("written:", err)
	}
}
