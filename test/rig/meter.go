package rig

import (
	"encoding/binary"
	"io"
	"net"

	"lwm2m-agent/test/workspace"
)

// StartMeter serves input registers over Modbus TCP on this machine's loopback until the test ends, and returns the port: an energy meter
// that the board reaches at Host.
func StartMeter(t workspace.T, registers ...uint16) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start the meter: %v", err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveMeter(conn, registers) // ends with its connection, which ends with the board
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// serveMeter answers "read input registers" (Modbus application protocol V1.1b3, section 6.4, behind the header of TCP) until the
// connection ends.
func serveMeter(conn net.Conn, registers []uint16) {
	defer conn.Close()
	frame := make([]byte, 12)
	for {
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		first, count := int(binary.BigEndian.Uint16(frame[8:])), int(binary.BigEndian.Uint16(frame[10:]))
		pdu := []byte{frame[7] | 0x80, 2} // illegal data address
		if frame[7] == 4 && first+count <= len(registers) {
			pdu = []byte{4, byte(2 * count)}
			for _, r := range registers[first : first+count] {
				pdu = binary.BigEndian.AppendUint16(pdu, r)
			}
		}
		head := []byte{frame[0], frame[1], 0, 0, 0, byte(1 + len(pdu)), frame[6]}
		if _, err := conn.Write(append(head, pdu...)); err != nil {
			return
		}
	}
}
