// Package mmtest is a system bus with a ModemManager on it, for tests: at the level of
// D-Bus messages, with the objects that a test puts there. It knows nothing of package mm.
package mmtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
)

// Object is an object of the bus: interface, property, value.
type Object map[string]map[string]any

// Dict is a dictionary as properties have them.
func Dict(values map[string]any) map[string]dbus.Variant {
	out := make(map[string]dbus.Variant, len(values))
	for name, v := range values {
		out[name] = dbus.MakeVariant(v)
	}
	return out
}

// Bus is the bus. Its methods may be called at any time.
type Bus struct {
	mu       sync.Mutex
	absent   bool
	objects  map[dbus.ObjectPath]Object
	answers  map[string]func(path dbus.ObjectPath, args []any) error
	calls    []string
	client   net.Conn
	finished chan struct{} // closed when nobody serves the client any more
	serial   uint32
}

const (
	service    = "org.freedesktop.ModemManager1"
	properties = "org.freedesktop.DBus.Properties"
	manager    = "org.freedesktop.DBus.ObjectManager"
	root       = dbus.ObjectPath("/org/freedesktop/ModemManager1")
)

// New returns a bus on which ModemManager runs, with these objects.
func New(objects map[dbus.ObjectPath]Object) *Bus {
	return &Bus{objects: objects, answers: make(map[string]func(dbus.ObjectPath, []any) error)}
}

// Dial connects with the bus.
func (b *Bus) Dial(ctx context.Context) (*dbus.Conn, error) {
	near, far := net.Pipe()
	finished := make(chan struct{})
	b.mu.Lock()
	b.finished = finished
	b.mu.Unlock()
	go func() {
		defer close(finished)
		_ = b.serve(far) // it ends with the pipe
	}()
	conn, err := dbus.NewConn(near, dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
		return nil, err
	}
	return conn, conn.Hello()
}

// Hang ends the connection, as a bus does that is restarted, and waits for its end.
func (b *Bus) Hang() {
	b.mu.Lock()
	if b.client != nil {
		_ = b.client.Close()
	}
	finished := b.finished
	b.mu.Unlock()
	if finished != nil {
		<-finished
	}
}

// Handle has calls of a method ("org.freedesktop.ModemManager1.Modem.Enable") answered: nil
// is success without a value, a dbus.Error goes back. All other methods succeed.
func (b *Bus) Handle(method string, answer func(path dbus.ObjectPath, args []any) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[method] = answer
}

// Calls returns what was called: "Modem.Signal.Setup [60]".
func (b *Bus) Calls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.calls...)
}

// Set changes properties of an object, and tells.
func (b *Bus) Set(path dbus.ObjectPath, iface string, values map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.objects[path] == nil {
		b.objects[path] = make(Object)
	}
	if b.objects[path][iface] == nil {
		b.objects[path][iface] = make(map[string]any)
	}
	maps.Copy(b.objects[path][iface], values)
	b.emit(path, properties, "PropertiesChanged", iface, Dict(values), []string{})
}

// Add puts an object on the bus, and tells if it is a modem.
func (b *Bus) Add(path dbus.ObjectPath, o Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[path] = o
	if managed(path) {
		b.emit(root, manager, "InterfacesAdded", path, told(o))
	}
}

// Remove takes an object away, and tells if it is a modem.
func (b *Bus) Remove(path dbus.ObjectPath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := make([]string, 0, len(b.objects[path]))
	for name := range b.objects[path] {
		names = append(names, name)
	}
	delete(b.objects, path)
	if managed(path) {
		b.emit(root, manager, "InterfacesRemoved", path, names)
	}
}

// Run starts and ends ModemManager.
func (b *Bus) Run(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.absent = !on
	old, now := ":1.7", ""
	if on {
		old, now = now, old
	}
	b.emit("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", service, old, now)
}

// Emit sends a signal.
func (b *Bus) Emit(path dbus.ObjectPath, iface, member string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.emit(path, iface, member, args...)
}

// managed reports whether the object manager tells of an object: of modems alone.
func managed(path dbus.ObjectPath) bool {
	return strings.HasPrefix(string(path), string(root)+"/Modem/")
}

func told(o Object) map[string]map[string]dbus.Variant {
	out := make(map[string]map[string]dbus.Variant)
	for iface, values := range o {
		out[iface] = Dict(values)
	}
	return out
}

