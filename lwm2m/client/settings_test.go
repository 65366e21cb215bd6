package client

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// TestAccounts pairs instances of objects 0 and 1 by Short Server ID.
func TestAccounts(t *testing.T) {
	l := newLab(t, nil)
	security := func(iid uint16, ssid int64, bootstrap bool) {
		l.publish(l.security, func(b *model.Batch) {
			b.Create(iid)
			b.Set(iid, 0, lwm2m.String(fmt.Sprintf("coap://%d.invalid", iid)))
			b.Set(iid, 1, lwm2m.Boolean(bootstrap))
			b.Set(iid, 10, lwm2m.Integer(ssid))
		})
	}
	server := func(iid uint16, ssid int64) {
		l.publish(l.accounts, func(b *model.Batch) {
			b.Create(iid)
			b.Set(iid, 0, lwm2m.Integer(ssid))
		})
	}
	security(1, 300, false)
	server(9, 300)
	security(2, 200, false)
	server(7, 200)
	security(3, 200, false) // a second one
	security(4, 400, false) // without its half
	server(5, 500)          // likewise
	security(6, 600, true)  // a bootstrap server
	server(6, 600)
	security(7, 0, false) // out of range
	server(8, 0)
	security(8, 65535, false)
	server(10, 65535)
	l.publish(l.accounts, func(b *model.Batch) { b.Create(11) }) // empty
	accounts := readAccounts(l.tree)
	got := make([]string, len(accounts))
	for i, s := range accounts {
		got[i] = fmt.Sprintf("%d: /0/%d and /1/%d, %s", s.server.ShortServerID, s.security, s.instance, s.server.URI)
	}
	want := []string{
		"101: /0/0 and /1/0, coap://server101.invalid",
		"200: /0/2 and /1/7, coap://2.invalid",
		"300: /0/1 and /1/9, coap://1.invalid",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSettings(t *testing.T) {
	l := newLab(t, nil)
	read := func(set func(b *model.Batch)) *settings {
		t.Helper()
		l.publish(l.accounts, set)
		return readAccounts(l.tree)[0]
	}
	s := read(func(*model.Batch) {})
	if s.lifetime != 10*time.Minute || s.pmin != 0 || s.pmax != 0 || s.disableTimeout != 24*time.Hour || s.retry != nil || !s.attributes().IsZero() {
		t.Errorf("defaults are %+v", s)
	}
	s = read(func(b *model.Batch) {
		b.Remove(0, 1)
		b.Remove(0, 6)
		b.Set(0, 2, lwm2m.Integer(-5))
		b.Set(0, 3, lwm2m.Integer(1<<62))
		b.Set(0, 17, lwm2m.Unsigned(1<<63))
		b.Set(0, 19, lwm2m.Unsigned(never))
	})
	if r := read(func(b *model.Batch) { b.Set(0, 19, lwm2m.Unsigned(math.MaxUint64)) }).retry; r.SequenceDelay != -1 {
		t.Errorf("MAX_VALUE of 64 bits gives %+v", r)
	}
	if n := read(func(b *model.Batch) { b.Set(0, 19, lwm2m.Unsigned(9)); b.Set(0, 20, lwm2m.Unsigned(1<<16)) }).attempts; n != math.MaxInt32 {
		t.Errorf("with counts of 16 bits and more %d attempts make all sequences", n)
	}
	if s.lifetime != 24*time.Hour || s.pmin != 0 || s.pmax != maxSeconds*time.Second {
		t.Errorf("extremes give %+v", s)
	}
	if !s.storing {
		t.Error("without /1/x/6 notifications are not stored")
	}
	if want := (Retry{First: time.Minute, Max: -1, SequenceDelay: -1}); s.retry.First != want.First || s.retry.Max != -1 || s.retry.SequenceDelay != -1 || s.retry.Attempts < 1 {
		t.Errorf("retry is %+v", s.retry)
	}
	if !s.sameTarget(s) {
		t.Error("an account is another than itself")
	}
	for _, change := range []func(b *model.Batch){
		func(b *model.Batch) { b.Set(0, 0, lwm2m.String("coap://other.invalid")) },
		func(b *model.Batch) { b.Set(0, 2, lwm2m.Integer(0)) },
		func(b *model.Batch) { b.Set(0, 3, lwm2m.Opaque([]byte("i"))) },
		func(b *model.Batch) { b.Set(0, 4, lwm2m.Opaque([]byte("s"))) },
		func(b *model.Batch) { b.Set(0, 5, lwm2m.Opaque([]byte("k"))) },
		func(b *model.Batch) { b.Set(0, 13, lwm2m.Unsigned(1)) },
		func(b *model.Batch) { b.Set(0, 14, lwm2m.String("name")) },
		func(b *model.Batch) { b.Set(0, 15, lwm2m.Unsigned(3)) },
		func(b *model.Batch) { b.SetInstance(0, 16, 0, lwm2m.Unsigned(0xc0ae)) },
		func(b *model.Batch) { b.SetInstance(0, 16, 1, lwm2m.Unsigned(0xc0a8)) },
	} {
		l.publish(l.security, change)
		other := readAccounts(l.tree)[0]
		if s.sameTarget(other) {
			t.Errorf("%v is taken for %v", other.server, s.server)
		}
		s = other
	}
}

func TestObjectList(t *testing.T) {
	entry := func(path, version string) model.Entry {
		e := model.Entry{Path: lwm2m.MustPath(path), Dim: -1}
		if version != "" {
			e.Version, _ = lwm2m.ParseVersion(version)
		}
		return e
	}
	entries := []model.Entry{
		entry("/0", "1.2"), entry("/0/0", ""),
		entry("/1", "1.0"), entry("/1/0", ""),
		entry("/3", "1.2"), entry("/3/0", ""),
		entry("/6", "1.0"), entry("/6/0", ""),
		entry("/16", "1.0"),
		entry("/21", "2.0"), entry("/21/0", ""), entry("/23", "1.0"),
		entry("/3303", "1.1"),
		entry("/33629", "1.0"), entry("/33629/0", ""), entry("/33629/7", ""),
	}
	for version, want := range map[lwm2m.Version]string{
		lwm2m.Version10: `</>;rt="oma.lwm2m",</1/0>,</3>;ver=1.2,</3/0>,</6/0>,</16>,</3303>;ver=1.1,</33629/0>,</33629/7>`,
		lwm2m.Version12: `</>;rt="oma.lwm2m";ct="112 11544 110 11542 60",</1>;ver=1.0,</1/0>,</3>;ver=1.2,</3/0>,</6/0>,</16>,</3303>;ver=1.1,</33629/0>,</33629/7>`,
	} {
		if got := string(appendObjectList(nil, version, entries)); got != want {
			t.Errorf("version %v:\n%s, want\n%s", version, got, want)
		}
	}
}

func TestUpdateTellsWhatDiffers(t *testing.T) {
	known := told{lifetime: time.Minute, binding: "U"}
	for _, c := range []struct {
		now     told
		queries string
		list    bool
	}{
		{known, "[]", false},
		{told{lifetime: time.Hour, binding: "U"}, "[lt=3600]", false},
		{told{lifetime: time.Minute, binding: "UQ"}, "[b=UQ]", false},
		{told{lifetime: time.Hour, binding: "UQ", list: [32]byte{1}}, "[lt=3600 b=UQ]", true},
	} {
		m := updateMessage("/rd/5a3f", lwm2m.Version12, &known, &c.now, []byte("</1/0>"))
		format, ok := m.ContentFormat()
		if fmt.Sprint(m.Queries()) != c.queries || (len(m.Payload) > 0) != c.list || ok != c.list || c.list && format != 40 || m.Path() != "/rd/5a3f" {
			t.Errorf("%+v: %s %v %q in %d", c.now, m.Path(), m.Queries(), m.Payload, format)
		}
	}
}
