package trace

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// key is a secret that must not leave; as bytes, as text, and in the forms of the formats.
const key = "0123456789-a-key-nobody-may-see!"

// leaks returns the forms of the key that are in b.
func leaks(b []byte) (found []string) {
	for _, form := range []string{key, key[4:24], base64.StdEncoding.EncodeToString([]byte(key))[:24], base64.RawURLEncoding.EncodeToString([]byte(key))[:24]} {
		if bytes.Contains(b, []byte(form)) {
			found = append(found, form)
		}
	}
	return found
}

// everywhere returns all that leaves the agent because of a message.
func everywhere(t *testing.T, m *Message) []byte {
	t.Helper()
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(m.Datagram)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := NewWriter(&file, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(m); err != nil {
		t.Fatal(err)
	}
	return bytes.Join([][]byte{out, raw, file.Bytes()}, nil)
}

// TestHidden: keys and what can only be written leave in no form, whatever carries them; what
// is beside them does.
func TestHidden(t *testing.T) {
	opaque, text := lwm2m.Opaque([]byte(key)), lwm2m.String(key)
	account := []lwm2m.Node{node("/0/1/0", lwm2m.String("coaps://server")), node("/0/1/3", lwm2m.Opaque([]byte("gw"))), node("/0/1/5", opaque), node("/0/1/10", lwm2m.Integer(101))}
	type message struct {
		name string
		data []byte
		sent bool
		open string // is shown
	}
	var messages []message
	add := func(name, open string, code coap.Code, more ...with) {
		messages = append(messages, message{name, datagram(t, coap.CON, code, "t", more...), false, open})
	}
	for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR, lwm2m.FormatOMAJSON} {
		for _, base := range []string{"/0/1", "/0"} {
			add(fmt.Sprint("bootstrap of ", base, " in ", f), "coaps://server", coap.PUT, at(base), values(t, f, base, account...))
		}
		add(fmt.Sprint("one block of ", f), "", coap.PUT, at("/0/1"), values(t, f, "/0/1", account...), block1(1))
		add(fmt.Sprint("a block for 26241 in ", f), "", coap.PUT, at("/26241/0"), values(t, f, "/26241/0", node("/26241/0/1", text)), block1(0))
		add(fmt.Sprint("OSCORE in ", f), "", coap.PUT, at("/21/0"), values(t, f, "/21/0", node("/21/0/0", opaque)))
		add(fmt.Sprint("APN in ", f), "iot.example", coap.POST, at("/11/0"), values(t, f, "/11/0", node("/11/0/0", lwm2m.String("iot.example")), node("/11/0/6", text)))
		add(fmt.Sprint("Create in ", f), "", coap.POST, at("/11"), values(t, f, "/11", node("/11/7/6", text)))
	}
	for _, f := range []lwm2m.Format{lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR} {
		add(fmt.Sprint("Write-Composite in ", f), "21.5", coap.IPATCH, values(t, f, "", node("/3303/0/5700", lwm2m.Float(21.5)), node("/26241/0/1", text)))
		add(fmt.Sprint("a pack to nobody in ", f), "coaps://server", coap.Content, values(t, f, "", account...))
	}
	add("the whole candidate", "", coap.PUT, at("/26241/0/1"), as(lwm2m.FormatText), holding(`key = "`+key+`"`))
	add("a candidate that looks like an Execute", "", coap.POST, at("/26241/0/1"), as(lwm2m.FormatText), holding(key))
	add("a candidate without a format", "", coap.PUT, at("/26241/0/1"), holding(key))
	add("in CBOR", "", coap.PUT, at("/26241/0/1"), values(t, lwm2m.FormatCBOR, "/26241/0/1", node("/26241/0/1", text)))
	add("a key alone", "", coap.PUT, at("/0/1/5"), as(lwm2m.FormatOpaque), holding(key))
	for _, path := range []string{"/0/1/5", "/0/1", "/26241/0/1"} {
		add("as links to "+path, "", coap.PUT, at(path), as(lwm2m.FormatLink), holding(key))
	}
	add("links that answer nothing", "", coap.Content, as(lwm2m.FormatLink), holding(key))
	add("a password in a URI", "", coap.PUT, at("/5/0/1"), as(lwm2m.FormatText), holding("https://gw:"+key+"@example.com/image"))
	add("a broken list", "", coap.PUT, at("/0/1"), as(lwm2m.FormatSenMLJSON), holding(`[{"n":"/0/1/5","vd":"`+base64.RawURLEncoding.EncodeToString([]byte(key))+`"`))
	add("a broken composite", "", coap.IPATCH, as(lwm2m.FormatSenMLJSON), holding("["+key))
	add("an answer to nothing", "", coap.Content, as(lwm2m.FormatText), holding(key))
	add("an answer's block", "", coap.Content, as(lwm2m.FormatSenMLCBOR), holding(key), block2(1))
	add("an object that nobody knows", "", coap.PUT, at("/4711/0/1"), at("/4711/0"), holding(key))
	messages = append(messages, message{"a key that the tree gives away", datagram(t, coap.CON, coap.Content, "o", values(t, lwm2m.FormatSenMLJSON, "", account...)), true, "coaps://server"})
	for _, c := range messages {
		m := newDecoder().decode(&note{at: noon, over: link, sent: c.sent, datagram: c.data})
		out := everywhere(t, &m)
		if found := leaks(out); len(found) > 0 {
			t.Errorf("%s: shows %q in %s", c.name, found, out)
		}
		if !m.Hidden || m.Datagram == "" {
			t.Errorf("%s: hidden is %v, the datagram has %d characters", c.name, m.Hidden, len(m.Datagram))
		}
		if !bytes.Contains(out, []byte(c.open)) || !strings.Contains(fmt.Sprint(m.Values, m.Text), hidden) {
			t.Errorf("%s: shows not what it may: %+v", c.name, m)
		}
		if _, err := coap.Parse(raw(t, &m)); err != nil {
			t.Errorf("%s: what is left is no message: %v", c.name, err)
		}
	}
}

