package attest

import (
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Stack is the IP stack of a simulated modem, whose datagrams go through real sockets.
type Stack struct {
	modem  *Modem
	family family
	dial   func(address string) (net.Conn, error)
	wait   sync.WaitGroup

	mu     sync.Mutex
	active bool // the context
	hosts  map[string]string
	open   map[int]*relay
	opened int // how often a socket was
}

// relay is an open socket.
type relay struct {
	remote string   // "" until something is sent
	conn   net.Conn // likewise
	waits  []string // datagrams that have come
}

// family is how modules speak of their sockets.
type family struct {
	most    int  // bytes of the longest datagram
	again   bool // each datagram is told, and not only the first that waits
	arrived func(id int, datagram, remote string) string
	pushes  bool // arrived has the datagram
	lost    string
	down    string
	serve   func(*Stack)
}

var families = map[string]family{
	"quectel": {
		most: 1460, lost: `+QIURC: "closed",%d`, down: `+QIURC: "pdpdeact",1`, serve: (*Stack).quectel,
		arrived: func(id int, _, _ string) string { return fmt.Sprintf(`+QIURC: "recv",%d`, id) },
	},
	"bc660": {
		most: 512, again: true, pushes: true, lost: `+QIURC: "closed",%d`, down: `+QIURC: "pdpdeact",0`, serve: (*Stack).bc660,
		arrived: func(id int, d, _ string) string { return fmt.Sprintf(`+QIURC: "recv",%d,%d,"%X"`, id, len(d), d) },
	},
	"ublox": {
		most: 1024, again: true, lost: "+UUSOCL: %d", down: "+UUPSDD: 0", serve: (*Stack).ublox,
		arrived: func(id int, d, _ string) string { return fmt.Sprintf("+UUSORF: %d,%d", id, len(d)) },
	},
	"neul": {
		most: 512, lost: "+NSOCLI: %d", down: "+CGEV: NW PDN DEACT 0", serve: (*Stack).neul,
		arrived: func(id int, d, _ string) string { return fmt.Sprintf("+NSONMI: %d,%d", id, len(d)) },
	},
	"simcom": {
		most: 1460, lost: "+CASTATE: %d,0", down: "+APP PDP: 0,DEACTIVE", serve: (*Stack).simcom,
		arrived: func(id int, _, _ string) string { return fmt.Sprintf("+CADATAIND: %d", id) },
	},
	"sim7000": {
		most: 1460, again: true, pushes: true, lost: "%d, CLOSED", down: "+PDP: DEACT", serve: (*Stack).sim7000,
		arrived: func(id int, d, _ string) string { return fmt.Sprintf("+RECEIVE,%d,%d:\r\n%s", id, len(d), d) },
	},
	"sim7600": {
		most: 1460, again: true, pushes: true, lost: "+IPCLOSE: %d,1", down: "+CIPEVENT: NETWORK CLOSED UNEXPECTEDLY", serve: (*Stack).sim7600,
		arrived: func(_ int, d, remote string) string {
			return fmt.Sprintf("RECV FROM:%s\r\n+IPD%d\r\n%s", remote, len(d), d)
		},
	},
}

// Connect gives a modem a stack as the modules of a family have it: "quectel", "bc660", "ublox", "neul", "simcom", "sim7000",
// "sim7600". dial makes
// the sockets that datagrams go through; nil is those of this machine. The caller ends it with Close.
func (m *Modem) Connect(name string, dial func(address string) (net.Conn, error)) *Stack {
	if dial == nil {
		dial = func(address string) (net.Conn, error) { return net.Dial("udp", address) } //nolint:noctx // it does not wait
	}
	k := &Stack{modem: m, family: families[name], dial: dial, hosts: make(map[string]string), open: make(map[int]*relay)}
	k.family.serve(k)
	return k
}

// Host enters the address of a name.
func (k *Stack) Host(name, address string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hosts[name] = address
}

// Opened returns how often a socket was opened.
func (k *Stack) Opened() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.opened
}

// Close ends all sockets without a word.
func (k *Stack) Close() {
	k.drop()
	k.wait.Wait()
}

// drop is Close without waiting for who may be about to say that something has come.
func (k *Stack) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, r := range k.open {
		k.end(id, r)
	}
	k.active = false
}

// end closes a socket. The lock must be held.
func (k *Stack) end(id int, r *relay) {
	delete(k.open, id)
	if r.conn != nil {
		_ = r.conn.Close()
	}
}

// Lose has the network close each socket, which the modem tells.
func (k *Stack) Lose() error {
	k.mu.Lock()
	lines := make([]string, 0, len(k.open))
	for id, r := range k.open {
		k.end(id, r)
		lines = append(lines, fmt.Sprintf(k.family.lost, id))
	}
	k.mu.Unlock()
	return k.modem.Say(lines...)
}

// Deactivate has the network take the connection back.
func (k *Stack) Deactivate() error {
	k.Close()
	return k.modem.Say(k.family.down)
}

