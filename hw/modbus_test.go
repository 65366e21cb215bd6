package hw

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// plc is a Modbus device over TCP at the level of bytes: 200 input registers
// that hold their numbers, no holding register, a coil.
type plc struct {
	listener net.Listener

	mu       sync.Mutex
	requests int
	coil     byte
	dead     bool
}

func newPLC(t *testing.T) *plc {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &plc{listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *plc) bus() string { return "tcp:" + p.listener.Addr().String() }

func (p *plc) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	frame := make([]byte, 12)
	for {
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		pdu := p.answer(frame[7:])
		if pdu == nil {
			continue
		}
		head := []byte{frame[0], frame[1], 0, 0, 0, byte(1 + len(pdu)), frame[6]}
		if _, err := conn.Write(append(head, pdu...)); err != nil {
			return
		}
	}
}

func (p *plc) answer(pdu []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	first, count := binary.BigEndian.Uint16(pdu[1:]), binary.BigEndian.Uint16(pdu[3:])
	switch {
	case p.dead:
		return nil
	case pdu[0] == 4 && int(first)+int(count) <= 200:
		answer := []byte{4, byte(2 * count)}
		for i := range count {
			answer = binary.BigEndian.AppendUint16(answer, first+i)
		}
		return answer
	case pdu[0] == 1:
		return []byte{1, 1, p.coil}
	case pdu[0] == 5:
		p.coil = pdu[3] & 1
		return append([]byte(nil), pdu...)
	}
	return []byte{pdu[0] | 0x80, 2}
}

func (p *plc) die(dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = dead
}

func at(name string, number uint16, more ...string) ChannelConfig {
	r := &Register{Number: number}
	if len(more) > 0 {
		r.Table = more[0]
	}
	if len(more) > 1 {
		r.Type = more[1]
	}
	return ChannelConfig{Name: name, Register: r}
}

func TestModbus(t *testing.T) {
	p := newPLC(t)
	cfg := Config{Name: "meter", Driver: "modbus", Bus: p.bus(), Channels: []ChannelConfig{
		at("a", 7), at("b", 8, "input", "uint32"), at("again", 7, "input", "int16"), at("far", 199), at("coil", 0, "coil"), at("missing", 3, "holding"),
	}}
	readings, err := Probe(t.Context(), RoleSensor, cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]Reading)
	for _, r := range readings {
		got[r.Channel] = r
	}
	for channel, want := range map[string]Value{"a": Float(7), "b": Float(8<<16 + 9), "again": Float(7), "far": Float(199), "coil": Bool(false), "missing": {}} {
		if got[channel].Value != want {
			t.Errorf("%s: %+v, want %#v", channel, got[channel], want)
		}
	}
	if r := got["missing"]; r.Quality != Invalid || !strings.Contains(r.Reason, "exception 2, illegal data address") {
		t.Errorf("%+v", r)
	}
	if p.requests != 4 { // 7 to 9, 199, the coil, the holding
		t.Errorf("%d requests", p.requests)
	}
	p.die(true)
	cfg.Timeout = 50 * time.Millisecond
	if _, err := Probe(t.Context(), RoleSensor, cfg, Options{}); !errors.Is(err, ErrNoAnswer) || !strings.HasSuffix(err.Error(), "; check that unit is the number of the device") {
		t.Errorf("a device that is silent: %v", err)
	}
	_ = p.listener.Close()
	if _, err := Probe(t.Context(), RoleSensor, cfg, Options{}); !errors.Is(err, ErrUnreachable) || !strings.HasSuffix(err.Error(), "; check its address and port, and the network between") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestModbusUnreachable: whatever keeps a connection from being made is told with what to do.
func TestModbusUnreachable(t *testing.T) {
	cfg := Config{Name: "meter", Driver: "modbus", Bus: "tcp:192.0.2.7:502"}
	for _, cause := range []error{os.ErrDeadlineExceeded, &net.DNSError{Err: "no such host", Name: "meter.local"}} {
		err := newError(sensorUnit("meter"), cfg, modbusError(cfg.Bus, &net.OpError{Op: "dial", Net: "tcp", Err: cause}))
		text := "tcp:192.0.2.7:502 does not take connections: " + cause.Error() + "; check its address and port, and the network between"
		if !errors.Is(err, ErrUnreachable) || !errors.Is(err, cause) || !strings.HasSuffix(err.Error(), text) {
			t.Errorf("got %v", err)
		}
	}
}

