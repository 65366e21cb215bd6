package coap

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// megabyte is the body of the transfers with libcoap.
var megabyte = numbered(1 << 20)

// libcoap returns the path of one of libcoap's programs without security.
func libcoap(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name + "-notls")
	if err != nil {
		t.Fatalf("%v: install the Debian package libcoap3-bin", err)
	}
	return path
}

// libcoapServer starts coap-server, which keeps what is put, and returns a connection to it.
func libcoapServer(t *testing.T, o Options) *Conn {
	t.Helper()
	free := listenLoopback(t)
	port := free.LocalAddr().(*net.UDPAddr).Port
	_ = free.Close()
	server := exec.CommandContext(t.Context(), libcoap(t, "coap-server"), "-A", "127.0.0.1", "-p", strconv.Itoa(port), "-d", "10")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() }) // its context has ended
	c := New(dial(t, free.LocalAddr()), nil, o)
	run(t, c)
	params := c.Params()
	c.SetParams(Params{AckTimeout: 50 * time.Millisecond, MaxRetransmit: 9}) // until it has started
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.SetParams(params)
	return c
}

// libcoapClient runs coap-client against a listener and returns what it prints.
func libcoapClient(t *testing.T, l *Listener, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client := exec.CommandContext(ctx, libcoap(t, "coap-client"), append(args, fmt.Sprintf("coap://%v%s", l.Addr(), path))...)
	out, err := client.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", client.Args, err, out)
	}
	return string(out)
}

func TestLibcoapServer(t *testing.T) {
	t.Parallel() // they mostly wait for the other process
	for _, size := range []int{1024, 64} {
		t.Run(fmt.Sprintf("blocks of %d", size), func(t *testing.T) {
			body := megabyte[:min(len(megabyte), size*2000)] // at most 2,000 blocks
			c := libcoapServer(t, Options{Params: Params{BlockSize: size}})
			before := c.Counters()
			put := &Message{Code: PUT, Body: bytes.NewReader(body)}
			put.SetPath("/big")
			put.SetContentFormat(42)
			m, err := c.Do(t.Context(), put)
			if err != nil || m.Code != Created {
				t.Fatalf("PUT: %v, %v", m, err)
			}
			m, err = c.Do(t.Context(), get("/big"))
			if err != nil || m.Code != Content || !bytes.Equal(m.Payload, body) {
				t.Fatalf("GET: %v", err)
			}
			var half bytes.Buffer
			m, err = c.Download(t.Context(), get("/big"), Resume{Offset: int64(len(body) / 2), ETag: m.ETag()}, &half)
			if err != nil || m.Code != Content || !bytes.Equal(half.Bytes(), body[len(body)/2:]) {
				t.Errorf("resumed GET: %d bytes, %v", half.Len(), err)
			}
			if n := c.Counters(); n.Retransmissions > before.Retransmissions || n.Malformed > 0 {
				t.Errorf("counted %+v, before %+v", n, before)
			}
			if err := c.Ping(t.Context()); err != nil { // it answers the second
				t.Errorf("ping: %v", err)
			}
		})
	}
}

func TestLibcoapServerObserve(t *testing.T) {
	t.Parallel() // they mostly wait for the other process
	c := libcoapServer(t, Options{})
	obs, m, err := c.Observe(t.Context(), get("/time"))
	if err != nil || obs == nil {
		t.Fatalf("got %v, %v, %v", obs, m, err)
	}
	last := string(m.Payload)
	for range 2 { // one a second
		m, err := obs.Next(t.Context())
		if err != nil || string(m.Payload) == last {
			t.Fatalf("got %v, %v after %q", m, err, last)
		}
		last = string(m.Payload)
	}
	if m, err = obs.Cancel(t.Context()); err != nil || m.Code != Content {
		t.Errorf("cancel: %v, %v", m, err)
	}

	if obs, _, err = c.Observe(t.Context(), get("/time")); err != nil || obs == nil {
		t.Fatalf("again: %v", err)
	}
	obs.Forget()
	received := c.Counters().ReceivedDatagrams
	waitFor(t, func() bool { return c.Counters().ReceivedDatagrams > received }) // the notification that is reset
	sent := c.Counters().SentDatagrams
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if n := c.Counters().SentDatagrams; n > sent+1 {
		t.Errorf("%d more notifications after the reset", n-sent)
	}
}

// waitFor polls a condition that another process brings about.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatal("nothing happened")
		}
	}
}

