package at

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at/attest"
)

// echoes is a desk whose modem has sockets, and an echo at the other end of each.
type echoes struct {
	*desk
	stack *attest.Stack

	mu   sync.Mutex
	mute bool
	ends []net.Conn
}

func newEchoes(t *testing.T, module, family string) *echoes {
	t.Helper()
	e := &echoes{}
	var wait sync.WaitGroup
	e.desk = newDesk(t, module, nil)
	e.stack = e.sim.Connect(family, func(string) (net.Conn, error) {
		near, far := net.Pipe()
		e.mu.Lock()
		e.ends = append(e.ends, far)
		e.mu.Unlock()
		wait.Go(func() { e.echo(far) })
		return near, nil
	})
	t.Cleanup(func() {
		e.stack.Close()
		wait.Wait()
	})
	return e
}

func (e *echoes) echo(far net.Conn) {
	buf := make([]byte, 2048)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return
		}
		e.mu.Lock()
		mute := e.mute
		e.mu.Unlock()
		if !mute {
			_, _ = far.Write(buf[:n])
		}
	}
}

func (e *echoes) dialUDP(t *testing.T) net.Conn {
	t.Helper()
	conn, err := e.DialUDP(t.Context(), "192.0.2.1:5684")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange sends a datagram and reports whether it comes back within a time.
func exchange(t *testing.T, conn net.Conn, datagram []byte, limit time.Duration) bool {
	t.Helper()
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	if err != nil || !bytes.Equal(buf[:n], datagram) {
		t.Fatalf("%q, %v; want %q", buf[:n], err, datagram)
	}
	return true
}

// modules are those with sockets, and the family of their commands.
var modules = []struct {
	module, family string
	most           int
}{
	{"bg95", "quectel", 1460},
	{"ec25", "quectel", 1460},
	{"rg500", "quectel", 1460},
	{"bc660", "bc660", 512},
	{"sara-r4", "ublox", 1024},
	{"sara-r5", "ublox", 1024},
	{"sara-n3", "ublox", 1024},
	{"sara-n2", "neul", 512},
	{"bc95", "neul", 512},
	{"sim7080", "simcom", 1460},
	{"sim7000", "sim7000", 1460},
	{"sim7600", "sim7600", 1460},
}

// nasty are datagrams that look like what a modem says.
func nasty(most int) [][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return [][]byte{
		{0},
		every, []byte("\r\nOK\r\n"), []byte("\r\nERROR\r\n> "), []byte("> @"), []byte("\r\n+QIURC: \"closed\",0\r\n"), []byte("\x1a\x1b"),
		[]byte("\r\nRDY\r\n"), bytes.Repeat([]byte("\n\""), most/2),
	}
}

func TestSockets(t *testing.T) {
	for _, tt := range modules {
		t.Run(tt.module, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEchoes(t, tt.module, tt.family)
				if s, _ := e.look(); s.Datagram != tt.most {
					t.Errorf("the modem tells %d bytes", s.Datagram)
				}
				conn := e.dialUDP(t)
				for _, d := range nasty(tt.most) {
					if !exchange(t, conn, d, time.Second) {
						t.Fatalf("%q does not come back", d)
					}
				}
				if _, err := conn.Write(make([]byte, tt.most+1)); !errors.Is(err, syscall.EMSGSIZE) {
					t.Errorf("too long: %v", err)
				}
				if n := e.stack.Opened(); n != 1 {
					t.Errorf("opened %d times", n)
				}
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if _, err := conn.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
					t.Errorf("write to what is closed: %v", err)
				}
				if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("read from what is closed: %v", err)
				}
				sent := e.sim.Commands()
				if last := sent[len(sent)-1]; !slices.Contains([]string{"AT+QICLOSE=0", "AT+USOCL=0", "AT+CACLOSE=0", "AT+NSOCL=0", "AT+CIPCLOSE=0"}, last) {
					t.Errorf("it is not closed in the module: %q", last)
				}
			})
		})
	}
}

