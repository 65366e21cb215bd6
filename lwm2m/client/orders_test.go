package client

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// answers notes what the client answers to message IDs.
type answers struct {
	mu sync.Mutex
	to map[uint16][]string
}

func (a *answers) trace(_ *Link, d coap.Direction, b []byte) {
	m, err := coap.Parse(bytes.Clone(b))
	if err != nil || d != coap.Sent || m.Type != coap.ACK {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.to == nil {
		a.to = make(map[uint16][]string)
	}
	a.to[m.ID] = append(a.to[m.ID], fmt.Sprintf("%s %s%s", m.Code, m.LocationPath(), m.Payload))
}

// take returns the answers to a message.
func (a *answers) take(id uint16) []string {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.to[id]
	delete(a.to, id)
	return list
}

// orderOf is a POST of the server, as it comes again and again.
func orderOf(t *testing.T, id uint16, path, payload string) []byte {
	t.Helper()
	token, err := coap.MakeToken([]byte{1, byte(id)})
	if err != nil {
		t.Fatal(err)
	}
	m := &coap.Message{Code: coap.POST, ID: id, Token: token, Payload: []byte(payload)}
	m.SetPath(path)
	m.SetContentFormat(0)
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (l *lives) arrives(b []byte) {
	l.t.Helper()
	if _, err := l.server.far.Write(b); err != nil {
		l.t.Fatal(err)
	}
	synctest.Wait()
}

// ran returns how often an Execute with the argument ran.
func (c *counted) ran(argument string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs[argument]
}

// TestOnce shows that a request which must not run twice runs once, whether the agent
// ends in order or is killed before or after it has answered, and that it is answered as the
// first time.
func TestOnce(t *testing.T) {
	said := &answers{}
	live(t, func(c *Config) { c.Trace = said.trace }, func(l *lives) {
		execute := orderOf(t, 7, "/26300/0/0", "0='a'")
		create := orderOf(t, 8, "/3303", "")
		for range 2 {
			l.arrives(execute)
			l.arrives(create)
		}
		first, created := said.take(7), said.take(8)
		if first[0] != "2.04 " {
			t.Fatalf("answer is %q", first)
		}
		for i, end := range []func(){l.kill, l.end, l.kill} {
			end()
			l.start(20)
			l.arrives(execute)
			l.arrives(create)
			if got := said.take(7); len(got) != 1 || got[0] != first[0] {
				t.Errorf("life %d: answer is %q, first %q", i, got, first)
			}
			if got := said.take(8); len(got) != 1 || got[0] != created[0] {
				t.Errorf("life %d: answer is %q, first %q", i, got, created)
			}
		}
		if n := l.runs.ran("a"); n != 1 {
			t.Errorf("it ran %d times", n)
		}
	})
}

// TestOnceInterrupted shows what is answered when the agent was killed while a request was
// carried out.
func TestOnceInterrupted(t *testing.T) {
	said := &answers{}
	live(t, func(c *Config) { c.Trace = said.trace }, func(l *lives) {
		execute := orderOf(t, 7, "/26300/0/0", "0='a'")
		var during *memory
		l.runs.during = func() { during = l.store.copied() }
		l.arrives(execute)
		l.end()
		l.store = during
		l.start(20)
		said.take(7)
		l.arrives(execute)
		if got := said.take(7); fmt.Sprint(got) != "[5.00 the agent was interrupted while it carried this out]" {
			t.Errorf("answer is %q", got)
		}
		if n := l.runs.ran("a"); n != 1 {
			t.Errorf("it ran %d times", n)
		}
	})
}

// TestOnceOverTheSession shows that a session may end while a request is carried out in it, and that the answer takes no place
// of a request of the next session.
func TestOnceOverTheSession(t *testing.T) {
	for what, end := range map[string]func(l *lives){
		"another URI, and back": func(l *lives) {
			for _, uri := range []string{"coap://other.invalid", "coap://server101.invalid"} {
				l.publish(l.security, func(b *model.Batch) { b.Set(0, 0, lwm2m.String(uri)) })
				l.after(time.Second)
			}
		},
		"closed":    func(l *lives) { l.server.hangUp() },
		"no answer": func(l *lives) { l.outage(func() { l.after(2 * time.Minute) }) },
	} {
		said := &answers{}
		live(t, func(c *Config) { c.Trace = said.trace }, func(l *lives) {
			done := make(chan struct{})
			l.runs.during = func() { <-done }
			l.arrives(orderOf(t, 7, "/26300/0/0", "0='a'"))
			end(l)
			l.after(5 * time.Minute)
			l.wantState(Registered)
			l.runs.during = nil
			l.arrives(orderOf(t, 8, "/26300/0/0", "0='b'"))
			close(done)
			l.after(time.Second)
			l.kill()
			said.take(8)
			l.start(20)
			l.arrives(orderOf(t, 8, "/26300/0/0", "0='b'"))
			if got := said.take(8); fmt.Sprint(got) != "[2.04 ]" || l.runs.ran("b") != 1 {
				t.Errorf("%s: it ran %d times, and the answer is %q", what, l.runs.ran("b"), got)
			}
		})
	}
}

// TestRebootIsSeen shows that the server which has the device restarted gets a Register, once.
func TestRebootIsSeen(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.after(time.Second)
		l.wantCode(l.ask(coap.POST, "/3/0/4"), coap.Changed)
		l.after(time.Second)
		for range 2 {
			l.kill()
			l.start(20)
			l.after(time.Minute)
		}
		l.wantCalls(register, "POST /rd/2 []")
	})
}

