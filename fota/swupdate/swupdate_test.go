package swupdate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/fota"
)

// TestLayout holds the places of a message against those computed from network_ipc.h by
// hand; the real SWUpdate shows that those of 64 bits are right.
func TestLayout(t *testing.T) {
	want := map[int][7]int{
		8: {24, 32, 544, 800, 1056, 1064, 3120},
		4: {20, 24, 536, 792, 1048, 1052, 3104},
	}[word]
	if got := [7]int{atLength, atInfo, atSet, atMode, atNoStore, atBuffer, messageSize}; got != want {
		t.Errorf("%v, want %v", got, want)
	}
	m, err := request("stable,copy2", 0x1234, true)
	if err != nil || len(m) != messageSize {
		t.Fatalf("%d bytes, %v", len(m), err)
	}
	for at, want := range map[int]uint32{0: magic, 4: 0, 8: 1, 12: 4, 16: 1, atLength: 0x1234, atBuffer: 0} {
		if got := order.Uint32(m[at:]); got != want {
			t.Errorf("at %d: %#x, want %#x", at, got, want)
		}
	}
	if set, mode := string(m[atSet:atSet+7]), string(m[atMode:atMode+6]); set != "stable\x00" || mode != "copy2\x00" {
		t.Errorf("%q, %q", set, mode)
	}
	if _, err := request(strings.Repeat("x", 256)+",y", 1, false); err == nil {
		t.Error("a set that does not fit was taken")
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]fota.Package{
		`software = { version = "1.2"; name = "gw"; };`:                                                    {Name: "gw", Version: "1.2"},
		`software : { description : "for labs"; hardware-compatibility: ["1.0"]; version: "2"; }`:          {Name: "for labs", Version: "2"},
		`software = { images: ( { version = "7"; name = "rootfs"; } ); version = "2.0"; }`:                 {Version: "2.0"},
		`software = { /* version = "1"; */ version = "2"; # version = "3"` + "\n}":                         {Version: "2"},
		`{"software": {"version": "1.0", "name": "gw", "stable": {"copy2": {"images": [{"name": "x"}]}}}}`: {Name: "gw", Version: "1.0"},
		`{"other": {"version": "1.0"}, "software": {"hardware-compatibility": ["1.0"], "version": "3.0"}}`: {Version: "3.0"},
		`version = "1.0"; software = { }`:                                                                  {},
		`software = { version = 3; }`:                                                                      {},
		"":                                                                                                 {},
		`software = { version = "` + strings.Repeat("é", 300) + `"; }`:                                     {Version: strings.Repeat("é", 127) + "?"},
	} {
		if got := parse([]byte(text)); got != want {
			t.Errorf("%.80s: %+v, want %+v", text, got, want)
		}
	}
}

