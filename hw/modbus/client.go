package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Stream is a serial line or a connection.
type Stream interface {
	io.ReadWriteCloser
	SetDeadline(t time.Time) error
}

// Client asks the devices on one line, or behind one connection, one after the
// other; its owner sees to it that only one request is out. After an error other
// than an ExceptionError or ErrSilence, close it and make a new one.
type Client struct {
	stream Stream
	serial bool
	gap    time.Duration // of silence between frames on a serial line
	last   time.Time     // something was on the line
	id     uint16        // of the last request over TCP
}

// NewTCP returns a client on a connection.
func NewTCP(s Stream) *Client { return &Client{stream: s} }

// NewRTU returns a client on a serial line of that many bits a second. Frames are
// 3.5 characters of 11 bits apart, above 19200 bit/s 1.75 ms (serial line V1.02
// section 2.5.1.1).
func NewRTU(s Stream, baud int) *Client {
	gap := 1750 * time.Microsecond
	if baud > 0 && baud <= 19200 {
		gap = time.Duration(3.5 * 11 * float64(time.Second) / float64(baud))
	}
	return &Client{stream: s, serial: true, gap: gap}
}

// Close closes the line or the connection.
func (c *Client) Close() error { return c.stream.Close() }

// Read reads count values from first on: registers, or bits as 0 and 1.
func (c *Client) Read(unit byte, t Table, first, count uint16, limit time.Duration) ([]uint16, error) {
	r, err := readRequest(t, first, count)
	if err != nil {
		return nil, err
	}
	data, err := c.do(unit, r, limit)
	if err != nil {
		return nil, err
	}
	return unpack(t, data, count), nil
}

// Write writes a coil or registers from first on.
func (c *Client) Write(unit byte, t Table, first uint16, values []uint16, limit time.Duration) error {
	r, err := writeRequest(t, first, values)
	if err != nil {
		return err
	}
	_, err = c.do(unit, r, limit)
	return err
}

func (c *Client) do(unit byte, r request, limit time.Duration) ([]byte, error) {
	exchange := c.tcp
	if c.serial {
		exchange = c.rtu
	}
	if err := c.stream.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	pdu, err := exchange(unit, r, time.Now().Add(limit))
	c.last = time.Now()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("%w within %v", ErrSilence, limit)
	}
	if err != nil {
		return nil, err
	}
	return r.response(pdu)
}

// rtu sends a frame and takes the answer: address, PDU, checksum.
func (c *Client) rtu(unit byte, r request, limit time.Time) ([]byte, error) {
	if err := c.quiet(limit); err != nil {
		return nil, err
	}
	frame := append([]byte{unit}, r.pdu...)
	if _, err := c.stream.Write(binary.LittleEndian.AppendUint16(frame, crc16(frame))); err != nil {
		return nil, err
	}
	answer := make([]byte, 1+max(r.answer, 2)+2)
	if _, err := io.ReadFull(c.stream, answer[:5]); err != nil { // as long as an exception
		return nil, err
	}
	if answer[1]&failed != 0 {
		answer = answer[:5]
	} else if _, err := io.ReadFull(c.stream, answer[5:]); err != nil {
		return nil, err
	}
	body, sum := answer[:len(answer)-2], binary.LittleEndian.Uint16(answer[len(answer)-2:])
	switch {
	case crc16(body) != sum:
		return nil, fmt.Errorf("%w: the checksum of % x is %#04x, not %#04x", ErrFrame, body[:min(len(body), 8)], crc16(body), sum)
	case body[0] != unit:
		return nil, fmt.Errorf("%w: device %d answers instead of %d", ErrFrame, body[0], unit)
	}
	return body[1:], nil
}

// quiet waits until the line is silent for as long as parts two frames, and
// drops what was still on it.
func (c *Client) quiet(limit time.Time) error {
	rest := make([]byte, 256)
	for {
		silent := time.Now().Add(c.gap)
		if err := c.stream.SetDeadline(silent); err != nil {
			return err
		}
		_, err := c.stream.Read(rest)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return c.stream.SetDeadline(limit)
		case err != nil:
			return err
		case time.Now().After(limit):
			return fmt.Errorf("%w: the line is never silent", ErrFrame)
		}
	}
}

// tcp sends a frame and takes the answer: transaction, protocol 0, length, unit,
// PDU. Answers to former requests that come late are passed over.
func (c *Client) tcp(unit byte, r request, _ time.Time) ([]byte, error) {
	c.id++
	frame := binary.BigEndian.AppendUint16(nil, c.id)
	frame = append(frame, 0, 0, 0, byte(1+len(r.pdu)), unit) //nolint:gosec // at most 253
	if _, err := c.stream.Write(append(frame, r.pdu...)); err != nil {
		return nil, err
	}
	for {
		var head [7]byte
		if _, err := io.ReadFull(c.stream, head[:]); err != nil {
			return nil, err
		}
		length := int(binary.BigEndian.Uint16(head[4:]))
		if head[2] != 0 || head[3] != 0 || length < 3 || length > 254 {
			return nil, fmt.Errorf("%w: it begins with % x", ErrFrame, head)
		}
		pdu := make([]byte, length-1)
		if _, err := io.ReadFull(c.stream, pdu); err != nil {
			return nil, err
		}
		switch {
		case binary.BigEndian.Uint16(head[:]) != c.id:
			continue
		case head[6] != unit:
			return nil, fmt.Errorf("%w: device %d answers instead of %d", ErrFrame, head[6], unit)
		}
		return pdu, nil
	}
}

// crc16 is the checksum of RTU frames (serial line V1.02 section 6.2.2):
// polynomial 0xa001 reflected, beginning with 0xffff.
func crc16(data []byte) uint16 {
	crc := uint16(0xffff)
	for _, b := range data {
		crc ^= uint16(b)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xa001
			}
		}
	}
	return crc
}
