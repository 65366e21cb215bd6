package ets

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// firmwareProcedures are int-751 to int-780, on object 5.
func firmwareProcedures() []Procedure {
	list := []Procedure{
		{ID: 751, Title: "Firmware Update: querying the readable resources", run: readFirmware},
		{ID: 755, Title: "Firmware Update: setting Package", run: setPackage},
		{ID: 756, Title: "Firmware Update: setting Package URI", run: setPackageURI},
		{ID: 760, Title: "Firmware Update: observation and notification", run: observeFirmware},
		{ID: 770, Title: "Successful firmware update (push)", run: pushFirmware},
		{ID: 771, Title: "Successful firmware update (pull)", run: pullFirmware},
		{ID: 772, Title: "Error case 1: no package", run: updateWithoutPackage},
		{ID: 773, Title: "Error case 2: not enough storage", run: packageTooLarge},
		{ID: 774, Title: "Error case 3: out of RAM", Erratum: "the result is 3 (out of RAM), not 2", Missing: "packages go to disk as they come"},
		{ID: 775, Title: "Error case 4: connection lost", run: serverVanishes},
		{ID: 776, Title: "Error case 5: integrity check failure", run: damagedPackage},
		{ID: 777, Title: "Error case 6: unsupported package type", run: foreignPackage},
		{ID: 778, Title: "Error case 7: invalid URI", run: invalidURI},
		{ID: 779, Title: "Error case 8: unsuccessful update", run: illSystem, Note: "the new system runs, and its check fails"},
		{ID: 780, Title: "Error case 9: unsupported protocol", Missing: noProcedure},
	}
	for i := range list {
		list[i].Since, list[i].Condition = lwm2m.Version10, "C.8"
	}
	return list
}

// The values of State and Update Result (the definition of object 5).
const (
	stateIdle, stateDownloading, stateDownloaded, stateUpdating = 0, 1, 2, 3

	resultInitial, resultSuccess, resultStorage, resultConnection = 0, 1, 2, 4
	resultIntegrity, resultType, resultURI, resultFailed          = 5, 6, 7, 8
)

// pkg makes a package of the given size for the device's simulated slots.
func pkg(more string, size int) []byte {
	image := bytes.Repeat([]byte("firmware"), size/8)
	sum := sha256.Sum256(image)
	head := fmt.Sprintf("lwm2m-agent firmware 1\nname = ets\nversion = 2.0\nsha256 = %s\n%s\n", hex.EncodeToString(sum[:]), more)
	return append([]byte(head), image...)
}

// transferTime is how long a package may take, which is some dozens of messages, each of which must come at once.
const transferTime = 2 * patience

// push writes a package to /5/0/0.
func (s *tester) push(content []byte) *answer {
	m := request(coap.PUT, "/5/0/0")
	m.SetContentFormat(uint16(lwm2m.FormatOpaque))
	m.Payload = content
	return s.doWithin(transferTime, m)
}

// firmware waits until State and Update Result are as given.
func (s *tester) firmware(state, result int) {
	got := ""
	want := fmt.Sprintf("State %d and Update Result %d", state, result)
	for end := time.Now().Add(transferTime); time.Now().Before(end); s.t.wait(20 * time.Millisecond) {
		c, ok := s.server.Client(endpoint)
		if !ok {
			continue // it reboots
		}
		nodes, err := c.Read(s.t.ctx, lwm2m.MustPath("/5/0"), s.t.several())
		if err != nil {
			s.t.must(s.t.over())
			continue
		}
		values := make(map[lwm2m.Path]string)
		for _, n := range nodes {
			values[n.Path] = n.Value.String()
		}
		got = fmt.Sprintf("State %s and Update Result %s", values[lwm2m.MustPath("/5/0/3")], values[lwm2m.MustPath("/5/0/5")])
		if got == want {
			return
		}
	}
	s.t.failf("expected %s within %s, got %s", want, transferTime, got)
}

// depot serves a package by CoAP, from a file server that is none of LwM2M, and
// returns its URI. Where it comes to byte gone, if that is not 0, it vanishes.
func (t *trial) depot(content []byte, gone int64) string {
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	t.must(err)
	l := coap.Listen(pc, func(x *coap.Exchange) {
		// A failure to answer is the procedure's subject.
		_ = x.Respond(&coap.Message{Code: coap.Content, Body: &file{bytes.NewReader(content), gone, pc}})
	}, coap.ListenOptions{})
	t.sandbox.depots = append(t.sandbox.depots, l)
	t.sandbox.running.Go(func() { _ = l.Run(t.ctx) })
	return "coap://" + pc.LocalAddr().String() + "/package"
}

// file is a package whose server vanishes while it is read.
type file struct {
	*bytes.Reader
	gone   int64
	server io.Closer
}

func (f *file) ReadAt(p []byte, at int64) (int, error) {
	if f.gone > 0 && at >= f.gone {
		return 0, errors.Join(io.ErrUnexpectedEOF, f.server.Close())
	}
	return f.Reader.ReadAt(p, at)
}

func readFirmware(t *trial) {
	s := t.registered(conditions{})
	// 1. The server reads the instance. A. It gets 2.05 with what is mandatory and readable.
	c := s.read("/5/0", t.several()).content("/5/0")
	c.says("/5/0/1=, /5/0/3=0, /5/0/5=0").has("/5/0/9")
	for _, path := range []string{"/5/0/3", "/5/0/5", "/5/0/9"} {
		s.read(path).content(path)
	}
}