func TestLibcoapClientGet(t *testing.T) {
	t.Parallel() // they mostly wait for the other process
	var runs atomic.Int32
	l := serve(t, listenLoopback(t), func(x *Exchange) {
		runs.Add(1)
		m := &Message{Code: Content, Payload: megabyte}
		m.SetContentFormat(42)
		_ = x.Respond(m)
	}, Options{})
	for _, args := range [][]string{nil, {"-b", "1024"}, {"-b", "512"}, {"-N"}, {"-l", "2,700"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			runs.Store(0)
			file := filepath.Join(t.TempDir(), "got")
			libcoapClient(t, l, "/big", append(args, "-o", file)...)
			got, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(got, megabyte) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if runs.Load() != 1 {
				t.Errorf("the handler ran %d times", runs.Load())
			}
		})
	}
}

func TestLibcoapClientPut(t *testing.T) {
	t.Parallel() // they mostly wait for the other process
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, megabyte, 0o600); err != nil {
		t.Fatal(err)
	}
	bodies := make(chan []byte, 1)
	handler := func(x *Exchange) {
		bodies <- bytes.Clone(x.Request.Payload)
		_ = x.Reply(Changed)
	}
	var sunk bytes.Buffer
	sink := &recorder{answer: func(x *Exchange, last bool) {
		sunk.Write(x.Request.Payload)
		if last {
			bodies <- bytes.Clone(sunk.Bytes())
			sunk.Reset()
		}
		answerAtOnce(x, last)
	}}
	for _, tt := range []struct {
		name    string
		options Options
		args    []string
	}{
		{"assembled", Options{}, nil},
		{"assembled, lossy", Options{}, []string{"-l", "2,700"}},
		{"smaller blocks wanted by the server", Options{Params: Params{BlockSize: 512}}, nil},
		{"NON", Options{}, []string{"-N"}},
		{"streamed", Options{Upload: func(*Message) Sink { return sink }}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := serve(t, listenLoopback(t), handler, tt.options)
			libcoapClient(t, l, "/fw", append(tt.args, "-m", "put", "-t", "42", "-f", file)...)
			select {
			case got := <-bodies:
				if !bytes.Equal(got, megabyte) {
					t.Errorf("got %d bytes", len(got))
				}
			default:
				t.Error("no body arrived")
			}
		})
	}
}

func TestLibcoapClientIsRefused(t *testing.T) {
	t.Parallel() // they mostly wait for the other process
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, megabyte, 0o600); err != nil {
		t.Fatal(err)
	}
	l := serve(t, listenLoopback(t), constant(), Options{Limits: Limits{MaxBody: 10_000}})
	if out := libcoapClient(t, l, "/fw", "-m", "put", "-f", file); !strings.Contains(out, "4.13") {
		t.Errorf("printed %q, want 4.13", out)
	}
}

// libcoap observes and pings, is notified by NON and CON in one and in several blocks, and cancels.
func TestLibcoapClientObserve(t *testing.T) {
	t.Parallel() // they mostly wait for the other process
	type observer struct {
		c   *Conn
		req *Message
	}
	var pings atomic.Int32
	observers, cancelled := make(chan observer, 1), make(chan struct{})
	l := serve(t, listenLoopback(t), func(x *Exchange) {
		m := &Message{Code: Content, Payload: []byte("value 0\n")}
		switch v, ok := x.Request.Observe(); {
		case ok && v == 0:
			m.SetObserve(x.Conn().NextObserve())
			observers <- observer{x.Conn(), x.Request.Clone()}
		case ok && v == 1:
			close(cancelled)
		}
		_ = x.Respond(m)
	}, Options{Trace: func(d Direction, b []byte) {
		if d == Received && bytes.HasPrefix(b, []byte{0x40, 0}) {
			pings.Add(1)
		}
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// It observes for 8 seconds, in which a busy machine manages all of this. A ping that falls due at that very moment makes it forget to
	// cancel: 3 does not divide 8.
	client := exec.CommandContext(ctx, libcoap(t, "coap-client"), "-s", "8", "-K", "3", "-w", fmt.Sprintf("coap://%v/a", l.Addr()))
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Errorf("libcoap did not print %q", want)
	}
	o := <-observers
	expect("value 0")
	acknowledged := make(chan error, 1)
	long := strings.Repeat("long value\n", 200)
	for i, m := range []*Message{
		{Type: NON, Code: Content, Payload: []byte("value 1\n")},
		{Type: CON, Code: Content, Payload: []byte("value 2\n")},
		{Type: CON, Code: Content, Payload: []byte(long + "value 3\n")},
	} {
		if err := o.c.Notify(o.req, m, func(err error) { acknowledged <- err }); err != nil {
			t.Fatal(err)
		}
		expect(fmt.Sprintf("value %d", i+1))
		if m.Type == CON {
			if err := <-acknowledged; err != nil {
				t.Errorf("notification %d: %v", i+1, err)
			}
		}
	}
	if err := o.c.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	select {
	case <-cancelled:
	case <-ctx.Done():
		t.Error("libcoap did not cancel")
	}
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	if pings.Load() == 0 {
		t.Error("libcoap did not ping")
	}
}
