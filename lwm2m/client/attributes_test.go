package client

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

func TestWriteAttributesRefusals(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		for _, c := range []struct {
			path    string
			queries []string
			want    coap.Code
		}{
			{temperature, []string{"pmin=10", "gt=30", "lt=20", "st=4"}, coap.Changed},
			{temperature, []string{"lt=30"}, coap.BadRequest}, // not less than gt
			{temperature, []string{"st=5"}, coap.BadRequest},  // lt + 2 st is not less than gt
			{temperature, []string{"gt=x"}, coap.BadRequest},
			{temperature, []string{"pmin=-1"}, coap.BadRequest},
			{temperature, []string{"nonsense=1"}, coap.BadRequest},
			{temperature, []string{"gt", "lt", "st"}, coap.Changed},
			{"/3303/0", []string{"gt=1"}, coap.BadRequest},
			{"/3/0/0", []string{"gt=1"}, coap.BadRequest}, // a string
			{"/3303/0/5701", []string{"pmin=1"}, coap.NotFound},
			{"/3303/9", []string{"pmin=1"}, coap.NotFound},
			{"/4711", []string{"pmin=1"}, coap.NotFound},
			{"/0/0", []string{"pmin=1"}, coap.Unauthorized},
			{"/", []string{"pmin=1"}, coap.MethodNotAllowed},
		} {
			if got := l.ask(coap.PUT, c.path, c.queries...); got.Code != c.want {
				l.t.Errorf("%s %v: %v %q, want %v", c.path, c.queries, got.Code, got.Payload, c.want)
			}
		}
		m := &coap.Message{Code: coap.PUT, Payload: []byte("1")}
		m.SetPath(temperature)
		m.AddQuery("pmin=1")
		l.wantCode(l.do(m), coap.BadRequest)
	})
}

// memory is a Store in memory.
type memory struct {
	mu      sync.Mutex
	records map[string]string
	saves   int
	of      map[string]int // saves, by key
}

func (m *memory) Load(key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []byte(m.records[key]), nil
}

func (m *memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.records))
}

func (m *memory) Save(key string, record []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.records == nil {
		m.records = make(map[string]string)
	}
	if m.of == nil {
		m.of = make(map[string]int)
	}
	m.of[key]++
	if delete(m.records, key); record != nil {
		m.records[key] = string(record)
	}
	return nil
}

func (m *memory) SaveAll(records map[string][]byte) error {
	for key, record := range records {
		m.mu.Lock()
		same := m.records[key] == string(record)
		m.mu.Unlock()
		if len(record) > 64<<10 {
			return fmt.Errorf("%s has %d bytes", key, len(record))
		}
		if same {
			continue
		}
		if err := m.Save(key, record); err != nil {
			return err
		}
	}
	return nil
}

// attributes returns the record of the account, and how often any was saved.
func (m *memory) attributes() (record string, saves int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records["attributes/101"], m.of["attributes/101"]
}

func TestAttributesOutliveTheProcess(t *testing.T) {
	store := &memory{}
	with := func(c *Config) { c.Store = store }
	simulate(t, with, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=10"), coap.Changed)
		l.wantCode(l.ask(coap.PUT, "/3", "pmax=60"), coap.Changed)
	})
	if got, _ := store.attributes(); got != `{"version":1,"attributes":{"/3":["pmax=60"],"/3303/0/5700":["pmin=10"]}}` {
		t.Errorf("record is %s", got)
	}
	simulate(t, with, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		l.temperature(0, 21)
		l.after(10 * time.Second)
		w.want("10s 21")
		// They go with the account.
		l.publish(l.security, func(b *model.Batch) { b.Delete(0) })
		synctest.Wait()
		if got, _ := store.attributes(); got != "" {
			l.t.Errorf("store has %s", got)
		}
	})
	if err := store.Save("attributes/101", []byte("{broken")); err != nil {
		t.Fatal(err)
	}
	simulate(t, with, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.GET, temperature), coap.Content)
	})
}

// TestManyAttributesAreSavedTogether shows that a long record is not written for each
// path, and not lost at the end.
func TestManyAttributesAreSavedTogether(t *testing.T) {
	store := &memory{}
	simulate(t, func(c *Config) { c.Store = store }, func(l *lab) {
		for iid := range uint16(200) {
			l.temperature(iid, 20)
		}
		l.run()
		for iid := range 200 {
			l.wantCode(l.ask(coap.PUT, fmt.Sprintf("/3303/%d/5700", iid), "pmin=1"), coap.Changed)
		}
		if _, saves := store.attributes(); saves != saveAtOnce {
			l.t.Errorf("saved %d times", saves)
		}
		l.after(2 * saveQuiet)
		if got, _ := store.attributes(); strings.Count(got, "pmin") != 200 {
			l.t.Errorf("saved %s", got)
		}
		l.wantCode(l.ask(coap.PUT, "/3303", "pmin=1"), coap.Changed)
	})
	if got, _ := store.attributes(); strings.Count(got, "pmin") != 201 {
		t.Errorf("at the end, saved %s", got)
	}
}

