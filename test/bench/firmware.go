package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"lwm2m-agent/fota/file"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/test/process"
)

// How large packages are, in bytes, and how often one is pushed.
const (
	pullSize  = 64_000_000
	smallPull = pullSize / 4
	pushSize  = 1_000_000
	pushes    = 9
	pushBlock = 512
)

// firmware measures how fast packages come, up to the State that says that they are verified, and what memory that takes.
func (b *bench) firmware() {
	content := b.composePackage(b.times(pullSize))
	ceiling := b.roundTrips(1024) * 1024
	for _, kind := range []struct {
		what   string
		goal   float64 // bytes a second
		listen func() *peer
	}{
		{"UDP", 20e6, b.plainPeer},
		{"DTLS-PSK", 6e6, b.securePeer},
	} {
		rate := b.pull(kind.listen, content)
		b.add(row{
			fmt.Sprintf("pull of a package of %s by CoAP, %s, blocks of 1,024 bytes", mega(pullSize), kind.what),
			fmt.Sprintf("%s; one block after the other, the bare sockets bring %s", rateOf(rate), rateOf(ceiling)), rateOf(kind.goal), "–", rate >= kind.goal,
		})
	}
	b.pullByHTTP(content)
	b.pushed()
}

// composePackage makes a package of about a size that does not compress.
func (b *bench) composePackage(size int) []byte {
	image := make([]byte, size)
	_, err := rand.Read(image)
	b.must(err, "make an image")
	return file.Compose("gateway", "2.0", image)
}

func rateOf(bytes float64) string { return mega(bytes) + "/s" }

// launchUpdating starts the agent with slots that are files.
func (b *bench) launchUpdating(p *peer) *process.Process {
	path := b.configure(10, p)
	text, err := os.ReadFile(path)
	b.must(err, "read the configuration")
	b.must(os.WriteFile(path, append(text, "[firmware]\nbackend = \"file\"\n"...), 0o600), "write the configuration")
	return b.launch(path)
}

// pull returns how many bytes a second come from the write of the URI to the State Downloaded. The package comes from a server of its
// own, since a connection has been made to it by nobody before.
func (b *bench) pull(listen func() *peer, content []byte) (rate float64) {
	b.during(func() {
		p, depot := listen(), listen()
		depot.content.Store(&content)
		b.launchUpdating(p)
		u := b.updates(p.await().conn)
		rate = float64(len(content)) / u.pull(depot.uri+"/package").Seconds()
	})
	return rate
}

// updating is a server that updates a client.
type updating struct {
	*bench
	conn  *coap.Conn
	state *coap.Observation
}

func (b *bench) updates(conn *coap.Conn) *updating {
	o, answer, err := conn.Observe(b.ctx, get("/5/0/3"))
	b.must(err, "observe State")
	if o == nil {
		b.Fatalf("observe State: %s %s", answer.Code, answer.Payload)
	}
	return &updating{b, conn, o}
}

// pull has the client fetch a package, returns how long it takes and has it forgotten.
func (u *updating) pull(uri string) time.Duration {
	begin := time.Now()
	u.write("/5/0/1", lwm2m.FormatText, []byte(uri))
	took := u.downloaded().Sub(begin)
	u.reset()
	return took
}

func (u *updating) write(path string, f lwm2m.Format, content []byte) {
	m := &coap.Message{Code: coap.PUT, Payload: content}
	m.SetPath(path)
	m.SetContentFormat(uint16(f))
	u.do(u.conn, m)
}

// downloaded returns when the package was found good.
func (u *updating) downloaded() time.Time {
	u.awaitState("2")
	return time.Now()
}

func (u *updating) reset() {
	u.write("/5/0/1", lwm2m.FormatText, nil)
	u.awaitState("0")
}

func (u *updating) awaitState(want string) {
	within, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	for {
		n, err := u.state.Next(within)
		u.must(err, "wait for State "+want)
		if strings.Contains(string(n.Payload), want) {
			return
		}
	}
}

