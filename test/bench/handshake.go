package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// handshakes measures what a full handshake costs its client: the processor time of the
// thread that it runs on, while the server has another one.
func (b *bench) handshakes() {
	client, server := b.newKey(), b.newKey()
	for _, k := range []struct {
		what   string
		client dtls.Config
		server dtlstest.Config
		goal   time.Duration // 0: none was set
	}{
		{
			"a pre-shared key",
			dtls.Config{PSK: []byte("0123456789abcdef"), Identity: []byte("bench")},
			dtlstest.Config{PSK: dtlstest.Key("bench", []byte("0123456789abcdef"))},
			500 * time.Microsecond,
		},
		{
			"raw public keys",
			dtls.Config{Key: client, PeerKey: b.spki(server)},
			dtlstest.Config{Key: server, ClientKey: b.spki(client)},
			1500 * time.Microsecond,
		},
		b.certified(),
	} {
		own := b.handshake(k.client, k.server)
		goal := "–"
		if k.goal > 0 {
			goal = micro(k.goal)
		}
		b.add(row{"full DTLS handshake with " + k.what + ", own processor time", micro(own), goal, "–", k.goal == 0 || own <= k.goal})
	}
}

// certified is the kind of handshake with a chain of two certificates under a root.
func (b *bench) certified() (k struct {
	what   string
	client dtls.Config
	server dtlstest.Config
	goal   time.Duration
},
) {
	root, err := dtlstest.NewAuthority("Bench Root")
	b.must(err, "make an authority")
	issuing, err := root.Intermediate("Bench Issuing", nil)
	b.must(err, "make an authority")
	client, err := issuing.Issue("bench", nil)
	b.must(err, "make a certificate")
	server, err := issuing.Issue("server.example.com", nil)
	b.must(err, "make a certificate")
	k.what = "certificates, two below the root"
	k.client = dtls.Config{
		Key: client.Key, Certificates: [][]byte{client.Certificate.Raw, issuing.Certificate.Raw}, ServerName: "server.example.com",
		Trust: &dtls.Trust{Usage: dtls.TrustAnchor, Data: root.Certificate.Raw, Name: "server.example.com"},
	}
	k.server = dtlstest.Config{
		Key: server.Key, Certificates: [][]byte{server.Certificate.Raw, issuing.Certificate.Raw}, ClientKey: client.Certificate.RawSubjectPublicKeyInfo,
	}
	return k
}

func (b *bench) newKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.must(err, "make a key")
	return key
}

func (b *bench) spki(key crypto.Signer) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	b.must(err, "encode a public key")
	return der
}

// handshake returns the mean of the client's own time.
func (b *bench) handshake(client dtls.Config, server dtlstest.Config) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var own time.Duration
	count := b.times(handshakeCount)
	for i := range count + count/10 {
		if i == count/10 { // from here on it is warm
			own = 0
		}
		near, far := dtlstest.Pipe(nil, nil)
		accepted := make(chan error, 1)
		go func() {
			_, err := dtlstest.Accept(b.ctx, far, server)
			accepted <- err
		}()
		before := b.threadTime()
		_, err := dtls.Client(b.ctx, near, client)
		own += b.threadTime() - before
		b.must(err, "handshake")
		b.must(<-accepted, "handshake")
	}
	return own / time.Duration(count)
}

// threadTime is the processor time of this thread so far.
func (b *bench) threadTime() time.Duration {
	var u syscall.Rusage
	b.must(syscall.Getrusage(syscall.RUSAGE_THREAD, &u), "ask for the time of a thread")
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perServer measures what one more DTLS server costs the agent in memory of its own, from
// the second on: with that access control begins.
func (b *bench) perServer() {
	measure := func(n int) (anonymous float64) {
		b.during(func() {
			peers := make([]*peer, n)
			for i := range peers {
				peers[i] = b.securePeer()
			}
			agent := b.startAgent(peers[0], 10, peers[1:]...)
			for _, p := range peers {
				p.await()
			}
			b.pause(settled)
			anonymous = b.anonymous(agent.PID())
		})
		return anonymous
	}
	const few = 2
	turns := make([]float64, b.times(readTurns)) // where the collector stands differs
	for i := range turns {
		turns[i] = (measure(manyServers) - measure(few)) / (manyServers - few)
	}
	slices.Sort(turns)
	each := turns[len(turns)/2]
	b.add(row{
		fmt.Sprintf("memory for each further server over DTLS, from %d to %d", few, manyServers), fmt.Sprintf("%.0f kB", each/1e3), "150 kB", "–", each <= 150e3,
	})
}