// TestManyAttributesOutliveTheProcess: those of 2,000 paths are more than one record takes. Of a record that
// an agent has written which knows no parts, the parts that are still there are no part.
func TestManyAttributesOutliveTheProcess(t *testing.T) {
	store := &memory{}
	with := func(c *Config) { c.Store = store }
	simulate(t, with, func(l *lab) {
		l.publish(l.sensors, func(b *model.Batch) {
			for iid := range uint16(2000) {
				b.Create(iid)
			}
		})
		l.run()
		for iid := range 2000 {
			l.wantCode(l.ask(coap.PUT, fmt.Sprintf("/3303/%d", iid), "pmin=10", "pmax=86400"), coap.Changed)
		}
	})
	first, _ := store.attributes()
	if n := len(store.records["attributes/101/1"]); len(first) < maxAttributePart-100 || n < 1000 || !strings.HasPrefix(first, `{"version":1,"parts":2,`) {
		t.Fatalf("records of %d and %d bytes: %.40s", len(first), n, first)
	}
	for _, c := range []struct {
		first string
		want  int
	}{{first, 2000}, {strings.Replace(first, `"parts":2,`, "", 1), strings.Count(first, "pmin")}} {
		store.records["attributes/101"] = c.first
		simulate(t, with, func(l *lab) {
			l.registered()
			if got := len(l.client.accounts[101].attributes.at); got != c.want {
				l.t.Errorf("attributes of %d paths, want %d", got, c.want)
			}
		})
	}
	store.records["attributes/101"] = first
	simulate(t, with, func(l *lab) {
		l.registered()
		l.publish(l.security, func(b *model.Batch) { b.Delete(0) })
		synctest.Wait()
	})
	for key := range store.records {
		if strings.HasPrefix(key, "attributes/") {
			t.Errorf("%s stays", key)
		}
	}
}

// TestAttributesAtTheBound: what is taken can be kept, be it many paths or long numbers, and what cannot be is refused.
func TestAttributesAtTheBound(t *testing.T) {
	for name, queries := range map[string][]string{
		"many paths": {"pmin=10", "pmax=86400"},
		"long numbers": {
			"pmin=1e308", "pmax=1.1e308", "gt=-2.2250738585072014e-308", "lt=-2.2250738585072015e-307", "st=2.2250738585072014e-308",
			"epmin=1e308", "epmax=1.2e308", "hqmax=1e308", "con=1",
		},
	} {
		table, taken := newAttributeTable(), 0
		path := func(i int) lwm2m.Path { return lwm2m.NewPath(3303, uint16(60000-i), 5700) }
		for ; taken <= maxAttributePaths; taken++ {
			if err := table.attach(path(taken), queries, lwm2m.TypeFloat); err != nil {
				if lwm2m.CodeOf(err) != lwm2m.ServiceUnavailable {
					t.Fatal(err)
				}
				break
			}
		}
		if paths, most := taken == maxAttributePaths, name == "many paths"; paths != most || taken < 300 {
			t.Errorf("%s: %d are taken", name, taken)
		}
		store, again := &memory{}, newAttributeTable()
		records, err := table.records(101)
		if err == nil {
			err = store.SaveAll(records)
		}
		for i := 0; i < maxAttributeParts && err == nil; i++ {
			_, err = again.load([]byte(store.records[attributeKey(101, i)]))
		}
		if err != nil || len(again.at) != taken || again.size != table.size || again.at[path(taken-1)] != table.at[path(taken-1)] {
			t.Errorf("%s: of %d paths %d are kept, %v", name, taken, len(again.at), err)
		}
		if err := table.attach(path(0), []string{"pmin=1"}, lwm2m.TypeFloat); err != nil {
			t.Errorf("%s: what is shorter is refused: %v", name, err)
		}
		if table.detach(lwm2m.NewPath(3303)); len(table.at) != 0 || table.size != 0 {
			t.Errorf("%s: %d paths, %d bytes are left", name, len(table.at), table.size)
		}
	}
}

// TestAttributesGoWithWhatIsDeleted shows that what takes a deleted place has no attributes of what was there, of no
// server; what only goes and comes back, such as a sensor, keeps them.
func TestAttributesGoWithWhatIsDeleted(t *testing.T) {
	store := &memory{}
	simulate(t, func(c *Config) { c.Store = store }, func(l *lab) {
		l.account(1, 102, 600)
		l.temperature(1, 20)
		l.temperature(10, 20)
		l.run()
		ask := func(ssid uint16, code coap.Code, path string, accept int, queries ...string) *coap.Message {
			m := &coap.Message{Code: code}
			m.SetPath(path)
			for _, q := range queries {
				m.AddQuery(q)
			}
			if accept >= 0 {
				m.SetAccept(uint16(accept))
			}
			l.server.mu.Lock()
			conn := l.server.conns[ssid]
			l.server.mu.Unlock()
			answer, err := conn.Do(l.t.Context(), m)
			if err != nil {
				l.t.Fatal(err)
			}
			return answer
		}
		for _, ssid := range []uint16{101, 102} {
			for _, path := range []string{"/3303", "/3303/1", "/3303/1/5700", "/3303/10"} {
				l.wantCode(ask(ssid, coap.PUT, path, -1, "pmin=3600"), coap.Changed)
			}
		}
		l.publish(l.sensors, func(b *model.Batch) { b.Delete(10) })
		l.wantCode(ask(101, coap.DELETE, "/3303/1", -1), coap.Deleted)
		l.temperature(1, 21)
		l.temperature(10, 21)
		synctest.Wait()
		for _, ssid := range []uint16{101, 102} {
			got := ask(ssid, coap.GET, "/3303", 40)
			const want = "</3303>;ver=1.1;pmin=3600,</3303/0>,</3303/0/5700>,</3303/1>,</3303/1/5700>,</3303/10>;pmin=3600,</3303/10/5700>"
			if string(got.Payload) != want {
				l.t.Errorf("server %d: %s", ssid, got.Payload)
			}
		}
	})
	if got, _ := store.attributes(); got != `{"version":1,"attributes":{"/3303":["pmin=3600"],"/3303/10":["pmin=3600"]}}` {
		t.Errorf("record is %s", got)
	}
}
