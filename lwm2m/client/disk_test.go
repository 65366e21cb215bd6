package client

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// full makes all that is saved fail, or succeed.
func (f *fragile) full(yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails[""] = yes
}

// on makes a device whose Store it is, over its lives.
func (f *fragile) on(log *logged) func(*Config) {
	return func(c *Config) {
		f.memory = c.Store.(*memory)
		c.Store = f
		if log != nil {
			c.Log = slog.New(slog.NewTextHandler(log, nil))
		}
	}
}

// TestSavedWhenThereIsRoom: a session that could not be saved when it began is saved once it can be, without a
// new registration, and outlives the process from then on.
func TestSavedWhenThereIsRoom(t *testing.T) {
	disk := &fragile{fails: map[string]bool{"": true}}
	var log logged
	live(t, disk.on(&log), func(l *lives) {
		w := l.observe(temperature, -1)
		l.after(48 * time.Hour)
		if n := strings.Count(log.String(), "will not outlive"); n != 1 {
			t.Errorf("%d lines of the log:\n%s", n, log.String())
		}
		disk.full(false)
		l.after(24 * time.Hour)
		l.server.take()
		l.kill()
		l.start(20)
		l.after(10 * time.Second)
		if calls := fmt.Sprint(l.server.take()); strings.Contains(calls, register) {
			t.Errorf("the server received %s", calls)
		}
		l.temperature(0, 25)
		synctest.Wait()
		if got := w.payloads(); len(got) == 0 || got[len(got)-1] != "25" {
			t.Errorf("told %q", got)
		}
	})
}

// TestFullDiskSaysSoOnce: numbers that cannot be reserved are tried again, not at full speed, and say so once.
func TestFullDiskSaysSoOnce(t *testing.T) {
	disk := &fragile{fails: map[string]bool{}}
	var log logged
	live(t, disk.on(&log), func(l *lives) {
		l.observe(temperature, -1)
		disk.full(true)
		for i := range 2000 {
			l.temperature(0, float64(i+100))
			l.after(time.Second)
		}
		l.after(time.Hour)
		if n := strings.Count(log.String(), "level=ERROR"); n > 2 {
			t.Errorf("%d lines of the log:\n%.2000s", n, log.String())
		}
	})
}

// TestFullDiskOfStored: that what is stored for a server that cannot be reached finds no room is said once, until it does.
func TestFullDiskOfStored(t *testing.T) {
	disk := &fragile{fails: map[string]bool{}}
	var log logged
	live(t, disk.on(&log), func(l *lives) {
		l.observe(temperature, -1)
		l.server.set(func(s *scripted) { s.refuse = errNoRoute })
		l.server.hangUp()
		for i := range 2 {
			disk.full(true)
			for range 60 {
				l.temperature(0, float64(time.Now().Minute()))
				l.after(time.Minute)
			}
			if n := strings.Count(log.String(), "would be lost"); n != i+1 {
				t.Errorf("%d lines of the log", n)
			}
			disk.full(false)
			l.after(5 * time.Minute)
		}
	})
}

// TestFullDiskOverDTLS: no record goes out with a number of which the disk does not say that it is used. When those are
// at an end and the disk is full, a new session takes the place of the old one, and works.
func TestFullDiskOverDTLS(t *testing.T) {
	s := &scripted{t: t}
	uri, security, sessions := s.listen(t, 6)
	disk := &fragile{memory: &memory{}, fails: map[string]bool{}}
	l, changed, end := lifeOn(t, s, disk, disk.memory, uri, security, 20)
	defer func() { end(false) }()
	l.await(changed, "registered", isRegistered)
	l.wantCalls(register)
	disk.full(true)
	read := &coap.Message{Code: coap.GET}
	read.SetPath("/3/0/0")
	answered := uint64(0)
	for sessions() == 1 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if _, err := s.connection().Do(ctx, read); err == nil {
			answered++
		}
		cancel()
		if answered > 3*minBlock {
			t.Fatalf("%d answers in the first session", answered)
		}
	}
	record, _ := disk.Load(edgeKey(101))
	if e, err := parseEdge(record); err != nil || answered > e.next {
		t.Errorf("%d answers, the disk says %d, %v", answered, e.next, err)
	}
	l.await(changed, "registered", isRegistered)
	l.wantCalls(register)
	l.exercise()
}

// mostLooks is how often a clock may be looked at in no time.
const mostLooks = 1000

// restless is a clock that counts how often it is looked at in no time. Who does that all the time has to wait, so that a test ends.
type restless struct {
	mu    sync.Mutex
	at    time.Time
	looks int
	most  int
}

func (r *restless) now() time.Time {
	r.mu.Lock()
	now := time.Now()
	if !now.Equal(r.at) {
		r.at, r.looks = now, 0
	}
	r.looks++
	r.most = max(r.most, r.looks)
	busy := r.looks > mostLooks
	r.mu.Unlock()
	if busy {
		time.Sleep(time.Second)
	}
	return now
}

func (r *restless) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.most > mostLooks {
		t.Errorf("the clock is looked at %d times in no time", r.most)
	}
}

// TestFullDiskIsNoWork shows that a disk which takes nothing costs no more than a try now and then: while the time of an Update cannot be noted, with
// numbers left, and when the connection is lost meanwhile.
func TestFullDiskIsNoWork(t *testing.T) {
	for name, meanwhile := range map[string]func(*scripted){
		"registered":      func(*scripted) {},
		"connection lost": (*scripted).hangUp,
	} {
		t.Run(name, func(t *testing.T) {
			disk, clock := &fragile{fails: map[string]bool{}}, &restless{}
			live(t, func(c *Config) {
				disk.on(nil)(c)
				c.Now = clock.now
			}, func(l *lives) {
				l.publish(l.accounts, func(b *model.Batch) { b.Set(0, serverLifetime, lwm2m.Integer(3600)) })
				l.after(20 * time.Minute)
				disk.full(true)
				_ = l.client.Update(101)
				l.after(0)
				l.server.set(func(s *scripted) { s.refuse = errNoRoute })
				meanwhile(l.server)
				l.after(24 * time.Hour)
				clock.check(t)
			})
		})
	}
}

// TestRestartAskedWithoutConnection shows that a Reboot during which the connection is lost is no problem where the session could not be taken off a
// full disk.
func TestRestartAskedWithoutConnection(t *testing.T) {
	disk := &fragile{fails: map[string]bool{}}
	live(t, disk.on(nil), func(l *lives) {
		disk.full(true)
		l.server.set(func(s *scripted) { s.refuse = errNoRoute })
		l.server.hangUp()
		l.after(time.Second)
		l.client.present()[0].inbox.put(restartAsked{})
		l.after(time.Minute)
		l.wantState(Waiting)
	})
}
