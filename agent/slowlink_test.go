package agent

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/file"
	"lwm2m-agent/lwm2m/coap"
)

// weather is what a link does to datagrams.
type weather struct {
	delay time.Duration // one way
	cut   int64         // bytes between two interruptions, counted as the server sends them
	cuts  int64         // how many

	mu    sync.Mutex
	dice  *rand.Rand
	bytes int64 // that the server has put on links
	many  int64 // interruptions
}

const lossPercent = 2

// fate returns whether a datagram is lost, whether the link ends with it, and whether the network
// tells of that.
func (w *weather) fate(n int, down bool) (lost, ends, told bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if down {
		w.bytes += int64(n)
		if ends = w.many < w.cuts && w.bytes >= (w.many+1)*w.cut; ends {
			w.many++
		}
	}
	return w.dice.IntN(100) < lossPercent, ends, w.many%2 == 0
}

// station is one end of a slow link.
type station struct {
	*weather
	down   bool // it is the server's
	other  *station
	in     chan []byte
	gone   *atomic.Bool // nothing arrives any more
	said   *atomic.Bool // and the network says so
	closed chan struct{}
	once   sync.Once
}

// link returns the two ends of a new one.
func (w *weather) link() (client, server *station) {
	gone, said := new(atomic.Bool), new(atomic.Bool)
	end := func(down bool) *station {
		return &station{weather: w, down: down, in: make(chan []byte, 64), gone: gone, said: said, closed: make(chan struct{})}
	}
	client, server = end(false), end(true)
	client.other, server.other = server, client
	return client, server
}

func (s *station) Write(b []byte) (int, error) {
	if s.said.Load() {
		return 0, syscall.ENETUNREACH
	}
	lost, ends, told := s.fate(len(b), s.down)
	if ends {
		s.gone.Store(true)
		s.said.Store(told)
	}
	if !lost && !s.gone.Load() {
		datagram := bytes.Clone(b)
		time.AfterFunc(s.delay, func() {
			select {
			case s.other.in <- datagram:
			default:
			}
		})
	}
	return len(b), nil
}

func (s *station) Read(b []byte) (int, error) {
	select {
	case <-s.closed:
		return 0, net.ErrClosed
	case datagram := <-s.in:
		return copy(b, datagram), nil
	}
}

func (s *station) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *station) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (s *station) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (s *station) SetWriteDeadline(time.Time) error { return nil }
func (s *station) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (s *station) RemoteAddr() net.Addr             { return &net.UDPAddr{} }

// slowFetcher is coapFetcher over such links.
type slowFetcher struct {
	*weather
	content []byte
	froms   []int64
}

func (f *slowFetcher) Fetch(ctx context.Context, uri *url.URL, from fota.Position, to fota.Body) error {
	f.froms = append(f.froms, from.Offset)
	near, far := f.link()
	depot := coap.New(far, servingPackage(f.content), coap.Options{})
	var running sync.WaitGroup
	running.Go(func() { _ = depot.Run(ctx) })
	err := fetchOver(ctx, near, coap.Options{}, uri, from, to)
	_ = depot.Close()
	running.Wait()
	return err
}

// servingPackage answers each request with a package.
func servingPackage(content []byte) coap.Handler {
	return func(x *coap.Exchange) {
		m := &coap.Message{Code: coap.Content, Body: bytes.NewReader(content)}
		m.SetETag([]byte("1"))
		_ = x.Respond(m)
	}
}

// memoryJournal is a journal in memory.
type memoryJournal struct{ record []byte }

func (j *memoryJournal) Load(string) ([]byte, error)        { return j.record, nil }
func (j *memoryJournal) Save(_ string, record []byte) error { j.record = record; return nil }

// fetchSlowly has an update fetch a package of a size.
func fetchSlowly(t *testing.T, w *weather, size int) {
	t.Helper()
	w.dice, w.cuts = rand.New(rand.NewPCG(1, 2)), 10
	w.cut = int64(size) / (w.cuts + 1)
	dir := t.TempDir()
	slots, err := file.Open(file.Options{Dir: filepath.Join(dir, "slots"), BootID: "1", Version: "1.0"})
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	f := &slowFetcher{weather: w, content: file.Compose("gateway", "2.0", content)}
	over := make(chan struct{})
	var once sync.Once
	u := fota.New(fota.Config{
		Key: "k", Backend: slots, Journal: &memoryJournal{}, Dir: filepath.Join(dir, "download"), BootID: "1", Fetchers: map[string]fota.Fetcher{"coap": f},
		OnChange: func(s fota.Status) {
			if s.Phase == fota.Ready || s.Result != fota.Initial {
				once.Do(func() { close(over) })
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = u.Run(ctx) })
	defer running.Wait()
	defer cancel()
	began := time.Now()
	if err := u.Fetch(ctx, "coap://depot/package"); err != nil {
		t.Fatal(err)
	}
	<-over
	took := time.Since(began)
	if s := u.Status(); s.Phase != fota.Ready || s.Package.Version != "2.0" {
		t.Fatalf("the update is %s, result %d: %s", s.Phase, s.Result, s.Reason)
	}
	w.mu.Lock()
	sent, many := w.bytes, w.many
	w.mu.Unlock()
	// All that a server sends counts: headers, what is sent again, what is lost.
	waste := float64(sent)/float64(len(f.content)) - 1
	t.Logf("%d bytes took %v and %d on the link (%.1f %% more); attempts began at %v", len(f.content), took, sent, 100*waste, f.froms)
	if many != w.cuts || len(f.froms) < int(w.cuts)+1 || waste >= 0.10 {
		t.Errorf("%d interruptions, attempts from %v, %.1f %% wasted; want %d, so many and one, below 10 %%", many, f.froms, 100*waste, w.cuts)
	}
	for i, from := range f.froms[1:] {
		if from <= f.froms[i] && from < int64(i)*w.cut*8/10 {
			t.Errorf("attempt %d begins at %d, after %v", i+2, from, f.froms)
		}
	}
}

// TestSlowLink fetches 8 MB over a link as NB-IoT has them, in simulated time.
func TestSlowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { fetchSlowly(t, &weather{delay: 750 * time.Millisecond}, 8_000_000) })
}
