package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

const secret = "the pre-shared key"

// FuzzDatagrams throws datagrams of a server that has gone mad at a registered client with
// a real tree. Each is preceded by its length in two bytes. Whatever they are, what the
// client sends is well-formed and without secrets, no goroutine is left over, and the
// client still works afterwards.
func FuzzDatagrams(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		simulate(t, sane(t), func(l *lab) {
			l.publish(l.security, func(b *model.Batch) { b.Set(0, 5, lwm2m.Opaque([]byte(secret))) })
			l.outputs(owner{prepare: func(context.Context) error { return nil }})
			l.registered()
			for _, d := range split(data) {
				if _, err := l.server.far.Write(d); err != nil {
					l.t.Fatal(err)
				}
				l.after(50 * time.Millisecond)
			}
			l.after(time.Minute)
			if err := l.client.Update(101); err != nil {
				l.t.Fatal(err)
			}
			l.after(5 * time.Minute)
			if s := l.status(); s.State != Registered || s.Observations > maxObservations {
				l.t.Fatalf("status is %+v", s)
			}
			if m := l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content); string(m.Payload) != "Example" {
				l.t.Fatalf("/3/0/0 is %q", m.Payload)
			}
		})
	})
}

// sane checks all that the client sends.
func sane(t *testing.T) func(*Config) {
	t.Helper()
	return func(c *Config) {
		c.Trace = func(_ *Link, d coap.Direction, datagram []byte) {
			if d != coap.Sent {
				return
			}
			m, err := coap.Parse(datagram)
			switch {
			case err != nil:
				t.Errorf("sent %x: %v", datagram, err)
			case bytes.Contains(datagram, []byte(secret)):
				t.Errorf("sent a secret: %q", datagram)
			case m.Code == coap.InternalServerError:
				t.Errorf("sent 5.00 %q", m.Payload)
			}
		}
	}
}

// maxDatagrams keeps a fuzzed input short.
const maxDatagrams = 64

func split(data []byte) [][]byte {
	var out [][]byte
	for len(data) >= 2 && len(out) < maxDatagrams {
		n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
		out = append(out, data[2:2+n])
		data = data[2+n:]
	}
	return out
}

const corpus = "testdata/fuzz/FuzzDatagrams"

