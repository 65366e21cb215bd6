package dtls_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// network is what happens to the datagrams of both directions.
type network struct{ toServer, toClient dtlstest.Route }

// exchange runs a handshake through the network and then one message and its echo,
// repeated like a CoAP message until it comes through. The server is one that
// reads, so that either side can ask for the other's last flight again.
func exchange(t *testing.T, cfg dtls.Config, server dtlstest.Config, n network) (*dtls.Conn, error) {
	t.Helper()
	near, far := dtlstest.Pipe(n.toServer, n.toClient)
	defer near.Close()
	served := make(chan error, 1)
	go func() { served <- serveEcho(t.Context(), far, server) }()
	defer func() {
		far.Close()
		<-served
	}()
	c, err := dtls.Client(t.Context(), near, cfg)
	if err != nil {
		return nil, err
	}
	return c, ping(c)
}

// serveEcho returns what the client sends until the connection is closed.
func serveEcho(ctx context.Context, conn net.Conn, cfg dtlstest.Config) error {
	c, err := dtlstest.Accept(ctx, conn, cfg)
	if err != nil {
		return err
	}
	buf := make([]byte, 2048)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// ping sends a message until its echo comes.
func ping(c net.Conn) error {
	buf := make([]byte, 100)
	var err error
	for i := range 20 {
		text := fmt.Sprint("ping ", i)
		if _, err = c.Write([]byte(text)); err != nil {
			return err
		}
		if err = c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		var n int
		n, err = c.Read(buf)
		switch {
		case err == nil && bytes.HasPrefix(buf[:n], []byte("ping")):
			return c.SetReadDeadline(time.Time{})
		case err == nil:
			return fmt.Errorf("echo %q", buf[:n])
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
	return fmt.Errorf("no echo: %w", err)
}

// counting returns a route that counts.
func counting(n *int) dtlstest.Route {
	return func(d []byte) [][]byte {
		*n++
		return [][]byte{d}
	}
}

// variant is a kind of handshake.
type variant struct {
	name   string
	client dtls.Config
	server dtlstest.Config
}

// variants returns every kind of handshake. A server with Sessions remembers one
// that the client resumes.
func variants(t *testing.T) []variant {
	t.Helper()
	all := make([]variant, 0, 8)
	for _, v := range []variant{{"psk", pskClient, pskServer}, {"rpk", rpkClient, rpkServer}, {"x509", x509Client, x509Server}} {
		v.client.CIDLength, v.server.CIDLength = 4, 6
		all = append(all, v)
		small := v
		small.name += ", MTU 272"
		small.client.MTU, small.server.MTU = 272, 272
		all = append(all, small)
		cookie := v
		cookie.name += ", cookie"
		cookie.server.Cookie = true
		all = append(all, cookie)
		resumed := v
		resumed.name += ", resumed"
		resumed.server.Sessions = new(dtlstest.Sessions)
		synctest.Test(t, func(t *testing.T) {
			c, _ := connect(t, resumed.client, resumed.server)
			session, err := c.Session(0)
			if err != nil {
				t.Fatal(err)
			}
			resumed.client.Resume = session
		})
		all = append(all, resumed)
	}
	return all
}

// Each single datagram of each handshake is lost, doubled, or overtaken by the next.
func TestEachDatagram(t *testing.T) {
	harms := map[string]func(n int) dtlstest.Route{
		"lost": func(n int) dtlstest.Route { return dtlstest.Lose(n) },
		"doubled": func(n int) dtlstest.Route {
			return nth(n, func(d []byte) [][]byte { return [][]byte{d, bytes.Clone(d)} })
		},
		"overtaken": dtlstest.Swap,
		"truncated": func(n int) dtlstest.Route {
			return nth(n, func(d []byte) [][]byte { return [][]byte{d[:len(d)/2]} })
		},
	}
	for _, v := range variants(t) {
		t.Run(v.name, func(t *testing.T) {
			var sent, received int
			synctest.Test(t, func(t *testing.T) {
				n := network{counting(&sent), counting(&received)}
				if _, err := exchange(t, v.client, v.server, n); err != nil {
					t.Fatal(err)
				}
			})
			for harm, route := range harms {
				for n := range sent {
					harmed(t, v, fmt.Sprintf("%s to server/%d", harm, n), network{toServer: route(n)})
				}
				for n := range received {
					harmed(t, v, fmt.Sprintf("%s to client/%d", harm, n), network{toClient: route(n)})
				}
			}
		})
	}
}

// nth applies harm to one datagram.
func nth(n int, harm dtlstest.Route) dtlstest.Route {
	count := -1
	return func(d []byte) [][]byte {
		if count++; count == n {
			return harm(d)
		}
		return [][]byte{d}
	}
}

func harmed(t *testing.T, v variant, name string, n network) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c, err := exchange(t, v.client, v.server, n)
			if err != nil {
				t.Fatal(err)
			}
			if after := time.Since(start); after > 8*time.Second {
				t.Errorf("took %v", after)
			}
			if resumed := v.client.Resume != nil; c.Parameters().Resumed != resumed {
				t.Errorf("resumed: %v, want %v", !resumed, resumed)
			}
		})
	})
}

