package dtls_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/dtls/v3"
	pionnet "github.com/pion/dtls/v3/pkg/net"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// pionServer returns options of a server that has the tests' pre-shared key.
func pionServer(more ...pion.ServerOption) []pion.ServerOption {
	return append([]pion.ServerOption{
		pion.WithPSK(func(identity []byte) ([]byte, error) {
			if string(identity) != "gw-17" {
				return nil, errors.New("unknown identity")
			}
			return testPSK, nil
		}),
		pion.WithPSKIdentityHint([]byte("hint")),
		pion.WithCipherSuites(pion.TLS_PSK_WITH_AES_128_CCM_8, pion.TLS_PSK_WITH_AES_128_CCM, pion.TLS_PSK_WITH_AES_128_GCM_SHA256),
	}, more...)
}

// exchangePion is exchange with pion as the server.
func exchangePion(t *testing.T, cfg dtls.Config, options []pion.ServerOption, n network) (*dtls.Conn, error) {
	t.Helper()
	near, far := dtlstest.Pipe(n.toServer, n.toClient)
	served := make(chan error, 1)
	server, err := pion.ServerWithOptions(pionnet.PacketConnFromConn(far), far.RemoteAddr(), options...)
	if err != nil {
		t.Fatal(err)
	}
	go func() { served <- pionEcho(server) }()
	defer func() {
		near.Close()
		server.Close()
		<-served
	}()
	c, err := dtls.Client(t.Context(), near, cfg)
	if err != nil {
		return nil, err
	}
	return c, ping(c)
}

func pionEcho(server *pion.Conn) error {
	if err := server.Handshake(); err != nil {
		return err
	}
	buf := make([]byte, 2048)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return err
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// pionVariant is a handshake with pion and what it must come to.
type pionVariant struct {
	client dtls.Config
	server []pion.ServerOption
	suite  dtls.Suite // CCM8 if zero
	ids    [2]int     // lengths of the connection IDs, local and remote
	noEMS  bool
}

func pionVariants() map[string]pionVariant {
	with := func(change func(*dtls.Config)) dtls.Config {
		c := pskClient
		change(&c)
		return c
	}
	suite := func(s dtls.Suite) pionVariant {
		return pionVariant{client: with(func(c *dtls.Config) { c.Suites = []dtls.Suite{s} }), server: pionServer(), suite: s}
	}
	id := func(n int) dtls.Config { return with(func(c *dtls.Config) { c.CIDLength = n }) }
	server := func(n int) []pion.ServerOption {
		return pionServer(pion.WithConnectionIDGenerator(pion.RandomCIDGenerator(n)))
	}
	return map[string]pionVariant{
		"CCM8":        suite(dtls.PSKWithAES128CCM8),
		"CCM":         suite(dtls.PSKWithAES128CCM),
		"GCM":         suite(dtls.PSKWithAES128GCMSHA256),
		"IDs - and 6": {client: id(-1), server: server(6)},
		"IDs 0 and 6": {client: id(0), server: server(6), ids: [2]int{0, 6}},
		"IDs 4 and 8": {client: id(4), server: server(8), ids: [2]int{4, 8}},
		"IDs 4 and 0": {client: id(4), server: pionServer(pion.WithConnectionIDGenerator(pion.OnlySendCIDGenerator())), ids: [2]int{4, 0}},
		"IDs 4 and -": {client: id(4), server: pionServer()},
		"no EMS":      {client: pskClient, server: pionServer(pion.WithExtendedMasterSecret(pion.DisableExtendedMasterSecret)), noEMS: true},
		"require EMS": {client: with(func(c *dtls.Config) { c.RequireExtendedMasterSecret = true }), server: pionServer()},
		"no cookie":   {client: pskClient, server: pionServer(pion.WithInsecureSkipVerifyHello(true))},
		"padded": {
			client: id(4), ids: [2]int{4, 6},
			server: append(server(6), pion.WithPaddingLengthGenerator(func(uint) uint { return 17 })),
		},
	}
}

func TestPion(t *testing.T) {
	for name, v := range pionVariants() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := exchangePion(t, v.client, v.server, network{})
				if err != nil {
					t.Fatal(err)
				}
				p := c.Parameters()
				if ids := [2]int{len(p.LocalCID), len(p.RemoteCID)}; ids != v.ids {
					t.Errorf("connection IDs of %v bytes, want %v", ids, v.ids)
				}
				if want := cmp.Or(v.suite, dtls.PSKWithAES128CCM8); p.Suite != want {
					t.Errorf("suite %v, want %v", p.Suite, want)
				}
				if p.ExtendedMasterSecret == v.noEMS {
					t.Errorf("extended master secret: %v", p.ExtendedMasterSecret)
				}
			})
		})
	}
}

// Each single datagram of a handshake with pion is lost, doubled, or overtaken.
func TestPionEachDatagram(t *testing.T) {
	harms := map[string]func(int) dtlstest.Route{
		"lost":      func(n int) dtlstest.Route { return dtlstest.Lose(n) },
		"overtaken": dtlstest.Swap,
		"doubled": func(n int) dtlstest.Route {
			return nth(n, func(d []byte) [][]byte { return [][]byte{d, bytes.Clone(d)} })
		},
	}
	cfg := pskClient
	cfg.CIDLength = 4
	options := pionServer(pion.WithConnectionIDGenerator(pion.RandomCIDGenerator(6)))
	for harm, route := range harms {
		for n := range 4 {
			for way, net := range map[string]network{"to server": {toServer: route(n)}, "to client": {toClient: route(n)}} {
				t.Run(fmt.Sprintf("%s %s/%d", harm, way, n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						start := time.Now()
						if _, err := exchangePion(t, cfg, options, net); err != nil {
							t.Fatal(err)
						}
						if after := time.Since(start); after > 8*time.Second {
							t.Errorf("took %v", after)
						}
					})
				})
			}
		}
	}
}

// pionSessions is pion's session store.
type pionSessions struct {
	mu sync.Mutex
	m  map[string]pion.Session
}

func (s *pionSessions) Set(key []byte, v pion.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[string(key)] = v
	return nil
}

func (s *pionSessions) Get(key []byte) (pion.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[string(key)], nil
}

func (s *pionSessions) Del(key []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, string(key))
	return nil
}

// Resumption at pion works without connection IDs only (v3.1.15).
func TestPionResumption(t *testing.T) {
	options := pionServer(pion.WithSessionStore(&pionSessions{m: make(map[string]pion.Session)}))
	var session *dtls.Session
	for _, resumed := range []bool{false, true, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := pskClient
			cfg.Resume = session
			c, err := exchangePion(t, cfg, options, network{})
			if err != nil {
				t.Fatal(err)
			}
			if c.Parameters().Resumed != resumed {
				t.Errorf("resumed: %v, want %v", !resumed, resumed)
			}
			if session, err = c.Session(0); err != nil {
				t.Fatal(err)
			}
		})
	}
}
