package rig

import (
	"encoding/json"
	"net"
	"sync"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// monitorTime is how long QEMU may take to answer.
const monitorTime = 20 * time.Second

// monitor is QEMU's machine protocol (docs/interop/qmp-spec).
type monitor struct {
	mu   sync.Mutex
	conn net.Conn
	in   *json.Decoder
}

// reply is what QEMU sends: a greeting, an event, or the answer to a command.
type reply struct {
	Return json.RawMessage
	Error  *struct{ Desc string }
}

func dialMonitor(t workspace.T, p *process.Process, path string) *monitor {
	t.Helper()
	conn := dial(t, p, path)
	m := &monitor{conn: conn, in: json.NewDecoder(conn)}
	m.execute(t, "qmp_capabilities", nil)
	return m
}

// execute gives a command and returns its answer; an error ends the test.
func (m *monitor) execute(t workspace.T, command string, arguments any) json.RawMessage {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	message := map[string]any{"execute": command}
	if arguments != nil {
		message["arguments"] = arguments
	}
	if err := m.conn.SetDeadline(time.Now().Add(monitorTime)); err != nil {
		t.Fatalf("ask QEMU: %v", err)
	}
	if err := json.NewEncoder(m.conn).Encode(message); err != nil {
		t.Fatalf("ask QEMU: %v", err)
	}
	for {
		var r reply
		if err := m.in.Decode(&r); err != nil {
			t.Fatalf("ask QEMU %s: %v", command, err)
		}
		switch {
		case r.Error != nil:
			t.Fatalf("ask QEMU %s %v: %s", command, arguments, r.Error.Desc)
		case r.Return != nil:
			return r.Return
		}
	}
}
