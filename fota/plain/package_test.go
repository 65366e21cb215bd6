package plain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/plain/plaintest"
	"lwm2m-agent/fota/signify"
)

var vendor, stranger = plaintest.NewSigner("vendor01"), plaintest.NewSigner("stranger")

func trust() *Trust {
	return &Trust{Keys: []signify.Key{vendor.Key()}, Compatible: "lab", Running: "1.5"}
}

// images are two, of which one is packed.
func images() []plaintest.Image {
	return []plaintest.Image{
		{Name: "kernel", Content: bytes.Repeat([]byte("kernel "), 3000)},
		{Name: "rootfs", Content: bytes.Repeat([]byte("system "), 20_000), Gzip: true},
	}
}

// whole reads a package to its end and returns what is in it.
func whole(ctx context.Context, t *Trust, b []byte) (content map[string]string, err error) {
	p, err := t.Open(ctx, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	content = make(map[string]string)
	for {
		i, r, err := p.Next()
		if errors.Is(err, io.EOF) {
			return content, nil
		}
		if err != nil {
			return content, err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return content, err
		}
		content[i.Name] = string(text)
	}
}

func TestPackage(t *testing.T) {
	list := images()
	b := plaintest.Compose(vendor, "2.0", list, "compatible = kitchen", "compatible = lab", "# a comment", "")
	p, err := trust().Open(t.Context(), bytes.NewReader(b))
	if err != nil || p.Name != "gateway" || p.Version != "2.0" || len(p.Digest) != 64 {
		t.Fatalf("got %+v, %v", p, err)
	}
	got, err := whole(t.Context(), trust(), b)
	if err != nil || got["kernel"] != string(list[0].Content) || got["rootfs"] != string(list[1].Content) {
		t.Errorf("%d images, %v", len(got), err)
	}
	for range list { // images need not be read
		if _, _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := p.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last image: %v", err)
	}
}

// TestPackagesThatAreRefused has what a server can send wrong.
func TestPackagesThatAreRefused(t *testing.T) {
	list := images()
	manifest := plaintest.Manifest("2.0", list, "compatible = lab")
	sealed := func(m []byte, images ...plaintest.Image) []byte {
		return plaintest.Archive(append([]plaintest.Image{{Name: "manifest", Content: m}, {Name: "manifest.sig", Content: vendor.Sign(m)}}, images...))
	}
	good := sealed(manifest, list...)
	damage := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 0x40
		return b
	}
	other := bytes.Clone(list[0].Content)
	other[1000]++
	longer := plaintest.Image{Name: "kernel", Content: append(bytes.Clone(list[0].Content), 'x')}
	for _, c := range []struct {
		name   string
		b      []byte
		result fota.Result
		want   string
	}{
		{"nothing", nil, fota.UnsupportedPackage, "no package of images"},
		{"something else", bytes.Repeat([]byte("firmware"), 1000), fota.UnsupportedPackage, "no package of images"},
		{"an image", plaintest.Archive(list), fota.UnsupportedPackage, "no manifest"},
		{"no signature", plaintest.Archive(append([]plaintest.Image{{Name: "manifest", Content: manifest}}, list...)), fota.UnsupportedPackage, "no manifest.sig"},
		{"large manifest", sealed(append(manifest, bytes.Repeat([]byte("#\n"), maxManifest)...)), fota.UnsupportedPackage, "at most 65536 bytes"},
		{"stranger", plaintest.Compose(stranger, "2.0", list, "compatible = lab"), fota.IntegrityFailure, "not among the 1 trusted"},
		{"signature of another", plaintest.Archive([]plaintest.Image{{Name: "manifest", Content: manifest}, {Name: "manifest.sig", Content: vendor.Sign([]byte("x"))}}), fota.IntegrityFailure, "is wrong"},
		{"manifest changed", damage(512 + 60), fota.IntegrityFailure, "is wrong"},
		{"another board", plaintest.Compose(vendor, "2.0", list, "compatible = kitchen"), fota.UnsupportedPackage, `this board is "lab"`},
		{"downgrade", plaintest.Compose(vendor, "1.4", list, "compatible = lab"), fota.UnsupportedPackage, "lower than the running"},
		{"no board", plaintest.Compose(vendor, "2.0", list), fota.UnsupportedPackage, "lacks"},
		{"no image", plaintest.Compose(vendor, "2.0", nil, "compatible = lab"), fota.UnsupportedPackage, "lacks"},
		{"unknown key", plaintest.Compose(vendor, "2.0", list, "compatible = lab", "min_version = 3"), fota.UnsupportedPackage, "min_version"},
		{"later layout", sealed(bytes.Replace(manifest, []byte("images 1"), []byte("images 2"), 1)), fota.UnsupportedPackage, "layout"},
		{"no text", plaintest.Compose(vendor, "2.\x07", list, "compatible = lab"), fota.UnsupportedPackage, "not key = value"},
		{"image twice", plaintest.Compose(vendor, "2.0", append(list, list...), "compatible = lab"), fota.UnsupportedPackage, "there twice"},
		{"a path", plaintest.Compose(vendor, "2.0", []plaintest.Image{{Name: "../etc/passwd", Content: []byte("x")}}, "compatible = lab"), fota.UnsupportedPackage, "not NAME SIZE"},
		{"image missing", sealed(manifest, list[0]), fota.IntegrityFailure, "damaged"},
		{"image with a path", sealed(manifest, plaintest.Image{Name: "../kernel", Content: list[0].Content}, list[1]), fota.IntegrityFailure, "has to be"},
		{"image out of place", sealed(manifest, list[1], list[0]), fota.IntegrityFailure, "has to be"},
		{"image changed", sealed(manifest, plaintest.Image{Name: "kernel", Content: other}, list[1]), fota.IntegrityFailure, "SHA-256"},
		{"image too short", sealed(manifest, plaintest.Image{Name: "kernel", Content: other[1:]}, list[1]), fota.IntegrityFailure, "unexpected EOF"},
		{"image too long", sealed(manifest, longer, list[1]), fota.IntegrityFailure, "longer than"},
		{"not packed", sealed(manifest, list[0], plaintest.Image{Name: "rootfs", Content: list[1].Content}), fota.IntegrityFailure, "gzip"},
		{"packed changed", damage(bytes.LastIndex(good, []byte("rootfs")) + 512 + 100), fota.IntegrityFailure, "damaged"},
		{"cut off", good[:len(good)-4000], fota.IntegrityFailure, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := whole(t.Context(), trust(), c.b)
			var f *fota.Failure
			if !errors.As(err, &f) || f.Result != c.result || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("got %v, want result %d and %q", err, c.result, c.want)
			}
		})
	}
}