// A device on the same line that is silent costs the others nothing but its time,
// and comes back.
func TestModbusComesBack(t *testing.T) {
	p := newPLC(t)
	cfg := Config{Name: "meter", Driver: "modbus", Bus: p.bus(), Interval: 20 * time.Millisecond, Timeout: 100 * time.Millisecond, Channels: []ChannelConfig{at("a", 7)}}
	_, r, end := runBoard(t, nil, Options{}, Setup{Sensors: []Config{cfg}})
	for _, dead := range []bool{false, true, false} {
		p.die(dead)
		for dead != (len(r.of(sensorUnit("meter"), "a")) > 0 && r.last(t, sensorUnit("meter"), "a").Quality == Invalid) || len(r.of(sensorUnit("meter"), "a")) == 0 {
			select {
			case <-r.news:
			case <-time.After(20 * time.Second):
				t.Fatalf("dead %v: nothing changes", dead)
			}
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestModbusOutput(t *testing.T) {
	p := newPLC(t)
	cfg := Config{Name: "pump", Driver: "modbus", Bus: p.bus(), Unit: "3", Register: &Register{Number: 5}, Safe: Safe{Value: Bool(true)}}
	if readings, err := Probe(t.Context(), RoleActuator, cfg, Options{}); err != nil || readings[0].Value != Bool(false) || p.coil != 0 {
		t.Errorf("a probe changes it: %+v, %v, coil %d", readings, err, p.coil)
	}
	b, r, end := runBoard(t, nil, Options{}, Setup{Actuators: []Config{cfg}})
	<-r.news
	if got := r.last(t, actuatorUnit("pump"), "state"); got.Value != Bool(true) {
		t.Errorf("it begins with %+v", got)
	}
	if err := b.Set(t.Context(), "pump", "state", Bool(false)); err != nil || p.coil != 0 {
		t.Errorf("coil %d, %v", p.coil, err)
	}
	if err := end(); err != nil || p.coil != 1 {
		t.Errorf("after the end: coil %d, %v", p.coil, err)
	}
}

func TestModbusRuns(t *testing.T) {
	places := make([]modbusPlace, 0, 1000)
	for i := range 1000 {
		p, err := placeOfRegister("x", Register{Number: uint16(i)}, "input")
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, p)
	}
	runs, err := modbusRuns(places)
	if err != nil || len(runs) != 8 {
		t.Errorf("1000 registers in %d requests, %v", len(runs), err)
	}
}

func TestModbusProblems(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"no channel":        {Config{}, "needs a [[sensor.channel]]"},
		"no register":       {Config{Channels: []ChannelConfig{{Name: "a"}}}, `channel "a" has no register`},
		"table":             {Config{Channels: []ChannelConfig{at("a", 0, "coils")}}, "table is"},
		"type":              {Config{Channels: []ChannelConfig{at("a", 0, "input", "float16")}}, "type is one of"},
		"type of a bit":     {Config{Channels: []ChannelConfig{at("a", 0, "coil", "uint16")}}, "take no type"},
		"overlapping words": {Config{Channels: []ChannelConfig{at("a", 0, "input", "uint32"), at("b", 1)}}, `channels "a" and "b" overlap at register 1`},
		"behind the last":   {Config{Channels: []ChannelConfig{at("a", 65535, "input", "uint32")}}, "end after 65535"},
		"unit":              {Config{Unit: "256", Channels: []ChannelConfig{at("a", 0)}}, "unit is a number"},
		"baud over TCP":     {Config{Baud: 9600, Channels: []ChannelConfig{at("a", 0)}}, "belong to a serial line"},
		"speed":             {Config{Bus: "/dev/ttyS0", Baud: 12345, Channels: []ChannelConfig{at("a", 0)}}, "baud is a usual speed"},
		"at the top":        {Config{Register: &Register{}, Channels: []ChannelConfig{at("a", 0)}}, "belong to [[sensor.channel]]"},
	} {
		cfg := tt.cfg
		cfg.Name, cfg.Driver = "m", "modbus"
		if cfg.Bus == "" {
			cfg.Bus = "tcp:192.0.2.7:502"
		}
		problems := Validate(Setup{Sensors: []Config{cfg}})
		if len(problems) == 0 || !strings.Contains(problems[0].Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, problems, tt.want)
		}
	}
	line := func(name string, baud int) Config {
		return Config{Name: name, Driver: "modbus", Bus: "/dev/ttyS0", Baud: baud, Channels: []ChannelConfig{at("a", 0)}}
	}
	if problems := Validate(Setup{Sensors: []Config{line("a", 9600), line("b", 19200)}}); len(problems) != 1 || problems[0].Key != "baud" {
		t.Errorf("two speeds on one line: %v", problems)
	}
}
