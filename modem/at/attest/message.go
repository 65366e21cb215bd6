package attest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Messages is the storage for short messages of a simulated modem (3GPP TS 27.005).
type Messages struct {
	modem *Modem
	mu    sync.Mutex
	size  int
	kept  map[int]*message
}

type message struct {
	pdu  string
	read bool
}

// Keep gives a modem a storage for short messages, of a size. It answers in PDU mode only.
func (m *Modem) Keep(size int) *Messages {
	k := &Messages{modem: m, size: size, kept: make(map[int]*message)}
	for _, command := range []string{"AT+CMGF=0", "AT+CNMI=2,1"} {
		m.Set(command, "OK")
	}
	m.Handle("AT+CPMS", k.storage)
	m.Handle("AT+CMGL=", k.list)
	m.Handle("AT+CMGR=", k.one)
	m.Handle("AT+CMGD=", k.remove)
	return k
}

// Receive has a message come, in hexadecimal with the address of its centre. It is refused when
// the storage is full.
func (k *Messages) Receive(pdu string) error {
	k.mu.Lock()
	place := 0
	for place < k.size && k.kept[place] != nil {
		place++
	}
	if place < k.size {
		k.kept[place] = &message{pdu: pdu}
	}
	k.mu.Unlock()
	if place == k.size {
		return fmt.Errorf("the storage of %d messages is full", k.size)
	}
	return k.modem.Say(fmt.Sprintf(`+CMTI: "ME",%d`, place))
}

// Kept returns the messages in the order of their places.
func (k *Messages) Kept() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]string, 0, len(k.kept))
	for _, place := range slices.Sorted(maps.Keys(k.kept)) {
		out = append(out, k.kept[place].pdu)
	}
	return out
}

// storage answers AT+CPMS, in each of its forms.
func (k *Messages) storage(rest string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	used := fmt.Sprintf("%d,%d", len(k.kept), k.size)
	switch rest {
	case "=?":
		return `+CPMS: ("ME"),("ME"),("ME")` + "\nOK"
	case "?":
		return fmt.Sprintf(`+CPMS: "ME",%s,"ME",%s,"ME",%s`, used, used, used) + "\nOK"
	}
	return fmt.Sprintf("+CPMS: %s,%s,%s\nOK", used, used, used)
}

// list answers AT+CMGL: 0 is what was not read, 4 all.
func (k *Messages) list(rest string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out strings.Builder
	for _, place := range slices.Sorted(maps.Keys(k.kept)) {
		m := k.kept[place]
		if rest == "0" && m.read || rest == "1" && !m.read || rest == "2" || rest == "3" {
			continue
		}
		fmt.Fprintf(&out, "+CMGL: %d,%d,,%d\n%s\n", place, m.status(), m.size(), m.pdu)
		m.read = true
	}
	return out.String() + "OK"
}

// one answers AT+CMGR.
func (k *Messages) one(rest string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	place, err := strconv.Atoi(rest)
	m := k.kept[place]
	if err != nil || m == nil {
		return "+CMS ERROR: 321"
	}
	out := fmt.Sprintf("+CMGR: %d,,%d\n%s\nOK", m.status(), m.size(), m.pdu)
	m.read = true
	return out
}

// remove answers AT+CMGD: one message or, with a second parameter 1, all that were read.
func (k *Messages) remove(rest string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	first, flag, _ := strings.Cut(rest, ",")
	place, err := strconv.Atoi(first)
	switch {
	case err != nil:
		return "+CMS ERROR: 321"
	case flag == "1":
		maps.DeleteFunc(k.kept, func(_ int, m *message) bool { return m.read })
	default:
		delete(k.kept, place)
	}
	return "OK"
}

func (m *message) status() int {
	if m.read {
		return 1
	}
	return 0
}

// size is the number of octets without the address of the centre.
func (m *message) size() int {
	centre, _ := strconv.ParseUint(m.pdu[:2], 16, 8)
	return len(m.pdu)/2 - 1 - int(centre)
}
