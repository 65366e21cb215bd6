package ets

import "lwm2m-agent/lwm2m"

// discoveryProcedures are those of the 200s that discover and attach attributes.
func discoveryProcedures() []Procedure {
	v10, v12 := lwm2m.Version10, lwm2m.Version12
	return []Procedure{
		{ID: 260, Title: "Discover Command", Since: v10, Condition: "C.4", run: discover},
		{ID: 261, Title: "Write-Attribute Operation on a multiple resource", Since: v10, Condition: "C.3", run: attachToMultiple},
		{ID: 264, Title: "Discover Command with depth 1", Since: v12, Condition: "C.4", run: discoverDepth1},
		{ID: 266, Title: "Discover Command with depth 3", Since: v12, Condition: "C.4", run: discoverDepth3},
	}
}

func discover(t *trial) {
	s := t.registered(conditions{})
	// 1. The server discovers the Device object. A. It gets 2.05 with the links.
	all := []string{"/3", "/3/0", "/3/0/1", "/3/0/2", "/3/0/3", "/3/0/4", "/3/0/6", "/3/0/7", "/3/0/8", "/3/0/9", "/3/0/11", "/3/0/16"}
	s.discover("/3").has(all...)
	// 2. It attaches pmin and pmax to the instance. B. It gets 2.04.
	s.attach("/3/0", "pmin=10", "pmax=200")
	// 3. It discovers again. C. The attributes are told, and how many instances multiple resources have.
	periods := []string{"pmin=10", "pmax=200"}
	s.discover("/3").has(all...).tells("/3/0", periods...).
		tells("/3/0/6", "dim=2").tells("/3/0/7", "dim=2").tells("/3/0/8", "dim=2")
	// 4. It attaches lt, gt and st to a resource. D. It gets 2.04.
	s.attach("/3/0/7", "lt=1", "gt=6", "st=1")
	// 5. It discovers again. E. These are told at the resource.
	s.discover("/3").has(all...).tells("/3/0", periods...).
		tells("/3/0/7", "dim=2", "lt=1", "gt=6", "st=1")
	// 6. It discovers the resource. F. From 1.1 on with its instances.
	if t.atLeast(lwm2m.Version11) {
		s.discover("/3/0/7").only("/3/0/7", "/3/0/7/0", "/3/0/7/1")
	}
}

func attachToMultiple(t *trial) {
	s := t.registered(conditions{})
	// 1. The server discovers a multiple resource. A. It gets 2.05 with the number of instances.
	s.discover("/3/0/11").tells("/3/0/11", "dim=1")
	// 2 to 4. It attaches attributes at each level. B to D. It gets 2.04.
	s.attach("/3", "pmin=10", "pmax=200")
	s.attach("/3/0", "pmax=320")
	instances := t.atLeast(lwm2m.Version11) // as a level of their own
	if instances {
		s.attach("/3/0/11/0", "pmax=100", "epmin=1", "epmax=20")
	}
	// 5. It discovers the resource. E. What was attached above holds, unless there is another below.
	got := s.discover("/3/0/11").tells("/3/0/11", "dim=1", "pmin=10", "pmax=320")
	if instances {
		got.only("/3/0/11", "/3/0/11/0").tells("/3/0/11/0", "pmax=100", "epmin=1", "epmax=20")
	}
}

func discoverDepth1(t *trial) {
	// 1. The server discovers the Device object with depth 1. A. It gets 2.05 with object and instance only.
	t.registered(conditions{}).discover("/3", "depth=1").only("/3", "/3/0")
}

func discoverDepth3(t *trial) {
	// 1. The server discovers the Device object with depth 3. A. It gets 2.05 down to resource instances.
	t.registered(conditions{}).discover("/3", "depth=3").
		has("/3", "/3/0", "/3/0/0", "/3/0/6", "/3/0/6/0", "/3/0/6/1", "/3/0/11/0", "/3/0/16").
		tells("/3/0/6", "dim=2")
}