// Reboot restarts the modem: nothing is open any more.
func (k *Stack) Reboot() error {
	k.Close()
	return k.modem.Say("RDY")
}

// activate has the context active, and returns what is answered.
func (k *Stack) activate() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active = true
}

func (k *Stack) isActive() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.active
}

// create opens a socket, with a number below 0 under a free one. It reports whether it could.
func (k *Stack) create(id int, remote string) (int, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for free := 0; id < 0; free++ {
		if k.open[free] == nil {
			id = free
		}
	}
	if k.open[id] != nil || len(k.open) > 6 {
		return id, false
	}
	k.open[id] = &relay{remote: remote}
	k.opened++
	return id, true
}

// shut closes a socket, and answers.
func (k *Stack) shut(rest string) string {
	id, _ := strconv.Atoi(rest)
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.open[id]
	if r == nil {
		return "ERROR"
	}
	k.end(id, r)
	return "OK"
}

// send sends a datagram, to an address or where the socket is connected to.
func (k *Stack) send(id int, remote, datagram string) bool {
	conn := k.outlet(id, remote)
	if conn == nil || len(datagram) > k.family.most {
		return false
	}
	_, err := conn.Write([]byte(datagram)) // which may wait for who reads, and that for listen
	return err == nil
}

// outlet returns what a socket sends over, nil if there is no such socket or nothing at the address.
func (k *Stack) outlet(id int, remote string) net.Conn {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.open[id]
	if r == nil {
		return nil
	}
	if r.conn == nil {
		if remote == "" {
			remote = r.remote
		}
		conn, err := k.dial(remote)
		if err != nil {
			return nil
		}
		r.remote, r.conn = remote, conn
		k.wait.Go(func() { k.listen(id, r) })
	}
	return r.conn
}

// known reports whether a socket is open.
func (k *Stack) known(id int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.open[id] != nil
}

// listen takes what comes.
func (k *Stack) listen(id int, r *relay) {
	buf := make([]byte, 2048)
	for {
		n, err := r.conn.Read(buf)
		if err != nil {
			return
		}
		d := string(buf[:n])
		k.mu.Lock()
		tell := k.open[id] == r && (k.family.again || len(r.waits) == 0)
		if !k.family.pushes {
			r.waits = append(r.waits, d)
		}
		k.mu.Unlock()
		if tell {
			_ = k.modem.Say(k.family.arrived(id, d, r.remote))
		}
	}
}

// take returns the next datagram and from whom it is.
func (k *Stack) take(id int) (datagram, host, port string, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.open[id]
	if r == nil {
		return "", "", "", false
	}
	if len(r.waits) > 0 {
		datagram, r.waits = r.waits[0], r.waits[1:]
	}
	host, port, _ = net.SplitHostPort(r.remote)
	return datagram, host, port, true
}

func (k *Stack) address(name string) (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.hosts[name]
	return a, ok
}

// params splits what follows a command's name.
func params(rest string) []string {
	f := strings.Split(rest, ",")
	for i := range f {
		f[i] = strings.Trim(f[i], `"`)
	}
	return append(f, make([]string, 8)...)
}

