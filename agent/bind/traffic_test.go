package bind

import (
	"strconv"
	"testing"
	"testing/fstest"

	"lwm2m-agent/host"
)

// links are the interfaces of a machine, as /sys has them.
type links struct{ fstest.MapFS }

// set has an interface of a hardware type have received bytes in packets.
func (l links) set(name string, index int, kind string, bytes, packets uint64) {
	for file, text := range map[string]string{
		"ifindex": strconv.Itoa(index), "type": kind, "statistics/rx_bytes": strconv.FormatUint(bytes, 10), "statistics/rx_packets": strconv.FormatUint(packets, 10),
	} {
		l.MapFS["sys/class/net/"+name+"/"+file] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
}

func (l links) remove(name string) {
	for _, file := range []string{"ifindex", "type", "statistics/rx_bytes", "statistics/rx_packets"} {
		delete(l.MapFS, "sys/class/net/"+name+"/"+file)
	}
}

// TestTraffic: what was received only grows by what comes, whatever interfaces come and go.
func TestTraffic(t *testing.T) {
	const ethernet, ppp = "1", "512"
	l := links{make(fstest.MapFS)}
	c := &Counters{Root: l, Messages: func() (uint64, uint64) { return 0, 0 }, Texts: func() uint64 { return 0 }}
	l.MapFS["sys/class/net/wlan0/uevent"] = &fstest.MapFile{Data: []byte("DEVTYPE=wlan\n")}
	l.set("wlan0", 2, ethernet, 1_000_000, 1000)
	l.set("ppp0", 5, ppp, 5_000_000, 9)
	l.set("docker0", 9, ethernet, 1<<40, 1)
	was := c.Traffic().RxBytes
	for _, step := range []struct {
		name string
		do   func()
		want uint64
	}{
		{"nothing", func() {}, 0},
		{"the modem receives", func() { l.set("ppp0", 5, ppp, 5_000_500, 10) }, 500},
		{"a header of a packet that is not counted yet", func() { l.set("wlan0", 2, ethernet, 1_000_000, 1001) }, 0},
		{"and the packet", func() { l.set("wlan0", 2, ethernet, 1_000_114, 1001) }, 100},
		{"it dials again", func() {
			c.Gone(host.Traffic{Index: 5, Rx: host.Volume{Bytes: 5_000_700}})
			l.remove("ppp0")
			c.NetworkChanged()
			l.set("ppp0", 10, ppp, 300, 3)
		}, 200 + 300},
		{"it goes, and nobody says so", func() { l.remove("ppp0") }, 0},
		{"it comes again", func() { l.set("ppp0", 11, ppp, 400, 4) }, 400},
		{"its counters begin anew", func() { l.set("ppp0", 11, ppp, 50, 1) }, 50},
		{"it has another name", func() { l.remove("ppp0"); l.set("wan", 11, ppp, 60, 1) }, 10},
		{"it comes and goes unseen", func() { c.Gone(host.Traffic{Index: 12, Rx: host.Volume{Bytes: 700}}) }, 0},
		{"it comes, is noticed, and goes", func() {
			l.set("ppp1", 13, ppp, 20, 1)
			c.NetworkChanged()
			l.remove("ppp1")
			c.Gone(host.Traffic{Index: 13, Rx: host.Volume{Bytes: 700}})
		}, 700},
		{"one goes whose driver has forgotten", func() {
			l.remove("wan")
			c.Gone(host.Traffic{Index: 11, Rx: host.Volume{Bytes: 30}})
		}, 0},
		{"no hardware is left", func() { l.remove("wlan0") }, 0},
		{"what has none leads out then", func() { l.set("docker0", 9, ethernet, 1<<40+114, 2) }, 100},
	} {
		step.do()
		now := c.Traffic().RxBytes
		if now-was != step.want {
			t.Errorf("%s: received %d more, want %d", step.name, int64(now-was), step.want)
		}
		was = now
	}
}
