package dtls_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// Content types, for records that a server makes up.
const (
	typeChangeCipherSpec = 20
	typeAlert            = 21
	typeHandshake        = 22
	typeApplicationData  = 23
)

// forged returns records that anybody can send to an established session: plaintext
// of epoch 0 in every content type, garbage, and records under no key.
func forged() map[string][]byte {
	all := map[string][]byte{
		"empty":           {},
		"one byte":        {22},
		"text":            []byte("GET / HTTP/1.1\r\n\r\n"),
		"zeroes":          make([]byte, 100),
		"epoch 1 forged":  append([]byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 40}, make([]byte, 40)...),
		"CID forged":      append([]byte{25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4, 0, 40}, make([]byte, 40)...),
		"far ahead":       append([]byte{23, 0xfe, 0xfd, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 40}, make([]byte, 40)...),
		"epoch 2":         append([]byte{23, 0xfe, 0xfd, 0, 2, 0, 0, 0, 0, 0, 9, 0, 40}, make([]byte, 40)...),
		"short of tag":    {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 3, 1, 2, 3},
		"Finished":        append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 24, 20, 0, 0, 12, 0, 5, 0, 0, 0, 0, 0, 12}, make([]byte, 12)...),
		"HelloRequest":    {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"fatal alert":     {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40},
		"close_notify":    {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0},
		"malformed CCS":   {20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 3, 1, 2, 3},
		"plaintext data":  {23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 'x'},
		"unknown type":    {99, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 'x'},
		"other handshake": append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 60}, make([]byte, 60)...),
	}
	return all
}

// No datagram of a stranger does anything to an established session, nor draws an
// answer.
func TestForgedIsDropped(t *testing.T) {
	for _, cid := range []int{-1, 4} {
		cfg, server := pskClient, pskServer
		cfg.CIDLength, server.CIDLength = cid, 6
		for name, datagram := range forged() {
			t.Run(fmt.Sprintf("%s/%d", name, cid), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sent int
					near, far := dtlstest.Pipe(counting(&sent), nil)
					defer near.Close()
					defer far.Close()
					go func() { _ = serveEcho(t.Context(), far, server) }()
					c, err := dtls.Client(t.Context(), near, cfg)
					if err != nil {
						t.Fatal(err)
					}
					dropped(t, c, far, datagram, &sent)
					session, err := c.Session(0)
					if err != nil {
						t.Fatal(err)
					}
					if c, err = dtls.Restore(near, session); err != nil {
						t.Fatal(err)
					}
					if _, err := c.Session(100); err != nil {
						t.Fatal(err)
					}
					dropped(t, c, far, datagram, &sent)
				})
			})
		}
	}
}

// dropped sends a datagram to a session and checks that nothing comes of it.
func dropped(t *testing.T, c *dtls.Conn, far net.Conn, datagram []byte, sent *int) {
	t.Helper()
	before := *sent
	if _, err := far.Write(datagram); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	if n, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if *sent != before {
		t.Errorf("%d datagrams sent in answer", *sent-before)
	}
	if err := ping(c); err != nil {
		t.Errorf("the session is gone: %v", err)
	}
}

// A record that comes again is dropped, and so is one from before the window.
func TestReplayIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept [][]byte
		near, far := dtlstest.Pipe(nil, func(d []byte) [][]byte {
			kept = append(kept, bytes.Clone(d))
			return [][]byte{d}
		})
		defer near.Close()
		go func() { _ = serveEcho(t.Context(), far, pskServer) }()
		defer far.Close()
		c, err := dtls.Client(t.Context(), near, pskClient)
		if err != nil {
			t.Fatal(err)
		}
		for range 70 {
			if err := ping(c); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range kept {
			far.Write(bytes.Clone(d))
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	})
}

// Authentic records that mean nothing to an established session are ignored: it
// does not renegotiate (RFC 5246, section 7.4.1.1).
func TestIgnoredRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, pskClient, pskServer)
		for typ, payloads := range map[uint8][]string{
			typeChangeCipherSpec: {"\x01", ""},
			typeAlert:            {"\x01\x64", "\x02", "", "\x02\x28\x00"},
			typeHandshake:        {"", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", strings.Repeat("\x01", 60)},
			typeApplicationData:  {""},
			77:                   {"x"},
		} {
			for _, p := range payloads {
				if err := s.WriteRecord(typ, []byte(p)); err != nil {
					t.Fatal(err)
				}
			}
		}
		echo(t, c, s, "still here")
	})
}

func TestCloseNotify(t *testing.T) {
	t.Run("ours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, s := connect(t, pskClient, pskServer)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if _, err := s.Read(make([]byte, 10)); !errors.Is(err, io.EOF) {
				t.Errorf("server reads %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, dtls.ErrSessionEnded) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("write: %v", err)
			}
			if _, err := c.Read(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read: %v", err)
			}
		})
	})
	t.Run("theirs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, s := connect(t, pskClient, pskServer)
			s.WriteRecord(typeAlert, []byte{1, 0})
			for range 2 {
				if _, err := c.Read(make([]byte, 10)); !errors.Is(err, io.EOF) {
					t.Errorf("read: %v", err)
				}
			}
			if _, err := s.Read(make([]byte, 10)); !errors.Is(err, io.EOF) {
				t.Errorf("close_notify was not answered: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, dtls.ErrSessionEnded) {
				t.Errorf("write: %v", err)
			}
			session, err := c.Session(0)
			if err != nil || !session.Ended {
				t.Fatalf("session %v, %v", session, err)
			}
			if _, err := dtls.Restore(c, session); !errors.Is(err, dtls.ErrSessionEnded) {
				t.Errorf("restore: %v", err)
			}
		})
	})
}

