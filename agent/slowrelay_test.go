//go:build !386

package agent

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/file"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/coap"
)

// The download in real time takes more than a minute, in which it only waits: it begins with the package's tests, and the one that looks
// at it runs after those that are not parallel.
const realTimeTest = "TestSlowLinkInRealTime"

var realTime chan realTimeEnd

func TestMain(m *testing.M) {
	flag.Parse()
	wanted := flag.Lookup("test.run").Value.String()
	if ok, err := regexp.MatchString(wanted, realTimeTest); ok && err == nil && flag.Lookup("test.list").Value.String() == "" {
		realTime = make(chan realTimeEnd, 1)
		go func() { realTime <- fetchInRealTime() }()
	}
	os.Exit(m.Run())
}

// realTimeEnd is how it went.
type realTimeEnd struct {
	err       error
	status    fota.Status
	whole     bool // what is on disk is what was served
	bytes     int64
	sent      int64 // by the server
	froms     []int64
	took      time.Duration
	darkening int64
}

// TestSlowLinkInRealTime looks at a download of 32 kB by real sockets and in real time, over a link as NB-IoT has them. The agent is ended
// once on the way and the link is dark once.
func TestSlowLinkInRealTime(t *testing.T) {
	t.Parallel()
	if realTime == nil {
		t.Fatal("it was not begun")
	}
	end := <-realTime
	realTime <- end // for -count
	if end.err != nil {
		t.Fatal(end.err)
	}
	waste := float64(end.sent)/float64(end.bytes) - 1
	t.Logf("%d bytes took %v and %d on the link (%.1f %% more); attempts began at %v", end.bytes, end.took, end.sent, 100*waste, end.froms)
	if s := end.status; s.Phase != fota.Ready || s.Package.Version != "2.0" || !end.whole {
		t.Errorf("the update is %s, result %d: %s", s.Phase, s.Result, s.Reason)
	}
	if end.darkening != 2 || len(end.froms) != 2 || end.froms[1] < end.bytes/3 || waste >= 0.10 {
		t.Errorf("%d interruptions, attempts from %v, %.1f %% wasted; want 2, two, below 10 %%", end.darkening, end.froms, 100*waste)
	}
	if end.took < time.Duration(end.bytes/1024)*2*slowOneWay {
		t.Errorf("it took only %v: the link was not that slow", end.took)
	}
}

const (
	slowOneWay = 750 * time.Millisecond
	slowSize   = 32_000
	darkTime   = 3 * time.Second
)

// slowRelay forwards datagrams between one client and a server, late, and loses some.
type slowRelay struct {
	*weather
	near, far *net.UDPConn
	client    atomic.Pointer[net.UDPAddr]
	dark      atomic.Int64 // until then, nanoseconds since the epoch
	unheard   atomic.Bool  // it has become dark, and the client has not spoken since: what came before is still to be dealt with
	darkened  chan struct{}
}

// pass hands on what comes from one side.
func (r *slowRelay) pass(from *net.UDPConn, down bool, send func([]byte)) {
	buf := make([]byte, 2048)
	for {
		n, addr, err := from.ReadFromUDP(buf)
		if err != nil {
			return // it is closed
		}
		if !down {
			r.client.Store(addr)
			if r.unheard.CompareAndSwap(true, false) {
				r.darkened <- struct{}{}
			}
		}
		lost, ends, _ := r.fate(n, down)
		arrives := !lost && time.Now().UnixNano() > r.dark.Load()
		datagram := bytes.Clone(buf[:n])
		time.AfterFunc(r.delay, func() {
			if ends { // first, so that nothing slips through on a busy machine
				r.dark.Store(time.Now().Add(darkTime).UnixNano())
				r.unheard.Store(true)
			}
			if arrives {
				send(datagram)
			}
		})
	}
}

// realFetcher is coapFetcher with the profile of the bearer.
type realFetcher struct{ froms *[]int64 }