func integer(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// upload asks for a datagram and sends it, then says one thing or the other.
func (k *Stack) upload(prompt string, id, size int, remote string, sent, failed string) Reply {
	if !k.known(id) || size < 1 || size > k.family.most {
		return Reply{Chunks: framed("ERROR")}
	}
	return Reply{Chunks: []string{"\r\n" + prompt}, Want: size, Then: func(data string) []string {
		if k.send(id, remote, data) {
			return framed(strings.Split(sent, "\n")...)
		}
		return framed(failed)
	}}
}

func (k *Stack) quectel() {
	m := k.modem
	m.Handle("AT+QIACT?", func(string) string {
		if k.isActive() {
			return `+QIACT: 1,1,1,"10.45.0.2"` + "\nOK"
		}
		return "OK"
	})
	m.Handle("AT+QIACT=1", func(string) string {
		k.activate()
		return "OK"
	})
	m.Handle("AT+QIOPEN=", func(rest string) string {
		f := params(rest)
		id, ok := k.create(integer(f[1]), "")
		if !ok || f[2] != "UDP SERVICE" || !k.isActive() {
			return fmt.Sprintf("OK\n+QIOPEN: %d,566", id)
		}
		return fmt.Sprintf("OK\n+QIOPEN: %d,0", id)
	})
	m.Handle("AT+QICLOSE=", k.shut)
	m.HandleBytes("AT+QISEND=", func(rest string) Reply {
		f := params(rest)
		return k.upload("> ", integer(f[0]), integer(f[1]), net.JoinHostPort(f[2], f[3]), "SEND OK", "SEND FAIL")
	})
	m.HandleBytes("AT+QIRD=", func(rest string) Reply {
		d, host, port, ok := k.take(integer(rest))
		switch {
		case !ok:
			return Reply{Chunks: framed("ERROR")}
		case d == "":
			return Reply{Chunks: framed("+QIRD: 0", "OK")}
		}
		return Reply{Chunks: []string{fmt.Sprintf("\r\n+QIRD: %d,\"%s\",%s\r\n%s\r\n\r\nOK\r\n", len(d), host, port, d)}}
	})
	m.Handle("AT+QIDNSGIP=1,", func(rest string) string {
		if a, ok := k.address(strings.Trim(rest, `"`)); ok {
			return "OK\n" + `+QIURC: "dnsgip",0,1,600` + "\n" + `+QIURC: "dnsgip","` + a + `"`
		}
		return "OK\n" + `+QIURC: "dnsgip",565`
	})
}

func (k *Stack) bc660() {
	m := k.modem
	m.Set(`AT+QICFG="dataformat",1,1`, "OK")
	m.Handle("AT+QIOPEN=", func(rest string) string {
		f := params(rest)
		if id, ok := k.create(integer(f[1]), net.JoinHostPort(f[3], f[4])); !ok {
			return fmt.Sprintf("OK\n+QIOPEN: %d,566", id)
		}
		return "OK\n+QIOPEN: " + f[1] + ",0"
	})
	m.Handle("AT+QICLOSE=", k.shut)
	m.Handle("AT+QISEND=", func(rest string) string {
		f := params(rest)
		d, err := hex.DecodeString(f[2])
		if err != nil || len(d) != integer(f[1]) || !k.known(integer(f[0])) {
			return "ERROR"
		}
		if k.send(integer(f[0]), "", string(d)) {
			return "OK\nSEND OK"
		}
		return "OK\nSEND FAIL"
	})
}

func (k *Stack) ublox() {
	m := k.modem
	m.Set("AT+UDCONF=1,0", "OK")
	m.Handle("AT+UPSND=0,8", func(string) string {
		if k.isActive() {
			return "+UPSND: 0,8,1\nOK"
		}
		return "+UPSND: 0,8,0\nOK"
	})
	m.Handle("AT+UPSD=0,", func(string) string { return "OK" })
	m.Handle("AT+UPSDA=0,3", func(string) string {
		k.activate()
		return "OK\n" + `+UUPSDA: 0,"10.45.0.2"`
	})
	m.Handle("AT+USOCR=17,", func(string) string {
		if id, ok := k.create(-1, ""); ok {
			return fmt.Sprintf("+USOCR: %d\nOK", id)
		}
		return "+CME ERROR: 3"
	})
	m.Handle("AT+USOCL=", k.shut)
	m.HandleBytes("AT+USOST=", func(rest string) Reply {
		f := params(rest)
		return k.upload("@", integer(f[0]), integer(f[3]), net.JoinHostPort(f[1], f[2]), fmt.Sprintf("+USOST: %s,%s\nOK", f[0], f[3]), "ERROR")
	})
	m.HandleBytes("AT+USORF=", func(rest string) Reply {
		id := integer(params(rest)[0])
		d, host, port, ok := k.take(id)
		switch {
		case !ok:
			return Reply{Chunks: framed("ERROR")}
		case d == "":
			return Reply{Chunks: framed(fmt.Sprintf(`+USORF: %d,""`, id), "OK")}
		}
		return Reply{Chunks: []string{fmt.Sprintf("\r\n+USORF: %d,\"%s\",%s,%d,\"%s\"\r\n\r\nOK\r\n", id, host, port, len(d), d)}}
	})
	m.Handle("AT+UDNSRN=0,", func(rest string) string {
		if a, ok := k.address(strings.Trim(rest, `"`)); ok {
			return `+UDNSRN: "` + a + "\"\nOK"
		}
		return "+CME ERROR: 31"
	})
}

func (k *Stack) neul() {
	m := k.modem
	m.Handle("AT+NSOCR=", func(string) string {
		if id, ok := k.create(-1, ""); ok {
			return fmt.Sprintf("%d\nOK", id)
		}
		return "ERROR"
	})
	m.Handle("AT+NSOCL=", k.shut)
	m.Handle("AT+NSOST=", func(rest string) string {
		f := params(rest)
		id := integer(f[0])
		d, err := hex.DecodeString(f[4])
		if err != nil || len(d) != integer(f[3]) || !k.known(id) || !k.send(id, net.JoinHostPort(f[1], f[2]), string(d)) {
			return "ERROR"
		}
		return fmt.Sprintf("%d,%d\nOK", id, len(d))
	})
	m.Handle("AT+NSORF=", func(rest string) string {
		id := integer(params(rest)[0])
		d, host, port, ok := k.take(id)
		switch {
		case !ok:
			return "ERROR"
		case d == "":
			return "OK"
		}
		return fmt.Sprintf("%d,%s,%s,%d,%X,0\nOK", id, host, port, len(d), d)
	})
}