// Application data in the datagram of the server's Finished is not lost.
func TestDataBehindFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var finished []byte
		count := 0
		near, far := dtlstest.Pipe(nil, func(d []byte) [][]byte {
			switch count++; count {
			case 2: // behind ServerHello and ServerHelloDone
				finished = d
				return nil
			case 3:
				return [][]byte{append(finished, d...)}
			}
			return [][]byte{d}
		})
		defer near.Close()
		go func() {
			s, err := dtlstest.Accept(t.Context(), far, pskServer)
			if err == nil {
				_, err = s.Write([]byte("at once"))
			}
			if err != nil {
				t.Error(err)
			}
		}()
		c, err := dtls.Client(t.Context(), near, pskClient)
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 10)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "at once" {
			t.Errorf("read %q, %v", buf[:n], err)
		}
	})
}

// Everything doubled, both ways.
func TestEverythingDoubled(t *testing.T) {
	for _, v := range variants(t) {
		harmed(t, v, v.name, network{dtlstest.Double(), dtlstest.Double()})
	}
}

// A bad radio link, by a seeded source: datagrams lost, doubled and reordered.
func TestRandomLoss(t *testing.T) {
	for _, v := range variants(t) {
		for _, loss := range []float64{0.1, 0.3} {
			t.Run(fmt.Sprintf("%s/%v", v.name, loss), func(t *testing.T) {
				const rounds = 50
				done := 0
				for seed := range uint64(rounds) {
					synctest.Test(t, func(t *testing.T) {
						n := network{bad(rand.New(rand.NewPCG(seed, 1)), loss), bad(rand.New(rand.NewPCG(seed, 2)), loss)}
						_, err := exchange(t, v.client, v.server, n)
						if err == nil {
							done++
						} else if !errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("seed %d: %v", seed, err)
						}
					})
				}
				t.Logf("%d of %d handshakes within one attempt", done, rounds)
				if want := map[float64]int{0.1: rounds * 98 / 100, 0.3: rounds * 60 / 100}[loss]; done < want {
					t.Errorf("%d of %d handshakes within one attempt, want %d", done, rounds, want)
				}
			})
		}
	}
}

// bad loses, doubles and delays datagrams.
func bad(random *rand.Rand, loss float64) dtlstest.Route {
	var kept [][]byte
	return func(d []byte) [][]byte {
		if random.Float64() < loss {
			return nil
		}
		arriving := append([][]byte{d}, kept...)
		kept = nil
		switch random.IntN(10) {
		case 0:
			kept, arriving = arriving[:1], arriving[1:]
		case 1:
			arriving = append(arriving, bytes.Clone(d))
		}
		return arriving
	}
}