// TestSocketOutlives has the network and the modem close a socket in each way: the next datagram opens it
// anew.
func TestSocketOutlives(t *testing.T) {
	for _, tt := range modules {
		for name, harm := range map[string]func(*echoes) error{
			"closed by the network": func(e *echoes) error { return e.stack.Lose() },
			"connection taken back": func(e *echoes) error { return e.stack.Deactivate() },
			"closed without a word": func(e *echoes) error { e.stack.Close(); return nil },
			"modem restarted":       func(e *echoes) error { return e.stack.Reboot() },
			"port gone": func(e *echoes) error {
				e.unplug(nil)
				time.Sleep(modem.MaxPause)
				return nil
			},
		} {
			t.Run(tt.module+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEchoes(t, tt.module, tt.family)
					conn := e.dialUDP(t)
					if !exchange(t, conn, []byte("before"), time.Second) {
						t.Fatal("nothing comes back")
					}
					if err := harm(e); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					lost := func() bool { return conn.LocalAddr().(*net.UDPAddr).IP.Equal(net.IPv6unspecified) }
					without := name == "closed without a word" || tt.family == "neul" && name == "connection taken back"
					if lost() == without {
						t.Errorf("it tells that it is lost: %v", lost())
					}
					for i := range 4 { // as CoAP does: again after some time
						if exchange(t, conn, []byte("after"), 4*time.Second) {
							if lost() {
								t.Error("it still tells that it is lost")
							}
							return
						}
						t.Logf("attempt %d is lost", i)
					}
					t.Errorf("it does not come back: %q", e.sim.Commands())
				})
			})
		}
	}
}

// TestSocketOfStuckPort has the modem not answer for a while: nobody waits for it, and what comes later is delivered.
func TestSocketOfStuckPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEchoes(t, "bg95", "quectel")
		conn := e.dialUDP(t)
		exchange(t, conn, []byte("before"), time.Second)
		e.sim.Silence(true)
		began := time.Now()
		for range 10 * maxQueued {
			if _, err := conn.Write([]byte("lost")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.DialUDP(t.Context(), "192.0.2.1:5683"); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %v", d)
		}
		time.Sleep(time.Minute)
		e.sim.Silence(false)
		time.Sleep(2 * modem.MaxPause)
		for range maxQueued { // what has waited, at most
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := conn.Read(make([]byte, 16)); err != nil {
				break
			}
		}
		if !exchange(t, conn, []byte("after"), time.Minute) {
			t.Errorf("it does not come back: %q", e.sim.Commands())
		}
	})
}

// TestSocketOverBadLine loses bytes on the way from the modem at places of an exchange: the next datagrams arrive
// again.
func TestSocketOverBadLine(t *testing.T) {
	for _, tt := range modules {
		t.Run(tt.module, func(t *testing.T) {
			for drop := range 24 {
				synctest.Test(t, func(t *testing.T) {
					e := newEchoes(t, tt.module, tt.family)
					conn := e.dialUDP(t)
					exchange(t, conn, []byte("before"), time.Second)
					var chunk atomic.Int64
					e.sim.Mangle(func(c string) string {
						if chunk.Add(1) == int64(drop/3+1) && len(c) > 2 {
							at := len(c) * (drop % 3) / 3
							return c[:at] + c[min(at+2, len(c)):]
						}
						return c
					})
					if _, err := conn.Write([]byte("a datagram of which the line loses something")); err != nil {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Minute)
					for _, text := range []string{"after", "again", "anew"} {
						if _, err := conn.Write([]byte(text)); err != nil {
							t.Fatal(err)
						}
						if reads(t, conn, text) {
							return
						}
					}
					t.Errorf("%d: nothing comes back: %q", drop, e.sim.Commands())
				})
			}
		})
	}
}

// reads reports whether a datagram comes within a minute. Before it may come what was damaged, as it is: a serial
// line has no checksum, DTLS has.
func reads(t *testing.T, conn net.Conn, want string) bool {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return false
		}
		if string(buf[:n]) == want {
			return true
		}
	}
}

// TestNoConnectionForSockets has the network refuse the connection for a day: it is asked for seldom.
func TestNoConnectionForSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEchoes(t, "bg95", "quectel")
		e.sim.Set("AT+QIACT=1", "ERROR")
		asked := 0
		e.sim.Handle("AT+QIACT=1", func(string) string {
			asked++
			return "ERROR"
		})
		conn := e.dialUDP(t)
		for range 24 * 60 {
			if _, err := conn.Write([]byte("lost")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if most := 24*60/10 + 8; asked < 10 || asked > most {
			t.Errorf("asked %d times, want up to %d", asked, most)
		}
	})
}