// TestManyOrders shows that the newest are remembered, and what others cost.
func TestManyOrders(t *testing.T) {
	live(t, nil, func(l *lives) {
		saves := l.store.saves
		for range 100 {
			l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
		}
		if n := l.store.saves - saves; n > 0 {
			t.Errorf("reads wrote %d records", n)
		}
		const many = 3 * maxOrders
		for id := range uint16(many) {
			l.arrives(orderOf(t, id, "/26300/0/0", fmt.Sprintf("0='%d'", id)))
		}
		l.kill()
		l.start(20)
		for id := range uint16(many) {
			l.arrives(orderOf(t, id, "/26300/0/0", fmt.Sprintf("0='%d'", id)))
		}
		for id := range many {
			if n := l.runs.ran(fmt.Sprint(id)); n != 1 && id >= many-maxOrders || n == 0 {
				t.Errorf("request %d ran %d times", id, n)
			}
		}
		l.after(5 * time.Minute)
	})
}

// diary is a Journal that tells what was forced to the disk.
type diary struct {
	*memory

	orders []string // "forced", "noted" or "deferred"
}

func (d *diary) write(how, key string, record []byte) error {
	if strings.HasPrefix(key, "request/") {
		d.orders = append(d.orders, how)
	}
	return d.memory.Save(key, record)
}

func (d *diary) Save(key string, record []byte) error { return d.write("forced", key, record) }

func (d *diary) Note(key string, record []byte) error { return d.write("noted", key, record) }

func (d *diary) Defer(key string, record []byte) error { return d.write("deferred", key, record) }

// contained is an object that changes nothing outside when it is written.
type contained struct{ *counted }

func (contained) Contained() {}

// TestForced shows which requests are on disk before they run, and that no answer waits for one.
func TestForced(t *testing.T) {
	d := &diary{memory: &memory{}}
	live(t, func(c *Config) { c.Journal = d }, func(l *lives) {
		definition := *countedDefinition
		definition.ID++
		if _, err := l.tree.Add(&definition, contained{l.runs}); err != nil {
			t.Fatal(err)
		}
		l.wantCode(l.send(coap.POST, "/26301", lwm2m.FormatTLV, "\xc1\x01\x05"), coap.Created)
		for path, want := range map[string]string{"/26300/0/0": "[forced noted]", "/26301/0": "[deferred deferred]", "/26300/0": "[forced noted]"} {
			d.orders = nil
			l.send(coap.POST, path, lwm2m.FormatTLV, "\xc1\x01\x05")
			if got := fmt.Sprint(d.orders); got != want {
				t.Errorf("POST %s: %s, want %s", path, got, want)
			}
		}
	})
}

func TestOnceWithoutDisk(t *testing.T) {
	disk := &fragile{memory: &memory{}, fails: map[string]bool{}}
	live(t, func(c *Config) { c.Store = disk }, func(l *lives) {
		disk.fails[""] = true
		l.arrives(orderOf(t, 7, "/26300/0/0", "0='a'"))
		if n := l.runs.ran("a"); n != 1 {
			t.Errorf("it ran %d times", n)
		}
	})
}
