package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/godbus/dbus/v5"
)

// bus is the far side of a D-Bus connection, at the level of bytes: it lets
// anybody in and answers method calls itself, by "interface.member", reads of a
// property also by "interface property". Those that
// it has no answer for belong to services that are not there.
type bus struct {
	answers map[string][]any // an element that is an error is the answer
	calls   []string         // with arguments, but for Hello
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
		var reply bytes.Buffer
		if err := b.answer(call).EncodeTo(&reply, binary.LittleEndian); err != nil {
			return err
		}
		// The library numbers only messages of its own connections.
		binary.LittleEndian.PutUint32(reply.Bytes()[8:], serial)
		if _, err := reply.WriteTo(conn); err != nil {
			return err
		}
	}
}

func (b *bus) answer(call *dbus.Message) *dbus.Message {
	header := func(f dbus.HeaderField) string {
		s, _ := call.Headers[f].Value().(string)
		return s
	}
	method := header(dbus.FieldInterface) + "." + header(dbus.FieldMember)
	body, known := b.answers[method]
	if member := header(dbus.FieldMember); !known && member == "Get" && len(call.Body) == 2 { // of a property
		body, known = b.answers[fmt.Sprintf("%v %v", call.Body...)]
	}
	if method == "org.freedesktop.DBus.Hello" {
		body, known = []any{":1.1"}, true
	} else {
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
		reply.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	return reply
}
