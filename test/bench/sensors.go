package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"lwm2m-agent/hw"
)

// How much is sampled.
const (
	fastChannels  = 64
	fastInterval  = "100ms"
	sampleTime    = 20 * time.Second
	manyRegisters = 1000
	polls         = 200
)

// sampling measures what many fast channels cost: simulated ones, each a sensor of its
// own, and registers of one Modbus device, which are asked over TCP.
func (b *bench) sampling() {
	measure := func(what, sensors string) {
		var share, memory float64
		b.during(func() {
			p := b.plainPeer()
			path := b.configure(0, p)
			b.extend(path, sensors)
			agent := b.launch(path)
			p.await()
			b.pause(2 * time.Second)
			before := b.processorTime(agent.PID())
			b.pause(sampleTime)
			share = (b.processorTime(agent.PID()) - before).Seconds() / sampleTime.Seconds()
			memory = b.rss(agent.PID())
		})
		b.add(row{
			fmt.Sprintf("%d %s at 10 Hz", fastChannels, what), fmt.Sprintf("%.1f %% of a core, %s", 100*share, mega(memory)),
			"5 % of a core, 15 MB", "–", share <= 0.05 && memory <= 15e6,
		})
	}
	var simulated, registers strings.Builder
	meter := b.startMeter(fastChannels)
	fmt.Fprintf(&registers, "[[sensor]]\nname = \"meter\"\ndriver = \"modbus\"\nbus = %q\ninterval = %q\n", meter.bus, fastInterval)
	for i := range fastChannels {
		fmt.Fprintf(&simulated, "[[sensor]]\nname = \"fast %d\"\ndriver = \"sim\"\nobject = 3303\nmin = 20\nmax = 30\nperiod = \"10s\"\ninterval = %q\n", i, fastInterval)
		fmt.Fprintf(&registers, "[[sensor.channel]]\nname = \"r%d\"\nregister = %d\n", i, i)
	}
	measure("simulated channels", simulated.String())
	measure("Modbus registers over TCP", registers.String())
}

// manyRegistersPolled counts the requests of one poll, and times it.
func (b *bench) manyRegistersPolled() {
	meter := b.startMeter(manyRegisters)
	cfg := hw.Config{Name: "meter", Driver: "modbus", Bus: meter.bus}
	for i := range manyRegisters {
		cfg.Channels = append(cfg.Channels, hw.ChannelConfig{
			Name: fmt.Sprintf("r%d", i), Register: &hw.Register{Number: uint16(i), Table: "input"},
		})
	}
	t := b.repeat(polls, func() {
		readings, err := hw.Probe(b.ctx, hw.RoleSensor, cfg, hw.Options{})
		b.must(err, "read the registers")
		if len(readings) != manyRegisters || readings[manyRegisters-1].Value != hw.Float(manyRegisters-1) {
			b.Fatalf("%d registers were read, the last as %v", len(readings), readings[len(readings)-1])
		}
	})
	each := float64(meter.requests.Load()) / float64(b.times(polls)+b.times(polls)/10)
	fewest := (manyRegisters + 124) / 125 // Modbus application protocol V1.1b3, section 6.4
	b.add(row{
		fmt.Sprintf("%d Modbus registers in one poll, TCP", manyRegisters), fmt.Sprintf("%.0f requests, p50 %s with the connection made anew", each, micro(t.p50)),
		fmt.Sprintf("%d requests, the fewest that the protocol allows", fewest), "–", each == float64(fewest),
	})
}

// meter is a Modbus device over TCP whose input registers hold their numbers.
type meter struct {
	bus      string
	count    int
	requests atomic.Int64
}

func (b *bench) startMeter(registers int) *meter {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	b.must(err, "start the meter")
	b.Cleanup(func() { _ = l.Close() })
	m := &meter{bus: "tcp:" + l.Addr().String(), count: registers}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(conn)
		}
	}()
	return m
}

func (m *meter) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	frame := make([]byte, 12)
	for {
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		m.requests.Add(1)
		first, count := int(binary.BigEndian.Uint16(frame[8:])), int(binary.BigEndian.Uint16(frame[10:]))
		answer := append(bytes.Clone(frame[:4]), 0, 0, frame[6], frame[7]|0x80, 2) // illegal data address
		if frame[7] == 4 && first+count <= m.count {
			answer = append(answer[:7], 4, byte(2*count))
			for i := range count {
				answer = binary.BigEndian.AppendUint16(answer, uint16(first+i))
			}
		}
		binary.BigEndian.PutUint16(answer[4:], uint16(len(answer)-6))
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