// archive is a file of a cpio archive.
func archive(name, content string) []byte {
	head := fmt.Sprintf("070702%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	out := append([]byte(head+name), make([]byte, (cpioHead+len(name)+1+3)/4*4-cpioHead-len(name))...)
	out = append(out, content...)
	return append(out, make([]byte, (len(content)+3)/4*4-len(content))...)
}

// bundle is a whole cpio archive of files of no content behind the description.
func bundle(description string, names ...string) []byte {
	out := archive(descriptionName, description)
	for _, name := range append(names, trailer) {
		out = append(out, archive(name, "")...)
	}
	return out
}

// TestNames has packages with files that SWUpdate would unpack elsewhere, and archives of which nobody knows where they lead.
func TestNames(t *testing.T) {
	good := bundle("software = {}", "rootfs.img", "a/b", "..image")
	for _, c := range []struct {
		name   string
		b      []byte
		result fota.Result // 0: none
	}{
		{"inside", good, 0},
		{"up", bundle("", "../rootfs.img"), fota.UnsupportedPackage},
		{"up in the middle", bundle("", "rootfs.img", "a/../../b"), fota.UnsupportedPackage},
		{"absolute", bundle("", "/etc/passwd"), fota.UnsupportedPackage},
		{"no name", bundle("", "\x00etc"), fota.UnsupportedPackage},
		{"no end", good[:len(good)-cpioHead-12], fota.IntegrityFailure},
		{"cut off in a name", good[:len(good)-8], fota.IntegrityFailure},
		{"another format in the middle", bytes.Replace(good, append([]byte{0, 0}, "070702"...), append([]byte{0, 0}, "070707"...), 1), fota.IntegrityFailure},
	} {
		file := filepath.Join(t.TempDir(), "package")
		if err := os.WriteFile(file, c.b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := describe(file)
		if f, ok := errors.AsType[*fota.Failure](err); c.result == 0 && err != nil || c.result != 0 && (!ok || f.Result != c.result) {
			t.Errorf("%s: %v, want result %d", c.name, err, c.result)
		}
	}
}

func TestDescription(t *testing.T) {
	good := archive("sw-description", "software")
	if text, err := description(bytes.NewReader(good)); err != nil || string(text) != "software" {
		t.Errorf("%q, %v", text, err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "cut off": good[:len(good)-1], "in its name": good[:115], "another file": archive("xw-description", "software"),
		"longer name": archive("sw-description2", ""), "other format": append([]byte("070707"), good[6:]...),
		"large": bytes.Replace(good, []byte("00000008"), []byte("7FFFFFFF"), 1), "no number": bytes.Replace(good, []byte("00000008"), []byte("0000000G"), 1),
	} {
		if _, err := description(bytes.NewReader(b)); !errors.Is(err, errNoPackage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDescription(f *testing.F) {
	f.Add(archive("sw-description", `software = { version = "1"; }`))
	f.Add(bundle("software", "../a"))
	f.Add(archive("sw-description", `{"software": {"version": "1", "a": [{"b": ()}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		text, err := description(r)
		if err != nil {
			return
		}
		if err := stayInside(r); err == nil && !bytes.Contains(b, []byte(trailer)) {
			t.Error("an archive without an end")
		}
		if p := parse(text); len(p.Name) > maxText+1 || len(p.Version) > maxText+1 {
			t.Errorf("%+v", p)
		}
	})
}

// still is a boot environment that nothing is done to.
type still struct{ Boot }

func (still) Slots(context.Context) (fota.Slots, error) {
	return fota.Slots{Booted: "A", All: []fota.Slot{{Name: "A"}, {Name: "B"}}}, nil
}

// answering is a daemon that answers each connection with bytes and closes it.
func answering(t *testing.T, answers ...[]byte) *Backend {
	t.Helper()
	name := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, answer := range answers {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, messageSize))
			_, _ = conn.Write(answer)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return New(Options{Boot: still{}, Socket: name})
}

func message(kind uint32) []byte {
	return question(kind)
}

func said(state, code uint32, text string) []byte {
	m := message(notifyStream)
	order.PutUint32(m[atState:], state)
	order.PutUint32(m[atError:], code)
	copy(m[atText:], text)
	return m
}

// TestDaemon has a daemon say what real ones rarely do.
func TestDaemon(t *testing.T) {
	file := filepath.Join(t.TempDir(), "package")
	if err := os.WriteFile(file, bundle(`software = { version = "2"; }`), 0o600); err != nil {
		t.Fatal(err)
	}
	stream := func(messages ...[]byte) []byte { return bytes.Join(append([][]byte{message(ack)}, messages...), nil) }
	for _, tt := range []struct {
		name    string
		answers [][]byte
		result  fota.Result
		words   string
	}{
		{"ends", [][]byte{message(ack), stream(said(stateStart, 0, ""))}, fota.UpdateFailed, "SWUpdate has ended"},
		{"is silent", [][]byte{nil}, fota.UpdateFailed, "SWUpdate: EOF"},
		{"is another program", [][]byte{bytes.Repeat([]byte("x"), messageSize)}, fota.UpdateFailed, "this is no message"},
		{"says only that", [][]byte{message(ack), stream(said(stateIdle, 0, ""), said(stateFailure, 1, "It failed"), said(stateIdle, 0, ""))}, fota.IntegrityFailure, "SWUpdate: It failed"},
		{"lacks room", [][]byte{message(ack), stream(said(stateStart, 0, ""), said(stateFailure, 0, "ERROR : No space left on device"), said(stateIdle, 0, ""))}, fota.NoStorage, "SWUpdate: No space"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := answering(t, tt.answers...).Inspect(t.Context(), file)
			if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != tt.result || !strings.Contains(f.Reason, tt.words) {
				t.Errorf("%v, want result %d with %q", err, tt.result, tt.words)
			}
		})
	}
	b := answering(t, message(ack), stream(said(stateStart, 0, ""), said(stateSuccess, 0, ""), said(stateIdle, 0, "")))
	if p, err := b.Inspect(t.Context(), file); err != nil || p.Version != "2" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestNoDaemon: where no daemon answers, the error says where to look.
func TestNoDaemon(t *testing.T) {
	b := &Backend{opts: Options{Socket: filepath.Join(t.TempDir(), "none")}}
	if _, err := b.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), `look at "systemctl status swupdate"`) {
		t.Errorf("got %v", err)
	}
}

// TestForgetfulDaemon has a daemon forget a request that it has accepted, and lose the
// end of the next one.
func TestForgetfulDaemon(t *testing.T) {
	file := filepath.Join(t.TempDir(), "package")
	if err := os.WriteFile(file, bundle(`software = { version = "2"; }`), 0o600); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	requests := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close() // they stay open until the end
			m := make([]byte, messageSize)
			_, _ = io.ReadFull(conn, m)
			answer := message(ack)
			switch order.Uint32(m[atType:]) {
			case reqInstall:
				requests++
			case notifyStream:
				if requests == 2 {
					answer = append(answer, said(stateStart, 0, "")...)
				}
			case getStatus:
				order.PutUint32(answer[atLast:], stateSuccess)
			}
			_, _ = conn.Write(answer)
		}
	}()
	b := New(Options{Boot: still{}, Socket: name})
	b.beginTime, b.quiet = 50*time.Millisecond, 50*time.Millisecond
	if p, err := b.Inspect(t.Context(), file); err != nil || p.Version != "2" {
		t.Errorf("%+v, %v", p, err)
	}
	_ = l.Close()
	<-done
	if requests < 2 {
		t.Errorf("%d requests", requests)
	}
}
