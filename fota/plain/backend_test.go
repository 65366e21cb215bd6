package plain

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/plain/plaintest"
)

// loader is a boot loader in memory.
type loader map[string]Standing

func (l loader) Standings(context.Context) (map[string]Standing, error) { return maps.Clone(l), nil }

func (l loader) Activate(_ context.Context, slot string) error {
	l[slot] = OnTrial
	return nil
}

func (l loader) Mark(_ context.Context, slot string, good bool) error {
	l[slot] = map[bool]Standing{true: Good, false: Forbidden}[good]
	return nil
}

// board has two slots of two parts in files.
type board struct {
	*Backend
	*testing.T
	dir    string
	loader loader
}

func newBoard(t *testing.T) *board {
	t.Helper()
	b := &board{T: t, dir: t.TempDir(), loader: loader{"A": Good, "B": Forbidden}}
	slots := make([]Slot, 0, 2)
	for _, name := range []string{"A", "B"} {
		s := Slot{Name: name, Parts: []Part{{"kernel", b.path("kernel" + name)}, {"rootfs", b.path("rootfs" + name)}}}
		for _, p := range s.Parts {
			if err := os.WriteFile(p.Device, bytes.Repeat([]byte{0xff}, 3<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		slots = append(slots, s)
	}
	var err error
	b.Backend, err = New(Options{
		Loader: b.loader, Slots: slots, Trust: *trust(), Dir: b.path("state"), Booted: func() (string, error) { return "A", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *board) path(name string) string { return filepath.Join(b.dir, name) }

// pack makes a package in a file.
func (b *board) pack(list []plaintest.Image, more ...string) string {
	b.Helper()
	name := b.path("package")
	if err := os.WriteFile(name, plaintest.Compose(vendor, "2.0", list, append(more, "compatible = lab")...), 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}

// holds compares what a device begins with.
func (b *board) holds(device string, want []byte) {
	b.Helper()
	got, err := os.ReadFile(b.path(device))
	if err != nil || len(got) != 3<<20 || !bytes.HasPrefix(got, want) || got[len(want)] != 0xff {
		b.Errorf("%s has %d bytes and not what was to be written: %v", device, len(got), err)
	}
}

func TestInstall(t *testing.T) {
	b, list := newBoard(t), images()
	list[0].Content = bytes.Repeat(list[0].Content, 70) // more than a block
	file := b.pack(list)
	if p, err := b.Inspect(t.Context(), file); err != nil || p != (fota.Package{Name: "gateway", Version: "2.0"}) {
		t.Fatalf("got %+v, %v", p, err)
	}
	b.holds("rootfsB", nil)
	for range 2 { // it may be asked again
		image, err := b.Install(t.Context(), file, "B")
		if err != nil || image.Version != "2.0" || len(image.Hash) != 64 {
			t.Fatalf("got %+v, %v", image, err)
		}
		b.holds("kernelB", list[0].Content)
		b.holds("rootfsB", list[1].Content)
		b.holds("rootfsA", nil)
		s, err := b.Slots(t.Context())
		if err != nil || s.Booted != "A" || s.All[0] != (fota.Slot{Name: "A", Good: true, Image: fota.Image{Version: "1.5"}}) || s.All[1] != (fota.Slot{Name: "B", Image: image}) {
			t.Errorf("got %+v, %v", s, err)
		}
	}
}

// TestTheRunningSystemSpeaksForItself: what was noted is not believed where the
// system that runs says something else.
func TestTheRunningSystemSpeaksForItself(t *testing.T) {
	b := newBoard(t)
	image, err := b.Install(t.Context(), b.pack(images()), "B")
	if err != nil {
		t.Fatal(err)
	}
	b.opts.Booted = func() (string, error) { return "B", nil }
	for running, want := range map[string]fota.Image{"1.5": {Version: "1.5"}, "2.0": image, "": image} {
		b.opts.Trust.Running = running
		if s, err := b.Slots(t.Context()); err != nil || s.All[1].Image != want {
			t.Errorf("the system says %q: got %+v, %v", running, s.All[1].Image, err)
		}
	}
}

// remote is another process, which has the devices of the slots.
type remote struct {
	loader
	install func() (fota.Image, error)
}

func (remote) Rooms(context.Context) (map[string]int64, error)                 { return nil, nil }
func (remote) Probe(context.Context) (string, error)                           { return "", nil }
func (remote) RebootArgument() (string, error)                                 { return "", nil }
func (r remote) Install(context.Context, *os.File, string) (fota.Image, error) { return r.install() }

// TestSlotThatNothingIsWrittenTo holds what it held, known or not: an installation that is refused before its first byte, by this process or a
// remote one, leaves the system that can be gone back to.
func TestSlotThatNothingIsWrittenTo(t *testing.T) {
	b := newBoard(t)
	file := b.pack(images())
	is := func(what string, want fota.Image, empty bool) {
		t.Helper()
		s, err := b.Slots(t.Context())
		if _, noted := b.records()["B"]; err != nil || s.All[1].Image != want || s.All[1].Empty != empty || noted != (empty || want != fota.Image{}) {
			t.Errorf("%s: got %+v, %v", what, s.All, err)
		}
	}
	// refuse has this process be refused by the second device, and a remote one do so in two ways.
	refuse := func(what string, want fota.Image) {
		t.Helper()
		device := b.path("rootfsB")
		if err := errors.Join(os.Rename(device, device+".real"), os.Mkdir(device, 0o700)); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(b.path("kernelB"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Install(t.Context(), file, "B")
		if _, untouched := errors.AsType[*Untouched](err); !untouched {
			t.Errorf("%s: %v", what, err)
		}
		is(what+", one device is in use", want, false)
		if after, err := os.ReadFile(b.path("kernelB")); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the other device is written, %v", what, err)
		}
		if err := errors.Join(os.Remove(device), os.Rename(device+".real", device)); err != nil {
			t.Fatal(err)
		}
		own := b.opts.Loader
		defer func() { b.opts.Loader = own }()
		b.opts.Loader = remote{b.loader, func() (fota.Image, error) {
			if s, err := b.Slots(t.Context()); err != nil || !s.All[1].Empty {
				t.Errorf("%s: a cut would leave %+v, %v", what, s.All, err)
			}
			return fota.Image{}, &Untouched{errors.New("refused")}
		}}
		if _, err := b.Install(t.Context(), file, "B"); err == nil {
			t.Errorf("%s: it is not refused", what)
		}
		is(what+", the helper refuses", want, false)
	}
	refuse("never written", fota.Image{})
	image, err := b.Install(t.Context(), file, "B")
	if err != nil {
		t.Fatal(err)
	}
	refuse("written", image)
	b.opts.Loader = remote{b.loader, func() (fota.Image, error) { return fota.Image{}, errors.New("in the middle") }}
	if _, err := b.Install(t.Context(), file, "B"); err == nil {
		t.Error("it is not refused")
	}
	is("the helper has begun", fota.Image{}, true)
}

// TestSlotThatHoldsNoSystem is one that must not boot and whose writing has not ended, as far as that is noted. Of one that was written at the
// factory nothing is known, and what boots by "tryboot" counts as forbidden until it is to.
func TestSlotThatHoldsNoSystem(t *testing.T) {
	b := newBoard(t)
	is := func(what string, want bool) {
		t.Helper()
		if s, err := b.Slots(t.Context()); err != nil || s.All[0].Empty || s.All[1].Empty != want {
			t.Errorf("%s: got %+v, %v, want slot B empty: %v", what, s.All, err, want)
		}
	}
	is("written at the factory, if ever", false)
	list := images()
	file := b.pack(list)
	if _, err := b.Install(t.Context(), file, "B"); err != nil {
		t.Fatal(err)
	}
	is("written", false)
	text, err := os.ReadFile(file)
	if err == nil {
		text[bytes.Index(text, list[0].Content)+5000] ^= 1
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Install(t.Context(), file, "B"); err == nil {
		t.Fatal("a package that has changed is installed")
	}
	is("half written", true)
	b.loader["B"] = OnTrial
	is("half written, and somebody has it boot", false)
	b.loader["B"] = Forbidden
	b.opts.Dir = ""
	is("nothing is noted", false)
}

func TestImagesOfOneSlot(t *testing.T) {
	b := newBoard(t)
	list := []plaintest.Image{
		{Name: "kernel.A", Content: []byte("for A")}, {Name: "rootfs", Content: []byte("for both")}, {Name: "kernel.B", Content: []byte("for B")},
	}
	file := b.pack(list)
	if _, err := b.Inspect(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Install(t.Context(), file, "B"); err != nil {
		t.Fatal(err)
	}
	b.holds("kernelB", []byte("for B"))
	b.holds("rootfsB", []byte("for both"))
}

func TestPackagesThatDoNotFit(t *testing.T) {
	b := newBoard(t)
	large := plaintest.Image{Name: "rootfs", Content: make([]byte, 3<<20+1), Gzip: true}
	for _, c := range []struct {
		name string
		list []plaintest.Image
		want fota.Result
	}{
		{"too large", []plaintest.Image{{Name: "kernel", Content: []byte("x")}, large}, fota.NoStorage},
		{"a part is missing", images()[:1], fota.UnsupportedPackage},
		{"for the other slot", []plaintest.Image{images()[0], {Name: "rootfs.A", Content: []byte("x")}}, fota.UnsupportedPackage},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := b.pack(c.list)
			_, inspected := b.Inspect(t.Context(), file)
			_, installed := b.Install(t.Context(), file, "B")
			for _, err := range []error{inspected, installed} {
				if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != c.want {
					t.Errorf("got %v, want result %d", err, c.want)
				}
			}
			b.holds("kernelB", nil)
			b.holds("rootfsB", nil)
		})
	}
}

// TestRefusedWithItsFirstBytes: of a package that is not for this machine nobody has to wait for the images.
func TestRefusedWithItsFirstBytes(t *testing.T) {
	b, list := newBoard(t), images()
	large := append(images(), plaintest.Image{Name: "data", Content: make([]byte, 4<<20)})
	for name, c := range map[string]struct {
		content []byte
		want    fota.Result
	}{
		"a stranger's":       {plaintest.Compose(stranger, "2.0", list, "compatible = lab"), fota.IntegrityFailure},
		"of another board":   {plaintest.Compose(vendor, "2.0", list, "compatible = other"), fota.UnsupportedPackage},
		"of a lower version": {plaintest.Compose(vendor, "1.0", list, "compatible = lab"), fota.UnsupportedPackage},
		"without a part":     {plaintest.Compose(vendor, "2.0", list[:1], "compatible = lab"), fota.UnsupportedPackage},
		"too large":          {plaintest.Compose(vendor, "2.0", append(large[:1:1], plaintest.Image{Name: "rootfs", Content: large[2].Content}), "compatible = lab"), fota.NoStorage},
	} {
		r := bytes.NewReader(c.content)
		_, err := b.InspectStream(t.Context(), r)
		if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != c.want {
			t.Errorf("%s: %v, want result %d", name, err, c.want)
		}
		if read := len(c.content) - r.Len(); read > 4096 {
			t.Errorf("%s: it was known after %d of %d bytes", name, read, len(c.content))
		}
	}
}

// TestSlotsThatAreNotWritten looks that a refusal comes before the first byte.
func TestSlotsThatAreNotWritten(t *testing.T) {
	b := newBoard(t)
	file := b.pack(images())
	refused := func(slot, want string) {
		t.Helper()
		if _, err := b.Install(t.Context(), file, slot); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		for _, device := range []string{"kernelA", "rootfsA", "kernelB", "rootfsB"} {
			b.holds(device, nil)
		}
	}
	b.loader["A"] = Forbidden
	refused("A", "runs")
	refused("C", "no slot")
	b.loader["B"] = OnTrial
	refused("B", "may be booted")
	b.loader["B"] = Forbidden
	if err := os.WriteFile(file, plaintest.Compose(stranger, "2.0", images(), "compatible = lab"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("B", "not signed by a trusted key")
	if err := os.Rename(file, file+".real"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file+".real", file); err != nil {
		t.Fatal(err)
	}
	refused("B", "symbolic links")
}

// TestAPackageThatRotsIsFoundOut: what was inspected is verified again while it is
// written, and the slot is not known to hold it.
func TestAPackageThatRotsIsFoundOut(t *testing.T) {
	b := newBoard(t)
	list := images()
	file := b.pack(list)
	if _, err := b.Install(t.Context(), file, "B"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text[bytes.Index(text, list[0].Content)+5000] ^= 1
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = b.Install(t.Context(), file, "B")
	if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != fota.IntegrityFailure {
		t.Errorf("got %v", err)
	}
	if s, err := b.Slots(t.Context()); err != nil || s.All[1].Image != (fota.Image{}) {
		t.Errorf("got %+v, %v", s.All[1], err)
	}
}

// write writes an image to one device.
func write(ctx context.Context, device string, i Image, r io.Reader) error {
	to, err := openTarget(device)
	if err != nil {
		return err
	}
	defer to.Close()
	return to.write(ctx, i, r)
}

// TestDevicesThatLie: what is read back counts.
func TestDevicesThatLie(t *testing.T) {
	b := newBoard(t)
	i := Image{Name: "rootfs", Size: 5, Sum: strings.Repeat("00", 32)}
	err := write(t.Context(), b.path("rootfsB"), i, strings.NewReader("image"))
	if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != fota.UpdateFailed || !strings.Contains(f.Reason, "does not hold") {
		t.Errorf("got %v", err)
	}
	if err := write(t.Context(), "/dev/null", i, strings.NewReader("image")); err == nil || !strings.Contains(err.Error(), "neither") {
		t.Errorf("got %v", err)
	}
	if err := write(t.Context(), b.path("none"), i, strings.NewReader("image")); err == nil {
		t.Error("a device that is not there is made")
	}
}

func TestProbe(t *testing.T) {
	b := newBoard(t)
	if text, err := b.Probe(t.Context()); err != nil || !strings.Contains(text, "slot A runs; A is good, ") || !strings.Contains(text, "B is forbidden") {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := os.Stat(b.path("state")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a look has changed something: %v", err)
	}
	b.opts.Trust.Running = ""
	if _, err := b.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "give the system one") {
		t.Errorf("got %v", err)
	}
	b.opts.Trust.Downgrade = true
	if err := os.Remove(b.path("rootfsB")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "slot B: ") || !strings.Contains(err.Error(), "what lsblk shows") {
		t.Errorf("got %v", err)
	}
	if _, err := New(Options{Loader: b.loader, Slots: b.opts.Slots}); err == nil {
		t.Error("a back end without a key")
	}
}

func TestBooted(t *testing.T) {
	root := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put("dev/mmcblk0p2", "")
	put("dev/mmcblk0p3", "")
	for link, to := range map[string]string{"by-partuuid/0b": "../../mmcblk0p3", "by-partlabel/rootfsA": "../../mmcblk0p2"} {
		name := filepath.Join(root, "dev/disk", link)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.Symlink(to, name)); err != nil {
			t.Fatal(err)
		}
	}
	slots := []Slot{{"A", []Part{{"rootfs", "/dev/disk/by-partlabel/rootfsA"}}}, {"B", []Part{{"rootfs", "/dev/mmcblk0p3"}}}}
	for _, c := range []struct{ cmdline, want string }{
		{"console=ttyS0 lwm2m.slot=B root=/dev/mmcblk0p2", "B"},
		{"rauc.slot=A root=/dev/mmcblk0p3", "A"},
		{"lwm2m.slot=A lwm2m.slot=B", "B"},
		{"root=/dev/mmcblk0p2 ro", "A"},
		{"root=/dev/mmcblk0p3", "B"},
		{"root=PARTUUID=0b quiet", "B"},
		{"root=PARTLABEL=rootfsA", "A"},
		{"root=PARTUUID=../../../etc", "?"},
		{"root=/dev/mmcblk0p9", "?"},
		{"root=/dev/nfs", "?"},
		{"", "?"},
		{"lwm2m.slot=C root=/dev/mmcblk0p3", "?"},
	} {
		put("proc/cmdline", c.cmdline+"\n")
		got, err := Booted(root, slots)
		if err != nil {
			got = "?"
		}
		if got != c.want {
			t.Errorf("%q: slot %s runs (%v), want %s", c.cmdline, got, err, c.want)
		}
	}
}

// TestHalfWrittenIsNothing: a package that changes after it was inspected, or whose writing is cut, leaves nothing that
// could be booted, of the system that was there neither.
func TestHalfWrittenIsNothing(t *testing.T) {
	content := make([]byte, 2<<20+5)
	for i := range content {
		content[i] = byte(i%251 + 1)
	}
	for name, c := range map[string]struct {
		cut int  // where the reading ends; 0: nowhere
		bit int  // that changes; 0: none
		has bool // the image is there
	}{
		"whole":                 {has: true},
		"changed at its end":    {bit: len(content)},
		"changed in its middle": {bit: len(content) / 2},
		"cut":                   {cut: block + 5},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t)
			list := []plaintest.Image{{Name: "kernel", Content: content}, {Name: "rootfs", Content: []byte("root")}}
			file := b.pack(list)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			at := bytes.Index(text, content)
			if c.bit > 0 {
				text[at+c.bit-1] ^= 1
			}
			if c.cut > 0 {
				text = text[:at+c.cut]
			}
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Install(t.Context(), file, "B"); (err == nil) != c.has {
				t.Errorf("got %v", err)
			}
			want := make([]byte, block)
			if c.has {
				want = content[:block]
			}
			got, err := os.ReadFile(b.path("kernelB"))
			if err != nil || !bytes.Equal(got[:block], want) {
				t.Errorf("the device begins with %x, %v", got[:8], err)
			}
		})
	}
}