func (f realFetcher) Fetch(ctx context.Context, uri *url.URL, from fota.Position, to fota.Body) error {
	*f.froms = append(*f.froms, from.Offset)
	nc, err := client.DefaultDialer{}.Dial(ctx, client.Server{
		URI: uri.Scheme + "://" + uri.Host, Credentials: client.Credentials{Mode: client.SecurityNone},
	})
	if err != nil {
		return err
	}
	t := profiles[config.BearerNBIoT].transmission
	params := coap.Params{AckTimeout: t.AckTimeout, AckRandomFactor: t.AckRandomFactor, MaxRetransmit: t.MaxRetransmit, NStart: t.NStart}
	return fetchOver(ctx, nc, coap.Options{Params: params}, uri, from, to)
}

func fetchInRealTime() (end realTimeEnd) {
	dir, err := os.MkdirTemp("", "slow-link-")
	if err != nil {
		return realTimeEnd{err: err}
	}
	defer os.RemoveAll(dir)
	image := make([]byte, slowSize)
	_, _ = rand.NewChaCha8([32]byte{}).Read(image)
	content := file.Compose("gateway", "2.0", image)
	r := &slowRelay{
		weather:  &weather{delay: slowOneWay, dice: rand.New(rand.NewPCG(3, 2)), cut: int64(len(content)) * 2 / 5, cuts: 2},
		darkened: make(chan struct{}, 2),
	}
	stop, err := r.run(content)
	if err != nil {
		return realTimeEnd{err: err}
	}
	defer stop()
	slots, err := file.Open(file.Options{Dir: filepath.Join(dir, "slots"), BootID: "1", Version: "1.0"})
	if err != nil {
		return realTimeEnd{err: err}
	}
	began, record := time.Now(), &memoryJournal{}
	uri := fmt.Sprintf("coap://%s/package", r.near.LocalAddr())
	for interrupted := true; interrupted; {
		end.status, interrupted, end.err = r.life(fota.Config{
			Key: "k", Backend: slots, Journal: record, Dir: filepath.Join(dir, "download"), BootID: "1",
			Fetchers: map[string]fota.Fetcher{"coap": realFetcher{&end.froms}},
		}, uri)
		uri = ""
	}
	got, err := os.ReadFile(filepath.Join(dir, "download", "package"))
	if err != nil && end.err == nil {
		end.err = err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	end.whole, end.bytes, end.took, end.sent, end.darkening = bytes.Equal(got, content), int64(len(content)), time.Since(began), r.bytes, r.many
	return end
}

// run serves a package behind the relay.
func (r *slowRelay) run(content []byte) (stop func(), err error) {
	loopback := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	depot, err := net.ListenUDP("udp", loopback)
	if err != nil {
		return nil, err
	}
	if r.near, err = net.ListenUDP("udp", loopback); err != nil {
		return nil, err
	}
	if r.far, err = net.DialUDP("udp", nil, depot.LocalAddr().(*net.UDPAddr)); err != nil {
		return nil, err
	}
	listener := coap.Listen(depot, servingPackage(content), coap.ListenOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = listener.Run(ctx) })
	running.Go(func() { r.pass(r.near, false, func(b []byte) { _, _ = r.far.Write(b) }) })
	running.Go(func() {
		r.pass(r.far, true, func(b []byte) { _, _ = r.near.WriteToUDP(b, r.client.Load()) })
	})
	return func() {
		cancel()
		_, _, _ = listener.Close(), r.near.Close(), r.far.Close()
		running.Wait()
	}, nil
}

// life is one run of the agent, which begins with a URI or goes on. It ends with the first interruption, if that has not been, else
// with the download.
func (r *slowRelay) life(c fota.Config, uri string) (s fota.Status, interrupted bool, err error) {
	over := make(chan struct{})
	var once sync.Once
	c.OnChange = func(s fota.Status) {
		if s.Phase == fota.Ready || s.Result != fota.Initial {
			once.Do(func() { close(over) })
		}
	}
	u := fota.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = u.Run(ctx) })
	defer running.Wait()
	defer cancel()
	first := r.darkened
	if uri != "" {
		if err := u.Fetch(ctx, uri); err != nil {
			return s, false, err
		}
	} else {
		first = nil // the second one it bears
	}
	select {
	case <-over:
	case <-first:
		interrupted = true
	case <-time.After(10 * time.Minute):
		err = fmt.Errorf("nothing came of it within 10 minutes: %+v", u.Status())
	}
	return u.Status(), interrupted, err
}
