package client

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// FuzzBootstrap throws datagrams of a bootstrap server that has gone mad at a client in a
// bootstrap. Each is preceded by its length in two bytes. Whatever they are, accounts are in
// force that fit together, as they were or as a Finish left them, what the client sends is
// well-formed and without secrets, and the client goes on: it is registered, or tries, and can
// be bootstrapped anew.
func FuzzBootstrap(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		bootstrapping(t, true, sane(t), func(l *bootLab) {
			l.publish(l.security, func(b *model.Batch) { b.Set(0, 5, lwm2m.Opaque([]byte(secret))) })
			l.registered()
			_ = l.client.Bootstrap(0)
			l.after(0)
			l.wantBootstrap(BootstrapOpen)
			for _, d := range split(data) {
				if _, err := l.server.ends[0].Write(d); err != nil {
					l.t.Fatal(err)
				}
				l.after(50 * time.Millisecond)
				l.wantConsistent()
			}
			l.after(10 * time.Minute)
			l.wantConsistent()
			if s := l.client.BootstrapStatus(); !s.Known { // a bootstrap server may take its own account away
				return
			}
			_ = l.client.Bootstrap(0)
			l.after(time.Minute)
			if s := l.client.BootstrapStatus(); s.State == BootstrapIdle || s.State == BootstrapStopped {
				l.t.Fatalf("bootstrap is %v: %s", s.State, s.Words)
			}
		})
	})
}

// wantConsistent checks that there are accounts, and that each is a pair.
func (l *bootLab) wantConsistent() {
	l.t.Helper()
	stage := l.tree.Stage()
	if err := newStageCheck(stage, lwm2m.NewPath(0, 9), l.server).run(); err != nil {
		l.t.Fatalf("the accounts in force do not fit together: %v", err)
	}
}

const bootstrapCorpus = "testdata/fuzz/FuzzBootstrap"

// TestBootstrapSeeds makes the corpus of FuzzBootstrap, with -update, from what a bootstrap
// server that has not gone mad sends; otherwise it shows that the corpus has a seed for each.
func TestBootstrapSeeds(t *testing.T) {
	for name, ask := range bootstrapSeeds {
		var data []byte
		bootstrapping(t, true, func(c *Config) {
			c.Trace = func(over *Link, d coap.Direction, datagram []byte) {
				if m, err := coap.Parse(bytes.Clone(datagram)); err == nil && over.ShortServerID == 0 && d == coap.Received && m.Code.IsRequest() {
					data = binary.BigEndian.AppendUint16(data, uint16(len(datagram)))
					data = append(data, datagram...)
				}
			}
		}, func(l *bootLab) {
			l.run()
			_ = l.client.Bootstrap(0)
			l.after(0)
			ask(l)
		})
		if len(data) == 0 {
			t.Errorf("seed %s is empty", name)
		}
		file := filepath.Join(bootstrapCorpus, name)
		if *update {
			if err := os.MkdirAll(bootstrapCorpus, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("go test fuzz v1\n[]byte("+strconv.Quote(string(data))+")\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

var bootstrapSeeds = map[string]func(l *bootLab){
	"whole": func(l *bootLab) {
		l.say(coap.GET, "/", accept(lwm2m.FormatLink))
		l.say(coap.DELETE, "/")
		l.provision(lwm2m.FormatSenMLCBOR)
		l.say(coap.GET, "/1", accept(lwm2m.FormatTLV))
		l.finish()
		l.finish()
	},
	"formats": func(l *bootLab) {
		for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatLwM2MCBOR} {
			l.provision(f)
		}
		l.put(lwm2m.FormatText, "/1/3/1", n("/1/3/1", lwm2m.Integer(60)))
		l.put(lwm2m.FormatOpaque, "/0/3/5", n("/0/3/5", lwm2m.Opaque([]byte("key"))))
		l.put(lwm2m.FormatCBOR, "/1/3/6", n("/1/3/6", lwm2m.Boolean(true)))
		l.finish()
	},
	"inconsistent": func(l *bootLab) {
		l.say(coap.DELETE, "/1")
		l.finish()
		l.say(coap.DELETE, "/0/0")
		l.finish()
		l.put(lwm2m.FormatText, "/0/9/1", n("/0/9/1", lwm2m.Boolean(false)))
		l.finish()
	},
	"replaced": func(l *bootLab) {
		nodes := securityNodes(2, "coap://other.invalid", 0)[:3]
		nodes[1].Value = lwm2m.Boolean(true)
		l.put(lwm2m.FormatTLV, "/0/2", nodes...)
		l.finish()
	},
	"access": func(l *bootLab) {
		l.put(lwm2m.FormatTLV, "/2/0", n("/2/0/0", lwm2m.Integer(3)), n("/2/0/1", lwm2m.Integer(0)), n("/2/0/2/101", lwm2m.Integer(15)), n("/2/0/3", lwm2m.Integer(101)))
		l.say(coap.GET, "/2", accept(lwm2m.FormatSenMLJSON))
		l.finish()
	},
	"refused": func(l *bootLab) {
		for _, path := range []string{"/bs", "/1/0/1/0", "/dev/3/0", "/65535", "/0/9"} {
			for _, code := range []coap.Code{coap.GET, coap.PUT, coap.POST, coap.DELETE, coap.FETCH, coap.IPATCH} {
				if path != "/bs" || code != coap.POST {
					l.say(code, path)
				}
			}
		}
	},
	"block-wise": func(l *bootLab) {
		l.bs().SetParams(coap.Params{BlockSize: 64})
		l.put(lwm2m.FormatOpaque, "/0/0/4", n("/0/0/4", lwm2m.Opaque(bytes.Repeat([]byte("k"), 300))))
		l.say(coap.GET, "/", accept(lwm2m.FormatLink))
		l.finish()
	},
}
