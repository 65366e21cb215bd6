// Package attest is a modem for tests and for the demo: bytes in, bytes out, by a transcript of what
// a module answers and by what a test changes of it. It knows nothing of package at.
package attest

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// Modem is a simulated modem. Its methods may be called at any time.
type Modem struct {
	mu       sync.Mutex
	ports    []io.Writer
	answers  map[string][]string
	handlers []handler
	commands []string
	echo     bool
	silent   bool
	mangle   func(chunk string) string
}

type handler struct {
	prefix string
	answer func(rest string) Reply
}

// Reply is what a modem says to a command. With Want, it then takes so many bytes of any kind, and says
// what Then makes of them. With Online, the port then carries what that says and is told, until it ends: NO
// CARRIER (ITU-T V.250, clause 6.3.1).
type Reply struct {
	Chunks []string // as they go out
	Want   int
	Then   func(data string) []string
	Online io.ReadWriteCloser
}

// New returns a modem that answers as the exchanges say, and "ERROR" to all else.
func New(exchanges []Exchange) *Modem {
	m := &Modem{answers: make(map[string][]string)}
	for _, e := range exchanges {
		m.answers[e.Sent] = e.Chunks
	}
	return m
}

// Open returns the modem of a file that Read reads. The errors are those of the file, and of Read.
func Open(transcript string) (*Modem, error) {
	f, err := os.Open(transcript)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	exchanges, err := Read(f)
	if err != nil {
		return nil, err
	}
	return New(exchanges), nil
}

// Set changes the answer to a command: lines without the CR and LF around them.
func (m *Modem) Set(command string, lines ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[command] = []string{}
	for _, l := range lines {
		m.answers[command] = append(m.answers[command], "\r\n"+l+"\r\n")
	}
}

// Handle has commands that begin with prefix answered by a function, which is given
// what follows and returns lines parted by LF. The latest handler comes first.
func (m *Modem) Handle(prefix string, answer func(rest string) string) {
	m.HandleBytes(prefix, func(rest string) Reply { return Reply{Chunks: framed(strings.Split(answer(rest), "\n")...)} })
}

// framed puts CR and LF around lines.
func framed(lines ...string) []string {
	var out []string
	for _, l := range lines {
		if l != "" {
			out = append(out, "\r\n"+l+"\r\n")
		}
	}
	return out
}

// HandleBytes does the same with a function that says each byte.
func (m *Modem) HandleBytes(prefix string, answer func(rest string) Reply) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handlers = slices.Insert(m.handlers, 0, handler{prefix, answer})
}

// Echo has commands echoed, or not.
func (m *Modem) Echo(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.echo = on
}

// Silence has commands swallowed, or answered again.
func (m *Modem) Silence(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silent = on
}

// Mangle has each chunk go through a function on its way out; nil is none.
func (m *Modem) Mangle(f func(chunk string) string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mangle = f
}

// Say sends lines that nobody asked for, over each port that takes commands.
func (m *Modem) Say(lines ...string) error {
	m.mu.Lock()
	ports := slices.Clone(m.ports)
	m.mu.Unlock()
	for _, l := range lines {
		for _, p := range ports {
			if err := m.write(p, "\r\n"+l+"\r\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Commands returns the commands that have come.
func (m *Modem) Commands() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.commands)
}

// Forget drops the commands that have come: those of a month would be many.
func (m *Modem) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands = nil
}

// Serve answers what comes over a port until it is closed. A modem may have several.
func (m *Modem) Serve(port io.ReadWriter) {
	m.listens(port, true)
	defer m.listens(port, false)
	var line, data []byte
	var reply Reply
	call := &call{}
	defer func() { call.end() }()
	buf := make([]byte, 512)
	for {
		n, err := port.Read(buf)
		heard := buf[:n]
		if call.carries(heard) {
			heard = nil
		}
		for _, c := range heard {
			if reply.Want > 0 {
				if data = append(data, c); len(data) == reply.Want {
					m.say(port, reply.Then(string(data)))
					reply, data = Reply{}, nil
				}
				continue
			}
			if c != '\r' && c != '\n' {
				line = append(line, c)
				continue
			}
			if at := bytes.Index(line, []byte("AT")); at >= 0 { // what stands before is nothing (ITU-T V.250, clause 5.2.1)
				reply = m.command(port, string(bytes.TrimRight(line[at:], "\x1b\x1a ")))
			}
			if line = line[:0]; reply.Online != nil {
				call.end()
				call = m.connect(port, reply.Online)
				reply = Reply{}
			}
		}
		if err != nil {
			return
		}
	}
}

// listens enters whether a port takes commands.
func (m *Modem) listens(port io.Writer, does bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ports = slices.DeleteFunc(m.ports, func(p io.Writer) bool { return p == port })
	if does {
		m.ports = append(m.ports, port)
	}
}

// command answers one, and returns what is to come after it.
func (m *Modem) command(port io.Writer, text string) Reply {
	m.mu.Lock()
	m.commands = append(m.commands, text)
	echo, silent := m.echo, m.silent
	m.mu.Unlock()
	if silent {
		return Reply{}
	}
	if echo {
		_ = m.write(port, text+"\r")
	}
	reply := m.answer(text)
	if reply.Online != nil {
		m.listens(port, false)
	}
	m.say(port, reply.Chunks)
	return reply
}

func (m *Modem) say(port io.Writer, chunks []string) {
	for _, chunk := range chunks {
		_ = m.write(port, chunk)
	}
}

func (m *Modem) answer(text string) Reply {
	m.mu.Lock()
	handlers, chunks := m.handlers, m.answers[text]
	m.mu.Unlock()
	for _, h := range handlers {
		if rest, ok := strings.CutPrefix(text, h.prefix); ok {
			return h.answer(rest)
		}
	}
	if chunks == nil {
		return Reply{Chunks: framed("ERROR")}
	}
	return Reply{Chunks: chunks}
}

func (m *Modem) write(port io.Writer, chunk string) error {
	m.mu.Lock()
	mangle := m.mangle
	m.mu.Unlock()
	if mangle != nil {
		chunk = mangle(chunk)
	}
	if chunk == "" {
		return nil
	}
	_, err := io.WriteString(port, chunk)
	return err
}
