package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/test/workspace"
)

// row is one line of the report.
type row struct {
	what, ours, goal, java string
	met                    bool
}

func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	b.Logf("%s: %s (goal %s; Leshan's client %s)", r.what, r.ours, r.goal, r.java)
}

// Reads a second on the machine of the goals.
const (
	bestPlainC = 12_000 // of C clients
	goalLayer  = 28_500 // of a minimal message layer
)

func (b *bench) readsPlain() {
	const goal = "80 % of the message layer alone, 24,000/s"
	b.placed("sequential reads of /3/0/0, UDP", func(name string) {
		ours := b.turns(b.startConstant, func(p *peer) { b.startAgent(p, 10) })
		b.layer = append(b.layer, thousands(ours.layer.rate))
		b.add(row{name, ours.String(), goal, b.javaReads(b.plainPeer).String(), ours.meets()})
	})
}

func (b *bench) readsSecure() {
	meets := func(t timing) bool { return t.rate >= 16_000 && t.p50 <= 55*time.Microsecond }
	b.placed("sequential reads of /3/0/0, DTLS-PSK", func(name string) {
		ours := b.readsOf(b.securePeer, func(p *peer) { b.startAgent(p, 10) })
		b.add(row{name, ours.String(), "16,000/s, p50 55 µs", b.javaReads(b.securePeer).String(), meets(ours)})
	})
}

// readsOf times reads of what start starts.
func (b *bench) readsOf(listen func() *peer, start func(p *peer)) (t timing) {
	b.during(func() {
		p := listen()
		start(p)
		t = b.reads(p.await().conn)
	})
	return t
}

func (b *bench) javaReads(listen func() *peer) timing {
	return b.readsOf(listen, func(p *peer) { b.startJava(p) })
}

// turn is the message layer alone and the agent, measured one after the other.
type turn struct{ layer, agent timing }

func (t turn) share() float64 { return t.agent.rate / t.layer.rate }

func (t turn) meets() bool { return t.share() >= 0.8 && t.agent.rate >= 2*bestPlainC }

func (t turn) String() string {
	return fmt.Sprintf("%s; %.0f %% of the message layer alone (%s/s)", t.agent, 100*t.share(), thousands(t.layer.rate))
}

// turns measures both several times, since a machine's speed changes, and returns the
// turn whose share is the median.
func (b *bench) turns(layer, agent func(p *peer)) turn {
	turns := make([]turn, b.times(readTurns))
	for i := range turns {
		turns[i] = turn{b.readsOf(b.plainPeer, layer), b.readsOf(b.plainPeer, agent)}
	}
	slices.SortFunc(turns, func(x, y turn) int { return cmp.Compare(x.share(), y.share()) })
	return turns[len(turns)/2]
}

// memory measures the resident size over DTLS with ten sensors, and how it grows with
// reads and registrations. It counts from a tenth of them on: the first ones bring in the
// pages of the program that they need, and let the heap reach its size.
func (b *bench) memory() {
	var first, warm, after, anonymous, java float64
	b.during(func() {
		p := b.securePeer()
		agent := b.startAgent(p, 10)
		conn := p.await().conn
		b.pause(settled)
		first = b.rss(agent.PID())
		conn = b.exercise(p, conn, b.times(growthReads/10), b.times(growthRegisters/10))
		warm = b.rss(agent.PID())
		b.exercise(p, conn, b.times(growthReads), b.times(growthRegisters))
		after, anonymous = b.rss(agent.PID()), b.anonymous(agent.PID())
	})
	b.during(func() {
		p := b.securePeer()
		client := b.startJava(p)
		p.await()
		b.pause(settled)
		java = b.rss(client.PID())
	})
	b.add(row{
		"RSS, registered over DTLS, ten sensors", mega(first), "10 MB", mega(java), first <= 10e6,
	})
	b.add(row{
		"RSS after 100,000 reads and 1,000 registrations more",
		fmt.Sprintf("%s (%s after a tenth of them); %s without the program's file", mega(after), mega(warm), mega(anonymous)), "no growth", "–", after <= 1.05*warm,
	})
}

// exercise reads, then makes the client register anew, again and again: it is told to
// send an Update, which is answered with 4.04.
func (b *bench) exercise(p *peer, conn *coap.Conn, reads, registers int) *coap.Conn {
	m := get("/3/0/0")
	for range reads {
		b.do(conn, m)
	}
	p.refuse.Store(true)
	defer p.refuse.Store(false)
	m = &coap.Message{Code: coap.POST}
	m.SetPath("/1/0/8")
	for range registers {
		b.do(conn, m)
		conn = p.await().conn
	}
	return conn
}