func (b *Bus) emit(path dbus.ObjectPath, iface, member string, args ...any) {
	b.send(&dbus.Message{Type: dbus.TypeSignal, Body: args, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(path), dbus.FieldInterface: dbus.MakeVariant(iface), dbus.FieldMember: dbus.MakeVariant(member),
		dbus.FieldSender: dbus.MakeVariant(":1.7"),
	}})
}

// send numbers a message, which the library does only for connections of its own.
func (b *Bus) send(m *dbus.Message) {
	if b.client == nil {
		return
	}
	if len(m.Body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(m.Body...))
	}
	var out bytes.Buffer
	if err := m.EncodeTo(&out, binary.LittleEndian); err != nil {
		panic(fmt.Sprintf("mmtest: a message that cannot be: %v", err))
	}
	b.serial++
	binary.LittleEndian.PutUint32(out.Bytes()[8:], b.serial)
	_, _ = out.WriteTo(b.client) // who is gone hears nothing
}

// serve lets a client in, and answers what it asks.
func (b *Bus) serve(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	if err := authenticate(in, conn); err != nil {
		return err
	}
	b.mu.Lock()
	b.client = conn
	b.mu.Unlock()
	for {
		call, err := dbus.DecodeMessage(in)
		if err != nil {
			b.mu.Lock()
			b.client = nil
			b.mu.Unlock()
			return err
		}
		b.answer(call)
	}
}

// authenticate lets anybody in (D-Bus specification, section Authentication Protocol).
func authenticate(in *bufio.Reader, out io.Writer) error {
	if _, err := in.ReadByte(); err != nil { // the NUL that carries credentials
		return err
	}
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		answer := "ERROR\r\n"
		switch line := strings.TrimSpace(text); {
		case line == "BEGIN":
			return nil
		case line == "AUTH":
			answer = "REJECTED EXTERNAL\r\n"
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			answer = "OK 0123456789abcdef0123456789abcdef\r\n"
		}
		if _, err := io.WriteString(out, answer); err != nil {
			return err
		}
	}
}

func (b *Bus) answer(call *dbus.Message) {
	text := func(f dbus.HeaderField) string {
		s, _ := call.Headers[f].Value().(string)
		return s
	}
	path, _ := call.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	method := text(dbus.FieldInterface) + "." + text(dbus.FieldMember)
	b.mu.Lock()
	handler := b.answers[method]
	b.mu.Unlock()
	var refused error
	if handler != nil {
		refused = handler(path, call.Body) // which may change objects
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()), dbus.FieldSender: dbus.MakeVariant(":1.7"),
	}}
	if refused == nil {
		reply.Body, refused = b.body(path, method, call.Body)
	}
	if e, ok := errors.AsType[dbus.Error](refused); ok {
		reply.Type, reply.Body = dbus.TypeError, e.Body
		reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(e.Name)
	}
	b.send(reply)
}

// body is what a method returns.
func (b *Bus) body(path dbus.ObjectPath, method string, args []any) ([]any, error) {
	switch method {
	case "org.freedesktop.DBus.Hello":
		return []any{":1.1"}, nil
	case "org.freedesktop.DBus.AddMatch":
		return nil, nil
	}
	if b.absent {
		return nil, dbus.Error{Name: "org.freedesktop.DBus.Error.ServiceUnknown"}
	}
	switch method {
	case manager + ".GetManagedObjects":
		all := make(map[dbus.ObjectPath]map[string]map[string]dbus.Variant)
		for p, o := range b.objects {
			if managed(p) {
				all[p] = told(o)
			}
		}
		return []any{all}, nil
	case properties + ".GetAll":
		iface, _ := args[0].(string)
		if b.objects[path] == nil {
			return nil, dbus.Error{Name: "org.freedesktop.DBus.Error.UnknownObject"}
		}
		return []any{Dict(b.objects[path][iface])}, nil
	}
	b.calls = append(b.calls, fmt.Sprint(strings.TrimPrefix(method, service+"."), args))
	if iface, ok := strings.CutSuffix(method, ".List"); ok { // the profiles in the modem
		all, _ := b.objects[path][iface]["Profiles"].([]map[string]dbus.Variant)
		return []any{all}, nil
	}
	return nil, nil
}
