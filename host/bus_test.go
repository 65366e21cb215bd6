package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// bus is the far side of a D-Bus connection, at the level of bytes: it lets
// anybody in and answers method calls itself, by "interface.member", reads of a
// property also by "interface property". Those that
// it has no answer for belong to services that are not there.
type bus struct {
	answers map[string][]any // an element that is an error is the answer, a file is passed on and closed, a function makes the answer
	calls   []string         // with arguments, but for Hello
	on      func(method string)
	mu      sync.Mutex // of all that, where the far side is reached through the kernel
}

// dial connects to the bus. The far side ends with the connection.
func (b *bus) dial(ctx context.Context) (*dbus.Conn, error) {
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.serve(far) // it ends with the pipe
	}()
	conn, err := dbus.NewConn(ender{near, done}, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
		return nil, err
	}
	return conn, conn.Hello()
}

// ender waits for the far side when it is closed.
type ender struct {
	net.Conn
	done <-chan struct{}
}

func (e ender) Close() error {
	err := e.Conn.Close()
	<-e.done
	return err
}

func (b *bus) serve(conn net.Conn) error {
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := in.ReadByte(); err != nil { // the NUL that carries credentials
		return err
	}
	for line := ""; line != "BEGIN"; {
		text, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimSpace(text)
		switch {
		case line == "AUTH":
			_, err = io.WriteString(conn, "REJECTED EXTERNAL\r\n")
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			_, err = io.WriteString(conn, "OK 0123456789abcdef0123456789abcdef\r\n")
		case line == "NEGOTIATE_UNIX_FD":
			_, err = io.WriteString(conn, "AGREE_UNIX_FD\r\n")
		case line != "BEGIN":
			_, err = io.WriteString(conn, "ERROR\r\n")
		}
		if err != nil {
			return err
		}
	}
	for serial := uint32(1); ; serial++ {
		call, err := dbus.DecodeMessage(in)
		if err != nil {
			return err
		}
		b.mu.Lock()
		answer := b.answer(call)
		b.mu.Unlock()
		var passed *os.File
		if len(answer.Body) == 1 {
			if passed, _ = answer.Body[0].(*os.File); passed != nil {
				answer.Body[0] = dbus.UnixFDIndex(0)
				answer.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(answer.Body...))
				answer.Headers[dbus.FieldUnixFDs] = dbus.MakeVariant(uint32(1))
			}
		}
		var reply bytes.Buffer
		if err := answer.EncodeTo(&reply, binary.LittleEndian); err != nil {
			return err
		}
		// The library numbers only messages of its own connections.
		binary.LittleEndian.PutUint32(reply.Bytes()[8:], serial)
		if err := send(conn, reply.Bytes(), passed); err != nil {
			return err
		}
	}
}

// send sends a message, with a file that is closed then.
func send(conn net.Conn, message []byte, passed *os.File) error {
	if passed == nil {
		_, err := conn.Write(message)
		return err
	}
	_, _, err := conn.(*net.UnixConn).WriteMsgUnix(message, unix.UnixRights(int(passed.Fd())), nil)
	return errors.Join(err, passed.Close())
}

func (b *bus) answer(call *dbus.Message) *dbus.Message {
	header := func(f dbus.HeaderField) string {
		s, _ := call.Headers[f].Value().(string)
		return s
	}
	method := header(dbus.FieldInterface) + "." + header(dbus.FieldMember)
	body, known := b.answers[method]
	if len(body) == 1 {
		if next, ok := body[0].(func() []any); ok {
			body = next()
		}
	}
	if member := header(dbus.FieldMember); !known && member == "Get" && len(call.Body) == 2 { // of a property
		body, known = b.answers[fmt.Sprintf("%v %v", call.Body...)]
	}
	if method == "org.freedesktop.DBus.Hello" {
		body, known = []any{":1.1"}, true
	} else {
		if b.on != nil {
			b.on(method)
		}
		b.calls = append(b.calls, fmt.Sprint(header(dbus.FieldMember), call.Body))
	}
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()), dbus.FieldSender: dbus.MakeVariant("org.freedesktop.DBus"),
	}}
	if !known {
		body = []any{dbus.Error{Name: "org.freedesktop.DBus.Error.ServiceUnknown"}}
	}
	if len(body) > 0 {
		if e, failed := body[0].(dbus.Error); failed {
			reply.Type, body = dbus.TypeError, []any{"said the service"}
			reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(e.Name)
		}
		reply.Body = body
		if _, file := body[0].(*os.File); !file {
			reply.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
		}
	}
	return reply
}