func raw(t *testing.T, m *Message) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(m.Datagram)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHiddenPack: the answer to a Bootstrap-Pack-Request has all keys.
func TestHiddenPack(t *testing.T) {
	d := newDecoder()
	decode := func(sent bool, data []byte) Message {
		return d.decode(&note{at: noon, over: &Link{Local: agentAt, Remote: serverAt}, sent: sent, datagram: data})
	}
	decode(true, datagram(t, coap.CON, coap.GET, "p", at("/bspack")))
	m := decode(false, datagram(t, coap.ACK, coap.Content, "p", values(t, lwm2m.FormatLwM2MCBOR, "", node("/0/0/0", lwm2m.String("coap://x")), node("/0/0/5", lwm2m.Opaque([]byte(key))))))
	if found := leaks(everywhere(t, &m)); len(found) > 0 || m.Operation != "Bootstrap-Request" || len(m.Values) != 2 || m.Values[1].Value != hidden {
		t.Errorf("%q in %+v", found, m)
	}
}

// TestRewritten: what takes the place of a message can be decoded, and says the rest.
func TestRewritten(t *testing.T) {
	data := datagram(t, coap.CON, coap.PUT, "t", at("/0/1"),
		values(t, lwm2m.FormatTLV, "/0/1", node("/0/1/0", lwm2m.String("coap://x")), node("/0/1/5", lwm2m.Opaque([]byte(key)))))
	shown := newDecoder().decode(&note{at: noon, over: link, datagram: data})
	m, err := coap.Parse(raw(t, &shown))
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := wire.Decode(lwm2m.FormatTLV, m.Payload, lwm2m.MustPath("/0/1"), nil)
	if err != nil || len(nodes) != 2 || string(nodes[0].Value.Bytes()) != "coap://x" || string(nodes[1].Value.Bytes()) != hidden {
		t.Errorf("%v, %v", nodes, err)
	}
}

// FuzzDecode: no message does harm, whichever way it went, and what is shown of it is a message.
func FuzzDecode(f *testing.F) {
	for _, data := range [][]byte{
		nil,
		{0x40, 1, 0, 1, 0xff},
		[]byte("\x41\x03\x00\x01t\xb1\x30\x01\x31\x12\x2d\x16\xff\xc8\x05\x03key"),
		[]byte("\x41\x07\x00\x01t\xc1\x6e\xff[{\"n\":\"/0/0/5\",\"vd\":\"AAAA\"}]"),
		[]byte("\x41\x02\x00\x01t\xb2\x31\x31\x12\x2d\x16\xff\xc3\x06key"),
		[]byte("\x51\x45\x00\x01t\x61\x05\x61\x70\xff\x81\xa2\x20\x61/\x03\x61x"),
	} {
		f.Add(data, true, false)
		f.Add(data, false, true)
	}
	d := newDecoder()
	f.Fuzz(func(t *testing.T, data []byte, sent, stream bool) {
		m := d.decode(&note{at: noon, over: &Link{Local: agentAt, Remote: serverAt, Stream: stream}, sent: sent, datagram: data})
		if m.Datagram != "" {
			if _, err := coap.Parse(raw(t, &m)); err != nil {
				t.Errorf("it shows no message: %v", err)
			}
		}
		w, err := NewWriter(io.Discard, "fuzz")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(&m); err != nil {
			t.Error(err)
		}
	})
}