func setPackage(t *trial) {
	s := t.registered(conditions{})
	// 1. The server writes a package, block by block. A. It gets 2.04, and the State becomes Downloaded.
	s.push(pkg("", 20_000)).is(coap.Changed)
	s.firmware(stateDownloaded, resultInitial)
	// 2. It writes NUL. B. State and Update Result are initial.
	s.push([]byte{0}).is(coap.Changed)
	s.firmware(stateIdle, resultInitial)
}

func setPackageURI(t *trial) {
	s := t.registered(conditions{})
	uri := t.depot(pkg("", 20_000), 0)
	// 1. The server writes a URI and reads it. A. It gets 2.04, and the URI.
	s.put("/5/0/1", uri)
	s.read("/5/0/1").content("/5/0/1").says(values("/5/0/1=" + uri))
	s.firmware(stateDownloaded, resultInitial)
	// 2. It writes an empty one. B. State and Update Result are initial.
	s.put("/5/0/1", "")
	s.firmware(stateIdle, resultInitial)
}

func observeFirmware(t *trial) {
	s := t.registered(conditions{})
	// 1. The server attaches pmin and pmax to State and observes it. A. It gets 2.04 and 2.05.
	s.attach("/5/0/3", "pmin=0", "pmax=60")
	w := s.observe("/5/0/3", t.several())
	w.first.says("/5/0/3=0")
	// 2. A package is pushed. B. The client notifies each State up to Downloaded.
	s.push(pkg("", 20_000)).is(coap.Changed)
	for state := stateDownloading; state <= stateDownloaded; state++ {
		w.between(0, patience).says(values("/5/0/3=" + strconv.Itoa(state)))
	}
}

// installed is how a procedure goes on with a package that is there.
func (s *tester) installed(result int) {
	// The server executes Update. It gets 2.04, and the State becomes Updating.
	s.execute("/5/0/2")
	s.firmware(stateUpdating, resultInitial)
	// The device installs, reboots and registers.
	s.register()
	s.firmware(stateIdle, result)
}

func pushFirmware(t *trial) {
	s := t.registered(conditions{})
	// 1. The server pushes a package. A. The State becomes Downloaded.
	s.push(pkg("", 40_000)).is(coap.Changed)
	s.firmware(stateDownloaded, resultInitial)
	// 2. It executes Update. B. The device reboots, and the result is 1.
	s.installed(resultSuccess)
	s.read("/5/0", t.several()).content("/5/0").says("/5/0/6=ets, /5/0/7=2.0")
}

func pullFirmware(t *trial) {
	s := t.registered(conditions{})
	// 1. The server writes the URI of a package. A. The State becomes Downloaded.
	s.put("/5/0/1", t.depot(pkg("", 40_000), 0))
	s.firmware(stateDownloaded, resultInitial)
	// 2. It executes Update. B. The device reboots, and the result is 1.
	s.installed(resultSuccess)
}

func updateWithoutPackage(t *trial) {
	s := t.registered(conditions{})
	// 1. The server executes Update without a package. A. It gets 4.05, and nothing changes.
	s.do(request(coap.POST, "/5/0/2")).is(coap.MethodNotAllowed)
	s.firmware(stateIdle, resultInitial)
}

func packageTooLarge(t *trial) {
	s := t.registered(conditions{})
	// 1. The server pushes a package that the device has no room for. A. The result is 2.
	s.push(pkg("", 2*largestPackage)).is(coap.RequestEntityTooLarge)
	s.firmware(stateIdle, resultStorage)
}

func serverVanishes(t *trial) {
	s := t.registered(conditions{stalled: 4 * time.Second}) // in which a busy machine sees that it downloads, too
	// 1. The server writes a URI, and the file server vanishes. A. The result is 4.
	s.put("/5/0/1", t.depot(pkg("", 40_000), 10_000))
	s.firmware(stateDownloading, resultInitial)
	s.firmware(stateIdle, resultConnection)
}

func damagedPackage(t *trial) {
	s := t.registered(conditions{})
	content := pkg("", 20_000)
	content[len(content)-1] ^= 1
	// 1. The server pushes a package that is damaged. A. The result is 5.
	s.push(content).is(coap.Changed)
	s.firmware(stateIdle, resultIntegrity)
}

func foreignPackage(t *trial) {
	s := t.registered(conditions{})
	// 1. The server pushes a package for another board. A. The result is 6.
	s.push(pkg("compatible = another board\n", 20_000)).is(coap.Changed)
	s.firmware(stateIdle, resultType)
}

func invalidURI(t *trial) {
	s := t.registered(conditions{})
	// 1. The server writes a URI that is none. A. The result is 7.
	s.put("/5/0/1", "coap:nothing")
	s.firmware(stateIdle, resultURI)
}

func illSystem(t *trial) {
	s := t.registered(conditions{})
	// 1. The server pushes a package whose system does not work. A. The State becomes Downloaded.
	s.push(pkg("healthy = no\n", 20_000)).is(coap.Changed)
	s.firmware(stateDownloaded, resultInitial)
	// 2. It executes Update. B. The device goes back to the system of before, and the result is 8.
	s.installed(resultFailed)
}
