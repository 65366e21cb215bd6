package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/objects"
	"lwm2m-agent/test/process"
)

const (
	loadSensors = 10_000
	loadTime    = 30 * time.Second
	records     = 1000
	creations   = 1000
)

// load observes many resources that change once a second and are told every ten.
func (b *bench) load() {
	var cpu, resident, told float64
	b.during(func() {
		p := b.plainPeer()
		agent := b.startChanging(p)
		conn := p.await().conn
		m := &coap.Message{Code: coap.PUT}
		m.SetPath("/3303")
		m.AddQuery("pmin=10")
		b.do(conn, m)
		var count atomic.Int64
		for i := range b.times(loadSensors) {
			o, _, err := conn.Observe(b.ctx, get(fmt.Sprintf("/3303/%d/5700", i)))
			b.must(err, "observe")
			if o == nil {
				b.Fatalf("observation %d was declined", i)
			}
			b.background(func(ctx context.Context) {
				for {
					if _, err := o.Next(ctx); err != nil {
						return
					}
					count.Add(1)
				}
			}, func() {})
		}
		b.pause(15 * time.Second) // the first notifications come in a crowd
		before, from := b.processorTime(agent.PID()), count.Load()
		b.pause(loadTime)
		cpu = (b.processorTime(agent.PID()) - before).Seconds() / loadTime.Seconds()
		told = float64(count.Load()-from) / loadTime.Seconds()
		resident = b.rss(agent.PID())
	})
	b.add(row{
		"10,000 resources that change once a second, each observed with pmin 10 (client and object tree)",
		fmt.Sprintf("%.0f %% of a core, %s, %.0f notifications/s", 100*cpu, mega(resident), told),
		"30 % of a core, 60 MB", "–", cpu <= 0.3 && resident <= 60e6 && told >= 0.8*loadSensors/11,
	})
}

// startChanging starts this program as a client whose values change.
func (b *bench) startChanging(p *peer) *process.Process {
	self, err := os.Executable()
	b.must(err, "find this program")
	cmd := exec.CommandContext(b.ctx, self, "-changing", p.uri)
	cmd.Env = append(os.Environ(), "GOGC=30") // as the agent has it
	return process.Start(b, cmd, filepath.Join(b.temp, "changing.log"))
}

// serveChanging registers the client of package client at a server with many sensors
// whose values all change once a second.
func serveChanging(ctx context.Context, uri string) error {
	c, sensor, err := newClient(uri, loadSensors)
	if err != nil {
		return err
	}
	var ended error
	var running sync.WaitGroup
	running.Go(func() { ended = c.Run(ctx) })
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for value := 20.0; ctx.Err() == nil; value += 0.125 {
		for iid := range uint16(loadSensors) {
			if err := sensor.Publish(iid, 5700, objects.Reading{Value: lwm2m.Float(value), Time: time.Now()}); err != nil {
				return err
			}
		}
		select {
		case <-every.C:
		case <-ctx.Done():
		}
	}
	running.Wait()
	return ended
}

// processorTime is what a process has used.
func (b *bench) processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	b.must(err, "read the process's time")
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime, in 1/100 s
		n, err := strconv.ParseInt(f, 10, 64)
		b.must(err, "read the process's time")
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// encoding times the payload of an object of many instances.
func (b *bench) encoding() {
	nodes := make([]lwm2m.Node, records)
	for i := range nodes {
		nodes[i] = lwm2m.Node{Path: lwm2m.NewPath(3303, uint16(i), 5700), Value: lwm2m.Float(20 + float64(i)/8)}
	}
	for _, f := range []lwm2m.Format{lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR} {
		var size int
		report := b
		r := testing.Benchmark(func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				payload, err := wire.Append(nil, f, lwm2m.NewPath(3303), nodes)
				report.must(err, "encode")
				size = len(payload)
			}
		})
		each := time.Duration(r.NsPerOp())
		b.add(row{
			fmt.Sprintf("encoding %d records in %s", records, f),
			fmt.Sprintf("%s, %d allocations, %s bytes", micro(each), r.AllocsPerOp(), thousands(float64(size))),
			"150 µs, a handful of allocations", "–", each <= 150*time.Microsecond && r.AllocsPerOp() <= 8,
		})
	}
}

// creating has a server create instances one after the other, and counts the Updates
// that tell of them.
func (b *bench) creating() {
	var took time.Duration
	var updates int64
	b.during(func() {
		p := b.plainPeer()
		b.startAgent(p, 1)
		conn := p.await().conn
		before := p.updates.Load()
		begin := time.Now()
		for range b.times(creations) {
			m := &coap.Message{Code: coap.POST}
			m.SetPath("/3442")
			b.do(conn, m)
		}
		took = time.Since(begin)
		b.pause(15 * time.Second) // a series is told at the latest 10 s after its beginning
		updates = p.updates.Load() - before
	})
	b.add(row{
		fmt.Sprintf("creating %d instances", creations), fmt.Sprintf("%s, %d Updates", micro(took), updates), "0.3 s, 3 Updates", "–",
		took <= 300*time.Millisecond && updates >= 1 && updates <= 3,
	})
}