// A fatal alert ends the session for good; only an authentic one can.
func TestFatalAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, pskClient, pskServer)
		if err := s.Alert(dtls.AlertInternalError); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := c.Read(make([]byte, 10))
			var alert *dtls.Error
			if !errors.As(err, &alert) || !alert.Remote || alert.Alert != dtls.AlertInternalError {
				t.Errorf("read: %v", err)
			}
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, dtls.ErrSessionEnded) || !errors.As(err, new(*dtls.Error)) {
			t.Errorf("write: %v", err)
		}
		if s, err := c.Session(0); !errors.Is(err, dtls.ErrSessionEnded) {
			t.Errorf("session %v, %v", s, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func TestRecordSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, pskClient, pskServer)
		for _, n := range []int{1, 1152, 16384} {
			if _, err := c.Write(make([]byte, n)); err != nil {
				t.Errorf("write %d bytes: %v", n, err)
			}
			if got, err := s.Read(make([]byte, 17000)); got != n || err != nil {
				t.Errorf("server read %d of %d bytes, %v", got, n, err)
			}
			if _, err := s.Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			if got, err := c.Read(make([]byte, n)); got != n || err != nil {
				t.Errorf("read %d of %d bytes, %v", got, n, err)
			}
		}
		if n, err := c.Write(make([]byte, 16385)); n != 0 || err == nil {
			t.Errorf("wrote %d of 16385 bytes, %v", n, err)
		}
		s.Write([]byte("too long"))
		if _, err := c.Read(make([]byte, 7)); !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("read into 7 bytes: %v", err)
		}
		s.Write(make([]byte, 5000)) // more than is read of a datagram for so little
		if _, err := c.Read(make([]byte, 7)); !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("read 5000 bytes into 7: %v", err)
		}
		echo(t, c, s, "and on")
	})
}

// The last record number is used, and none beyond it.
func TestNumbersRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, pskClient, pskServer)
		session, err := c.Session(0)
		if err != nil {
			t.Fatal(err)
		}
		session.NextSend = 1<<48 - 1
		if c, err = dtls.Restore(new(script), session); err != nil {
			t.Fatal(err)
		}
		if session, err = c.Session(10); err != nil || session.NextSend != 1<<48 || c.Remaining() != 1 {
			t.Fatalf("reserved up to %#x, %d remain, %v", session.NextSend, c.Remaining(), err)
		}
		if _, err := c.Write([]byte("last")); err != nil {
			t.Errorf("write: %v", err)
		}
		if _, err := c.Write([]byte("beyond")); !errors.Is(err, dtls.ErrExhausted) {
			t.Errorf("write: %v", err)
		}
	})
}

func TestOverhead(t *testing.T) {
	for _, v := range []struct {
		suite  dtls.Suite
		server int // length of the connection ID on our records, none if negative
		want   int
	}{
		{dtls.PSKWithAES128CCM8, -1, 13 + 16},
		{dtls.PSKWithAES128CCM8, 0, 13 + 16},
		{dtls.PSKWithAES128CCM8, 6, 13 + 6 + 1 + 16},
		{dtls.PSKWithAES128GCMSHA256, 6, 13 + 6 + 1 + 24},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg, server := pskClient, pskServer
			cfg.Suites, server.CIDLength = []dtls.Suite{v.suite}, v.server
			c, _ := connect(t, cfg, server)
			if got := c.Overhead(); got != v.want {
				t.Errorf("%v with connection ID of %d: %d bytes, want %d", v.suite, v.server, got, v.want)
			}
		})
	}
}

// Reading, writing and saving at the same time.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, pskClient, pskServer)
		const records = 60 // the queue in memory holds 256
		var done sync.WaitGroup
		for range 3 {
			done.Go(func() {
				for range records {
					if _, err := c.Write([]byte("up")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done.Go(func() {
			buf := make([]byte, 10)
			for range 3 * records {
				if n, err := s.Read(buf); err != nil || string(buf[:n]) != "up" {
					t.Errorf("server read %q, %v", buf[:n], err)
				}
				if _, err := s.Write([]byte("down")); err != nil {
					t.Error(err)
				}
			}
		})
		for range 2 {
			done.Go(func() {
				buf := make([]byte, 10)
				for range 3 * records / 2 {
					if n, err := c.Read(buf); err != nil || string(buf[:n]) != "down" {
						t.Errorf("read %q, %v", buf[:n], err)
					}
				}
			})
		}
		done.Go(func() {
			for range records {
				if _, err := c.Session(1 << 20); err != nil {
					t.Error(err)
				}
				_ = c.Parameters()
			}
		})
		done.Wait()
	})
}

// A port that is closed for a moment: ICMP errors end nothing.
func TestICMP(t *testing.T) {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := socket.LocalAddr().(*net.UDPAddr)
	near, err := net.DialUDP("udp", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan result[*dtlstest.Conn], 1)
	go func() {
		s, err := dtlstest.Accept(t.Context(), dtlstest.Socket(socket), pskServer)
		accepted <- result[*dtlstest.Conn]{s, err}
	}()
	c, err := dtls.Client(t.Context(), near, pskClient)
	r := <-accepted
	if err != nil || r.err != nil {
		t.Fatal(err, r.err)
	}
	defer c.Close()
	socket.Close()
	for range 3 {
		if _, err := c.Write([]byte("to nobody")); err != nil {
			t.Errorf("write: %v", err)
		}
	}
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if socket, err = net.ListenUDP("udp", addr); err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Errorf("write: %v", err)
	}
	if n, err := socket.Read(make([]byte, 100)); n != 5+c.Overhead() || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}