// TestSeeds makes the corpus of FuzzDatagrams, with -update, from what a server that has
// not gone mad sends; otherwise it shows that the corpus has a seed for each.
func TestSeeds(t *testing.T) {
	for name, ask := range seeds {
		var data []byte
		simulate(t, func(c *Config) {
			c.Trace = func(_ *Link, d coap.Direction, datagram []byte) {
				if m, err := coap.Parse(datagram); err == nil && d == coap.Received && m.Code.IsRequest() {
					data = binary.BigEndian.AppendUint16(data, uint16(len(datagram)))
					data = append(data, datagram...)
				}
			}
		}, func(l *lab) {
			if _, err := l.tree.AddRegistered(16, model.Plain{}); err != nil {
				l.t.Fatal(err)
			}
			l.run()
			ask(l)
		})
		if len(data) == 0 {
			t.Errorf("seed %s is empty", name)
		}
		file := filepath.Join(corpus, name)
		if *update {
			text := "go test fuzz v1\n[]byte(" + strconv.Quote(string(data)) + ")\n"
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

var seeds = map[string]func(l *lab){
	"read": func(l *lab) {
		for _, path := range []string{"/3", "/3/0", "/3/0/6", "/3/0/6/1", "/3303/0/5700", "/0/0/5", "/dev1/3/0", "/4711"} {
			l.ask(coap.GET, path)
		}
	},
	"formats": func(l *lab) {
		for _, f := range []uint16{0, 40, 42, 60, 110, 112, 11542, 11543, 1542} {
			m := &coap.Message{Code: coap.GET}
			m.SetPath("/3/0")
			m.SetAccept(f)
			l.do(m)
		}
	},
	"write": func(l *lab) {
		l.send(coap.PUT, "/3/0/15", lwm2m.FormatText, "UTC")
		l.send(coap.PUT, "/3/0/14", lwm2m.FormatCBOR, "\x66+02:00")
		l.send(coap.POST, "/3/0", lwm2m.FormatSenMLJSON, `[{"bn":"/3/0/","n":"15","vs":"UTC"}]`)
		l.send(coap.PUT, "/1/0", lwm2m.FormatTLV, "\xc2\x01\x01\x2c\xc1\x02\x05")
		l.send(coap.PUT, "/1/0/2", lwm2m.FormatSenMLCBOR, "\x81\xa2\x21\x66/1/0/2\x02\x05")
	},
	"attributes": func(l *lab) {
		l.ask(coap.PUT, temperature, "pmin=1", "pmax=20", "gt=30", "lt=10", "st=2")
		l.ask(coap.PUT, "/3303", "pmin=1")
		l.ask(coap.PUT, temperature, "gt", "pmin")
	},
	"observe": func(l *lab) {
		l.ask(coap.PUT, temperature, "pmax=5")
		w := l.observe(temperature, 110)
		l.observe("/3", -1)
		_, _ = w.observation.Cancel(l.t.Context())
	},
	"create-delete": func(l *lab) {
		l.send(coap.POST, "/16", lwm2m.FormatTLV, "\x86\x00\x41\x00a\x41\x01b")
		l.send(coap.POST, "/16", lwm2m.FormatSenMLJSON, `[{"bn":"/16/9/0/","n":"0","vs":"x"}]`)
		l.ask(coap.DELETE, "/16/9")
		l.ask(coap.DELETE, "/3/0")
	},
	"execute": func(l *lab) {
		l.send(coap.POST, "/3/0/4", lwm2m.FormatText, "0='a',1")
		l.ask(coap.POST, "/1/0/8")
		l.ask(coap.POST, "/1/0/4")
	},
	"block-wise": func(l *lab) {
		l.server.connection().SetParams(coap.Params{BlockSize: 64})
		l.send(coap.PUT, "/3/0/15", lwm2m.FormatText, strings.Repeat("x", 300))
		l.ask(coap.GET, "/3/0/15")
	},
	"composite": func(l *lab) {
		for _, code := range []coap.Code{coap.FETCH, coap.PATCH, coap.IPATCH} {
			l.send(code, "/", lwm2m.FormatSenMLJSON, `[{"n":"/3/0/0"},{"n":"/3303/0"}]`)
		}
		l.send(coap.IPATCH, "/", lwm2m.FormatSenMLETCHJSON, `[{"bn":"/","n":"3/0/15","vs":"UTC"},{"n":"1/0/2","v":5}]`)
		l.do(fetch(l.t, lwm2m.FormatSenMLETCHCBOR, 110, "/", "/3303/0/5700", "/0/0/5"))
		w := l.watch(fetch(l.t, lwm2m.FormatSenMLCBOR, -1, "/3/0/9", "/3303"))
		l.temperature(0, 30)
		_, _ = w.observation.Cancel(l.t.Context())
	},
}

// TestGarbage sends what is no CoAP, or not the whole of it.
func TestGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, sane(t))
		l.registered()
		get := []byte("\x41\x01\x12\x34\x07\xb1\x33\x010\x010") // GET /3/0/0, token 07
		for i := range len(get) {
			_, _ = l.server.far.Write(get[:i])
			for bit := range 8 {
				bent := bytes.Clone(get)
				bent[i] ^= 1 << bit
				_, _ = l.server.far.Write(bent)
			}
			l.after(time.Second)
		}
		_, _ = l.server.far.Write(bytes.Repeat([]byte{0xff}, 3000))
		l.after(time.Minute)
		l.wantState(Registered)
		l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
		l.stop()
	})
}

// TestNoGrowth shows that repeated requests and registrations leave nothing behind.
func TestNoGrowth(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		for i := range 200 {
			for range 20 {
				l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
			}
			l.observe(temperature, -1)
			l.ask(coap.PUT, temperature, fmt.Sprint("pmin=", i))
			l.server.hangUp()
			l.after(2 * time.Minute)
			l.wantState(Registered)
		}
		a := l.client.accounts[101]
		if n := len(a.observations.byToken) + len(a.observations.byPath) + len(a.observations.queue) + len(a.held); n != 0 {
			l.t.Errorf("%d things are left of ended registrations", n)
		}
		if len(a.attributes.at) != 1 {
			l.t.Errorf("attributes are %v", a.attributes.at)
		}
	})
}
