package main

import (
	"context"
	"errors"
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
	return b.repeat(n, func() {
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
	c, sensor, err := newClient(p.uri, 1)
	b.must(err, "make a client")
	set = func(f float64) {
		b.must(sensor.Publish(0, 5700, objects.Reading{Value: lwm2m.Float(f), Time: time.Now()}), "publish")
	}
	set(0)
	b.background(func(ctx context.Context) { _ = c.Run(ctx) }, func() {})
	return set
}

// newClient makes the client of package client and a tree with a number of sensors.
func newClient(uri string, sensors uint16) (*client.Client, *objects.SmartObject, error) {
	tree := model.NewTree(registry.Definitions(), time.Now)
	account := objects.Account{URI: uri, Mode: objects.ModeNoSec, ShortServerID: 101, Lifetime: 24 * time.Hour, Binding: "U"}
	security, err1 := objects.NewSecurity(tree, nil)
	server, err2 := objects.NewServer(tree, "U", objects.ServerHooks{})
	sensor, err3 := objects.NewSmartObject(tree, 3303, objects.SmartHooks{})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, nil, err
	}
	if err := errors.Join(security.Seed(account), server.Seed(account)); err != nil {
		return nil, nil, err
	}
	for iid := range sensors {
		if err := sensor.Add(objects.SmartInstance{ID: iid, Name: "bench", Unit: "Cel"}); err != nil {
			return nil, nil, err
		}
	}
	return client.New(client.Config{Endpoint: "bench", Tree: tree}), sensor, nil
}