func TestVersionPolicy(t *testing.T) {
	for _, c := range []struct {
		version, running string
		allowed, want    bool
	}{
		{"1.6", "1.5", false, true},
		{"1.5", "1.5", false, true},
		{"1.10", "1.9", false, true},
		{"1.4", "1.5", false, false},
		{"1.5~rc1", "1.5", false, false},
		{"1.4", "1.5", true, true},
		{"0.1", "", false, true},
	} {
		rules := Trust{Keys: trust().Keys, Compatible: "lab", Running: c.running, Downgrade: c.allowed}
		_, err := whole(t.Context(), &rules, plaintest.Compose(vendor, c.version, images(), "compatible = lab"))
		if (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestInterruptionIsNoVerdict looks that an end from outside says nothing of the
// package.
func TestInterruptionIsNoVerdict(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := whole(ctx, trust(), plaintest.Compose(vendor, "2.0", images(), "compatible = lab")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(plaintest.Manifest("2.0", images(), "compatible = lab", "# x"))
	f.Add([]byte("lwm2m-agent images 1\nimage = a 1 00 gzip\n"))
	f.Add([]byte("lwm2m-agent images 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			return
		}
		for _, i := range m.Images {
			if !ValidName(i.Name) || i.Size <= 0 || len(i.Sum) != 64 {
				t.Errorf("got %+v", i)
			}
		}
		if !printable(m.Version) || !printable(m.Name) || len(m.Images) > maxImages {
			t.Errorf("got %+v", m)
		}
	})
}

func FuzzPackage(f *testing.F) {
	f.Add(plaintest.Compose(vendor, "2.0", []plaintest.Image{{Name: "a", Content: []byte("b")}}, "compatible = lab"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := whole(t.Context(), &Trust{Keys: []signify.Key{stranger.Key()}, Compatible: "lab"}, b); err == nil {
			t.Error("a package by nobody")
		}
	})
}
