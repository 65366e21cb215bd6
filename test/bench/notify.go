package main

import (
	"context"
	"fmt"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

// notifications times one notification for each change of an observed value.
// The client runs in this process, for nothing changes a value of a separate one
// fast enough; Leshan's is told over its standard input.
func (b *bench) notifications() {
	var ours, java timing
	b.during(func() {
		p := b.plainPeer()
		set := b.startClient(p)
		ours = b.changes(p.await().conn, notifyCount, set)
	})
	b.during(func() {
		p := b.plainPeer()
		c := b.startJava(p)
		java = b.changes(p.await().conn, javaNotifyCount, func(f float64) { c.Set(b, 0, f) })
	})
	b.add(row{"notifications, one for each change", ours.String(), "20,000/s", java.String(), ours.rate >= 20_000})
}

// changes observes /3303/0/5700 and times changes until their notification.
func (b *bench) changes(conn *coap.Conn, n int, set func(float64)) timing {
	o, answer, err := conn.Observe(b.ctx, get("/3303/0/5700"))
	b.must(err, "observe")
	if o == nil {
		b.Fatalf("observe: %s %s", answer.Code, answer.Payload)
	}
	value := 0.0
	return repeat(n, func() {
		value++
		set(value)
		within, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		_, err := o.Next(within)
		b.must(err, fmt.Sprintf("notification of %v", value))
	})
}

// startClient runs the client of package client on a tree with one sensor.
func (b *bench) startClient(p *peer) (set func(float64)) {
	tree := model.NewTree(registry.Definitions(), time.Now)
	account := objects.Account{URI: p.uri, Mode: objects.ModeNoSec, ShortServerID: 101, Lifetime: 24 * time.Hour, Binding: "U"}
	security, err := objects.NewSecurity(tree, nil)
	b.must(err, "object 0")
	server, err := objects.NewServer(tree, "U", objects.ServerHooks{})
	b.must(err, "object 1")
	b.must(security.Seed(account), "object 0")
	b.must(server.Seed(account), "object 1")
	sensor, err := objects.NewSmartObject(tree, 3303, objects.SmartHooks{})
	b.must(err, "object 3303")
	b.must(sensor.Add(objects.SmartInstance{Name: "bench", Unit: "Cel"}), "instance 3303/0")
	set = func(f float64) {
		b.must(sensor.Publish(0, 0, objects.Reading{Value: lwm2m.Float(f), Time: time.Now()}), "publish")
	}
	set(0)
	c := client.New(client.Config{Endpoint: "bench", Tree: tree})
	b.background(func(ctx context.Context) { _ = c.Run(ctx) }, func() {})
	return set
}
