package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Function codes (V1.1b3 section 5.1).
const (
	readCoils      = 1
	readDiscretes  = 2
	readHoldings   = 3
	readInputs     = 4
	writeCoil      = 5
	writeRegister  = 6
	writeRegisters = 16
	failed         = 0x80 // of the code in a response
)

// The most that one request can read (sections 6.1 and 6.3).
const (
	MaxBits      = 2000
	MaxRegisters = 125
)

// Table is one of the four kinds of data of a device.
type Table string

// The tables.
const (
	Coils     Table = "coil"     // bits that can be written
	Discretes Table = "discrete" // bits
	Holdings  Table = "holding"  // registers that can be written
	Inputs    Table = "input"    // registers
)

// Bits reports whether the table has bits, not registers of 16 bits.
func (t Table) Bits() bool { return t == Coils || t == Discretes }

func (t Table) function() byte {
	switch t {
	case Coils:
		return readCoils
	case Discretes:
		return readDiscretes
	case Holdings:
		return readHoldings
	case Inputs:
	}
	return readInputs
}

// ErrFrame is an answer that is none: a wrong checksum, another device's, cut
// short.
var ErrFrame = errors.New("broken answer")

// ErrSilence is no answer in time.
var ErrSilence = errors.New("no answer")

// ExceptionError is what a device says instead of an answer (section 7).
type ExceptionError byte

// The exceptions that say "not now" rather than "never".
const (
	ErrAcknowledge ExceptionError = 5
	ErrBusy        ExceptionError = 6
)

var exceptions = map[ExceptionError]string{
	1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure", 5: "acknowledge, still at work",
	6: "device busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target does not respond",
}

func (e ExceptionError) Error() string {
	if text := exceptions[e]; text != "" {
		return fmt.Sprintf("exception %d, %s", byte(e), text)
	}
	return fmt.Sprintf("exception %d", byte(e))
}

// request is a PDU and how long a good response to it is.
type request struct {
	pdu    []byte
	answer int
}

func readRequest(t Table, first, count uint16) (request, error) {
	most, size := uint16(MaxRegisters), 2*int(count)
	if t.Bits() {
		most, size = MaxBits, (int(count)+7)/8
	}
	if count == 0 || count > most || int(first)+int(count) > 1<<16 {
		return request{}, fmt.Errorf("%d from %d of table %s cannot be read at once", count, first, t)
	}
	return request{words(t.function(), first, count), 2 + size}, nil
}

func words(function byte, values ...uint16) []byte {
	pdu := []byte{function}
	for _, v := range values {
		pdu = binary.BigEndian.AppendUint16(pdu, v)
	}
	return pdu
}

func writeRequest(t Table, first uint16, values []uint16) (request, error) {
	switch {
	case t == Coils && len(values) == 1:
		state := uint16(0)
		if values[0] != 0 {
			state = 0xff00
		}
		return request{words(writeCoil, first, state), 5}, nil
	case t == Holdings && len(values) == 1:
		return request{words(writeRegister, first, values[0]), 5}, nil
	case t == Holdings && len(values) > 1 && len(values) <= 123 && int(first)+len(values) <= 1<<16:
		pdu := append(words(writeRegisters, first, uint16(len(values))), byte(2*len(values))) //nolint:gosec // at most 123
		for _, v := range values {
			pdu = binary.BigEndian.AppendUint16(pdu, v)
		}
		return request{pdu, 5}, nil
	}
	return request{}, fmt.Errorf("%d values cannot be written to table %s at %d", len(values), t, first)
}

// response checks the PDU of a response and returns its data.
func (r request) response(pdu []byte) ([]byte, error) {
	switch {
	case len(pdu) == 2 && pdu[0] == r.pdu[0]|failed:
		return nil, ExceptionError(pdu[1])
	case len(pdu) != r.answer || pdu[0] != r.pdu[0]:
		return nil, fmt.Errorf("%w: % x to % x", ErrFrame, pdu[:min(len(pdu), 8)], r.pdu[:min(len(r.pdu), 8)])
	case r.pdu[0] <= readInputs:
		if int(pdu[1]) != r.answer-2 {
			return nil, fmt.Errorf("%w: %d bytes instead of %d", ErrFrame, pdu[1], r.answer-2)
		}
		return pdu[2:], nil
	case string(pdu) != string(r.pdu[:5]): // what was written comes back
		return nil, fmt.Errorf("%w: % x was written and % x comes back", ErrFrame, r.pdu[:5], pdu)
	}
	return nil, nil
}

// unpack returns the values of a response to a read, bits as 0 and 1.
func unpack(t Table, data []byte, count uint16) []uint16 {
	values := make([]uint16, count)
	for i := range values {
		if t.Bits() {
			values[i] = uint16(data[i/8]>>(i%8)) & 1
		} else {
			values[i] = binary.BigEndian.Uint16(data[2*i:])
		}
	}
	return values
}