func TestLookup(t *testing.T) {
	for _, tt := range modules {
		if tt.family == "bc660" || tt.family == "neul" {
			continue // they know no way to ask
		}
		t.Run(tt.module, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEchoes(t, tt.module, tt.family)
				e.stack.Host("lwm2m.example.com", "192.0.2.7")
				found, err := e.LookupNetIP(t.Context(), "ip", "lwm2m.example.com")
				if err != nil || len(found) != 1 || found[0] != netip.MustParseAddr("192.0.2.7") {
					t.Errorf("%v, %v", found, err)
				}
				for _, name := range []string{"nowhere.example.com", `a","b`, "a\rATH"} {
					var dns *net.DNSError
					if found, err := e.LookupNetIP(t.Context(), "ip", name); !errors.As(err, &dns) {
						t.Errorf("%q: %v, %v", name, found, err)
					}
				}
			})
		})
	}
}

// TestNoSockets shows who has none.
func TestNoSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "telit", nil)
		if _, err := d.DialUDP(t.Context(), "192.0.2.1:5684"); !errors.Is(err, ErrNoSockets) {
			t.Errorf("Telit: %v", err)
		}
		e := newEchoes(t, "bg95", "quectel")
		if _, err := e.DialUDP(t.Context(), "host:5684"); err == nil {
			t.Error("a name was taken for an address")
		}
		e.unplug(errors.New("gone"))
		synctest.Wait()
		if _, err := e.DialUDP(t.Context(), "192.0.2.1:5684"); !errors.Is(err, ErrAbsent) {
			t.Errorf("a modem that is away: %v", err)
		}
		if _, err := e.LookupNetIP(t.Context(), "ip", "h"); !errors.Is(err, ErrAbsent) {
			t.Errorf("a modem that is away: %v", err)
		}
	})
}

// TestReadDeadline interrupts a reader, as coap.Conn does.
func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEchoes(t, "bg95", "quectel")
		conn := e.dialUDP(t)
		failed := make(chan error)
		read := func() {
			_, err := conn.Read(make([]byte, 1))
			failed <- err
		}
		for _, interrupt := range []func(){
			func() { _ = conn.SetDeadline(time.Now().Add(time.Second)) },
			func() { _ = conn.SetReadDeadline(time.Now()) },
			func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) },
		} {
			_ = conn.SetReadDeadline(time.Now().Add(time.Hour))
			go read()
			synctest.Wait()
			interrupt()
			if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v", err)
			}
		}
		_ = conn.SetReadDeadline(time.Time{})
		if !exchange(t, conn, []byte("x"), time.Second) {
			t.Error("nothing comes any more")
		}
		_ = conn.SetReadDeadline(time.Time{})
		go read()
		synctest.Wait()
		_ = conn.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
		if err := conn.SetReadDeadline(time.Now()); !errors.Is(err, net.ErrClosed) || conn.Close() != nil {
			t.Errorf("a deadline of what is closed: %v", err)
		}
		if a := conn.LocalAddr().(*net.UDPAddr); a.AddrPort().Addr() != netip.MustParseAddr("10.45.0.2") || a.Port < 49152 {
			t.Errorf("local address %v", a)
		}
	})
}

// TestCountedBytes has an answer with bytes of any kind come byte by byte.
func TestCountedBytes(t *testing.T) {
	for _, tt := range []struct {
		family *udp
		prefix string
		answer string
	}{
		{&quectelUDP, "+QIRD:", "\r\n+QIRD: 6,\"192.0.2.1\",5684\r\n\r\nOK\r\n\r\n\r\nOK\r\n"},
		{&ubloxUDP, "+USORF:", "\r\n+USORF: 0,\"192.0.2.1\",5684,6,\"\r\nOK\r\n\"\r\n\r\nOK\r\n"},
		{&simcomUDP, "+CARECV:", "\r\n+CARECV: 6,\r\nOK\r\n\r\n\r\nOK\r\n"},
	} {
		h := newHand()
		p := &pump{family: tt.family}
		p.do = func(_ context.Context, cmd Command) ([]string, error) {
			r := h.start(t, cmd)
			for i := range tt.answer {
				if err := h.take([]byte{tt.answer[i]}); err != nil {
					t.Fatal(err)
				}
			}
			return r.lines, <-r.result
		}
		d, from, err := tt.family.receive(t.Context(), p, 0)
		if err != nil || string(d) != "\r\nOK\r\n" || from.IsValid() && from.String() != "192.0.2.1:5684" {
			t.Errorf("%s: %q, %v, %v", tt.prefix, d, from, err)
		}
	}
}