func (b *bench) wakeUps() {
	var ours, java wakes
	b.during(func() {
		p := b.securePeer()
		agent := b.startAgent(p, 10)
		p.await()
		b.pause(settled)
		ours = b.wakes(agent.PID())
	})
	b.during(func() {
		p := b.securePeer()
		client := b.startJava(p)
		p.await()
		b.pause(settled)
		java = b.wakes(client.PID())
	})
	b.add(row{
		fmt.Sprintf("wake-ups a minute, idle (over %v)", b.idle), ours.String(), "1", java.String(), ours.moments <= 1,
	})
	b.idleModems()
}

func (b *bench) bigObject() {
	read := func() (took time.Duration, size int) {
		b.during(func() {
			p := b.plainPeer()
			b.startAgent(p, b.times(bigInstances))
			conn := p.await().conn
			m := get("/3303")
			m.SetAccept(uint16(lwm2m.FormatSenMLCBOR))
			took = b.repeat(bigReads, func() { size = len(b.do(conn, m).Payload) }).p50
		})
		return took, size
	}
	b.placed(fmt.Sprintf("reading an object of %d instances (SenML CBOR)", bigInstances), func(name string) {
		took, size := read()
		b.add(row{
			name, fmt.Sprintf("%s for %s bytes in %d exchanges", micro(took), thousands(float64(size)), blocks(size)),
			"10 ms", "–", took <= 10*time.Millisecond,
		})
	})
}

// blocks is how many exchanges a body takes in blocks of 1,024 bytes.
func blocks(size int) int { return (size + 1023) / 1024 }

func (b *bench) startUp() {
	measure := func(n int, start func(p *peer)) time.Duration {
		return b.median(n, func() (took time.Duration) {
			b.during(func() {
				p := b.plainPeer()
				before := time.Now()
				start(p)
				took = p.await().at.Sub(before)
			})
			return took
		})
	}
	ours := measure(starts, func(p *peer) { b.startAgent(p, 10) })
	java := measure(javaStarts, func(p *peer) { b.startJava(p) })
	b.add(row{"process start to registered, UDP", micro(ours), "50 ms", micro(java), ours <= 50*time.Millisecond})
}

func (b *bench) size() {
	measure := func(tags []string, env ...string) (bytes, packed float64) {
		path := filepath.Join(b.temp, "arm64")
		b.build(path, tags, append(env, "GOARCH=arm64")...)
		info, err := os.Stat(path)
		b.must(err, "look at the binary")
		out, err := exec.CommandContext(b.ctx, "xz", "-9", "--stdout", path).Output()
		b.must(err, "xz (Debian package xz-utils)")
		return float64(info.Size()), float64(len(out))
	}
	for _, build := range []struct {
		what string
		tags []string
	}{{"with demo and server", nil}, {"for little flash (tag small)", []string{"small"}}} {
		bytes, packed := measure(build.tags)
		b.add(row{
			"stripped arm64 binary, " + build.what, fmt.Sprintf("%s, xz %s", mega(bytes), mega(packed)),
			"10 MB, xz 3.2 MB", "–", bytes <= 10e6 && packed <= 3.2e6,
		})
	}
	bytes, packed := measure(nil, "PROGRAM=./test/bench/libraries")
	b.add(row{"the libraries alone, in a program of 60 lines", fmt.Sprintf("%s, xz %s", mega(bytes), mega(packed)), "–", "–", true})
}

// packages makes the packages for routers.
func (b *bench) packages() {
	dir := filepath.Join(b.temp, "packages")
	cmd := exec.CommandContext(b.ctx, filepath.Join(workspace.Root(b), "dev"), "package", dir, "x86_64", "aarch64_cortex-a53", "arm_cortex-a7_neon-vfpv4", "mipsel_24kc")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("make packages: %v\n%s", err, out)
	}
	for _, form := range []string{"ipk", "apk"} {
		files, err := filepath.Glob(filepath.Join(dir, "*."+form))
		b.must(err, "look for packages")
		sizes := make([]float64, 0, len(files))
		for _, file := range files {
			info, err := os.Stat(file)
			b.must(err, "look at a package")
			sizes = append(sizes, float64(info.Size()))
		}
		if len(sizes) == 0 {
			b.Fatalf("no packages in %s", dir)
		}
		smallest, largest := slices.Min(sizes), slices.Max(sizes)
		b.add(row{fmt.Sprintf("package for OpenWrt, .%s, smallest and largest of %d", form, len(sizes)), mega(smallest) + ", " + mega(largest), "3.5 MB", "–", largest <= 3.5e6})
	}
}

func mega(f float64) string { return fmt.Sprintf("%.1f MB", f/1e6) }
