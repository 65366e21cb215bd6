package objects

import (
	"math"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// objectGatewayTraffic is Gateway Traffic (registry/xml/26242.xml).
const objectGatewayTraffic = 26242

// Octets are what went both ways, in bytes on the wire.
type Octets struct{ Sent, Received uint64 }

// AddGatewayTraffic adds object 26242 with its instance to the tree. flow tells the traffic for
// one of the purposes, which are numbered from 0 in the order of their resources: what of it
// is not older than a day, and all of it. It is asked at each read, must neither block nor
// call the tree, and raises no events.
func AddGatewayTraffic(tree *model.Tree, purposes int, flow func(purpose int) (day, run Octets)) error {
	pub, err := tree.AddRegistered(objectGatewayTraffic, model.Plain{})
	if err != nil {
		return err
	}
	numbers := [...]func(day, run Octets) uint64{
		func(day, _ Octets) uint64 { return day.Sent },
		func(day, _ Octets) uint64 { return day.Received },
		func(_, run Octets) uint64 { return run.Sent },
		func(_, run Octets) uint64 { return run.Received },
	}
	var b model.Batch
	b.Create(0)
	for purpose := range purposes {
		for k, number := range numbers {
			b.Compute(0, uint16(10*purpose+k), func() lwm2m.Value {
				n := number(flow(purpose))
				return lwm2m.Integer(int64(min(n, math.MaxInt64)))
			})
		}
	}
	return pub.Publish(&b)
}
