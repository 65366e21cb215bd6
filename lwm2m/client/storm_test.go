package client

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// logged collects what the client logs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// storm is what a misbehaving server does; nc is the raw connection.
type storm struct {
	name string
	rage func(l *lab, conn *coap.Conn, nc net.Conn)
}

var storms = []storm{
	{"observations", func(l *lab, conn *coap.Conn, _ net.Conn) {
		for range maxObservations/len(crowd) + 20 {
			m := fetch(l.t, lwm2m.FormatSenMLCBOR, -1, crowd...)
			m.SetObserve(0)
			if a, err := conn.Do(l.t.Context(), m); err != nil || a.Code != coap.Content {
				l.t.Fatalf("observe: %v, %v", a, err)
			}
		}
	}},
	{"attributes", func(l *lab, conn *coap.Conn, _ net.Conn) {
		for i := range 2000 {
			m := &coap.Message{Code: coap.PUT}
			m.SetPath(fmt.Sprintf("/3303/%d", i%2))
			m.AddQuery(fmt.Sprintf("pmin=%d", i))
			if _, err := conn.Do(l.t.Context(), m); err != nil {
				l.t.Fatal(err)
			}
		}
	}},
	{"wrong tokens", func(_ *lab, _ *coap.Conn, nc net.Conn) {
		for i := range 2000 { // answers that nobody waits for, ends of observations that there are none
			_, _ = nc.Write([]byte{0x52, byte(coap.Content), byte(i >> 8), byte(i), byte(i >> 8), byte(i), 0xff, 'x'})
			_, _ = nc.Write([]byte{0x42, byte(coap.Changed), byte(i >> 8), byte(i), byte(i >> 8), byte(i)})
			_, _ = nc.Write([]byte{0x70, 0, byte(i >> 8), byte(i)})
			_, _ = nc.Write([]byte{0x52, byte(coap.GET), byte(i >> 8), byte(i), byte(i), 1, 0x61, 1, 0x51, '3', 0x01, '0'})
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}},
	{"endless blocks", func(_ *lab, _ *coap.Conn, nc net.Conn) {
		for i := range 2000 { // of one upload: PUT /3303/0 with Block1, more to come
			d := []byte{0x50, byte(coap.PUT), byte(i >> 8), byte(i), 0xb4, '3', '3', '0', '3', 0x01, '0', 0x11, 110, 0xd2, 2, byte(i >> 4), byte(i<<4) | 0x08 | 6, 0xff}
			_, _ = nc.Write(append(d, make([]byte, 1024)...))
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}},
}

// crowd are the paths of sensors that are there to be observed together.
var crowd = func() []string {
	list := make([]string, 100)
	for i := range list {
		list[i] = fmt.Sprintf("/3303/%d", i+1)
	}
	return list
}()

// TestMisbehavingServer shows that what one server does to the client harms no other one,
// is bounded, and is told in few words.
func TestMisbehavingServer(t *testing.T) {
	for _, s := range storms {
		t.Run(s.name, func(t *testing.T) {
			var log logged
			with := func(c *Config) {
				c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			}
			simulate(t, with, func(l *lab) { weather(l, s) })
			if n := strings.Count(log.String(), "\n"); n > 2 {
				t.Errorf("%d lines were logged:\n%.2000s", n, log.String())
			}
		})
	}
}

func weather(l *lab, s storm) {
	l.t.Helper()
	l.account(1, 102, 600)
	for i := range crowd {
		l.temperature(uint16(i+1), 20)
	}
	l.run()
	bad, good := l.server.conns[101], l.server.conns[102]
	m := &coap.Message{Code: coap.GET}
	m.SetPath(temperature)
	o, _, err := good.Observe(l.t.Context(), m)
	if err != nil || o == nil {
		l.t.Fatalf("observe: %v", err)
	}
	l.server.wg.Go(func() { s.rage(l, bad, l.server.ends[101]) })
	for i := range 20 {
		l.temperature(0, float64(30+i))
		began := time.Now()
		if n, err := o.Next(l.t.Context()); err != nil || string(n.Payload) != fmt.Sprint(30+i) {
			l.t.Fatalf("the other server is notified of %v, %v", n, err)
		}
		if a, err := good.Do(l.t.Context(), m); err != nil || a.Code != coap.Content {
			l.t.Fatalf("the other server reads %v, %v", a, err)
		}
		if late := time.Since(began); late > time.Second {
			l.t.Errorf("the other server waits %s", late)
		}
		l.after(time.Second)
	}
	l.after(10 * time.Minute)
	for _, st := range l.client.Status() {
		if st.State != Registered {
			l.t.Errorf("server %d: %s", st.ShortServerID, st.Words)
		}
	}
	a := l.client.accounts[101]
	if a.observations.paths > maxObservations || len(a.attributes.at) > maxAttributePaths || len(a.inbox.items) > 1000 {
		l.t.Errorf("%d paths are observed, %d have attributes, %d things wait", a.observations.paths, len(a.attributes.at), len(a.inbox.items))
	}
}