// pullByHTTP compares with the disk: the same bytes, written as they come and synced.
func (b *bench) pullByHTTP(content []byte) {
	small := b.composePackage(b.times(smallPull))
	var given atomic.Pointer[[]byte]
	var rate, disk, fewer, more float64
	b.during(func() {
		uri := b.serveHTTP(&given)
		p := b.plainPeer()
		agent := b.launchUpdating(p)
		u := b.updates(p.await().conn)
		given.Store(&small)
		b.forgetHighWater(agent.PID())
		for range pullSize / smallPull { // as many bytes: the collector lets the heap reach its size as often
			u.pull(uri)
		}
		fewer = b.highWater(agent.PID())
		given.Store(&content)
		b.forgetHighWater(agent.PID())
		disk = b.diskSpeed(content)
		rate = float64(len(content)) / u.pull(uri).Seconds()
		more = b.highWater(agent.PID())
	})
	b.add(row{
		fmt.Sprintf("pull of a package of %s by HTTP", mega(pullSize)), rateOf(rate),
		fmt.Sprintf("that of the disk: %s", rateOf(disk)), "–", rate >= disk,
	})
	b.add(row{
		fmt.Sprintf("largest RSS after a package of %s", mega(pullSize)), fmt.Sprintf("%s (%s after %d of %s)", mega(more), mega(fewer), pullSize/smallPull, mega(smallPull)),
		"no growth", "–", more <= 1.05*fewer,
	})
}

func (b *bench) serveHTTP(content *atomic.Pointer[[]byte]) (uri string) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	b.must(err, "listen")
	web := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(*content.Load()))
	})}
	b.background(func(context.Context) { _ = web.Serve(l) }, func() { _ = web.Close() })
	return "http://" + l.Addr().String() + "/package"
}

// diskSpeed writes a file as a package is written, and syncs it.
func (b *bench) diskSpeed(content []byte) float64 {
	begin := time.Now()
	f, err := os.Create(filepath.Join(b.TempDir(), "package"))
	b.must(err, "make a file")
	_, err = f.Write(content)
	b.must(err, "write a file")
	b.must(f.Sync(), "sync a file")
	b.must(f.Close(), "close a file")
	return float64(len(content)) / time.Since(begin).Seconds()
}

// pushed times a push, from the first block to the answer to the last, when the package is on disk.
func (b *bench) pushed() {
	content := b.composePackage(b.times(pushSize))
	exchanges := (len(content) + pushBlock - 1) / pushBlock
	b.placed(fmt.Sprintf("push of a package of %s, blocks of %d bytes", mega(pushSize), pushBlock), func(name string) {
		took := b.push(content)
		floor := time.Duration(float64(exchanges) / b.roundTrips(pushBlock) * float64(time.Second))
		b.add(row{
			name, fmt.Sprintf("%s in %d exchanges, for which the bare sockets take %s", micro(took), exchanges, micro(floor)),
			"0.15 s", "–", took <= 150*time.Millisecond,
		})
	})
}

// push returns the median of several.
func (b *bench) push(content []byte) (took time.Duration) {
	b.during(func() {
		p := b.plainPeer()
		b.launchUpdating(p)
		u := b.updates(p.await().conn)
		params := coap.DefaultParams()
		params.BlockSize = pushBlock
		u.conn.SetParams(params)
		took = b.median(pushes, func() time.Duration {
			begin := time.Now()
			u.write("/5/0/0", lwm2m.FormatOpaque, content)
			took := time.Since(begin)
			u.downloaded()
			u.reset()
			return took
		})
	})
	return took
}

// forgetHighWater has the kernel begin anew with highWater (proc(5), clear_refs).
func (b *bench) forgetHighWater(pid int) {
	b.must(os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200), "forget the most memory")
}

// highWater is the most resident memory that a process has had, in bytes.
func (b *bench) highWater(pid int) float64 {
	return float64(b.statusField(fmt.Sprintf("/proc/%d/status", pid), "VmHWM")) * 1024
}
