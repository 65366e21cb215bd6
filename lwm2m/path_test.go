package lwm2m_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   string
		want lwm2m.Path
		text string // as String writes it
	}{
		{"", lwm2m.Path{}, "/"},
		{"/", lwm2m.Path{}, "/"},
		{"/3", lwm2m.NewPath(3), "/3"},
		{"3", lwm2m.NewPath(3), "/3"},
		{"/3/", lwm2m.NewPath(3), "/3"},
		{"/3/0", lwm2m.NewPath(3, 0), "/3/0"},
		{"/3/0/7", lwm2m.NewPath(3, 0, 7), "/3/0/7"},
		{"/3/0/7/1", lwm2m.NewPath(3, 0, 7, 1), "/3/0/7/1"},
		{"3/0/7/1/", lwm2m.NewPath(3, 0, 7, 1), "/3/0/7/1"},
		{"/0/0/0/0", lwm2m.NewPath(0, 0, 0, 0), "/0/0/0/0"},
		{"/65534/65534/65534/65534", lwm2m.NewPath(65534, 65534, 65534, 65534), "/65534/65534/65534/65534"},
		{"/dev1", lwm2m.Path{}.WithPrefix("dev1"), "/dev1"},
		{"/dev1/", lwm2m.Path{}.WithPrefix("dev1"), "/dev1"},
		{"dev1/3/0", lwm2m.NewPath(3, 0).WithPrefix("dev1"), "/dev1/3/0"},
		{"/dev1/3/0/7/1", lwm2m.NewPath(3, 0, 7, 1).WithPrefix("dev1"), "/dev1/3/0/7/1"},
		{"/urn:dev:mac-0a~1/3", lwm2m.NewPath(3).WithPrefix("urn:dev:mac-0a~1"), "/urn:dev:mac-0a~1/3"},
		{"/" + strings.Repeat("p", 255) + "/3", lwm2m.NewPath(3).WithPrefix(strings.Repeat("p", 255)), "/" + strings.Repeat("p", 255) + "/3"},
	} {
		got, err := lwm2m.ParsePath(test.in)
		if err != nil || got != test.want {
			t.Errorf("ParsePath(%q) = %v, %v, want %v", test.in, got, err, test.want)
		}
		if got.String() != test.text {
			t.Errorf("ParsePath(%q).String() = %q, want %q", test.in, got, test.text)
		}
		if lwm2m.MustPath(test.in) != test.want {
			t.Errorf("MustPath(%q) differs from ParsePath", test.in)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"//", "///", "//3", "/3//", "/3//0", "/3/0//", "/3/-1", "/3/+1", "/ 3", "/3 ", "/03", "/00", "/3/00",
		"/65535", "/3/65535", "/3/0/7/65535", "/65536", "/99999999999999999999", "/3/0/7/1/2", "/3/0/7/1/2/",
		"/3x", "/3/x", "/dev1/dev2", "/dev1/3/x", "/dev1/3/0/7/1/2", "/dev 1/3", "/dév/3", "/a\x00/3", "/a%20b/3",
		"/<a>/3", "/a\"b/3", "/./3", "/../3", "/" + strings.Repeat("p", 256) + "/3", "/\xff", "/3/0?pmin=1",
	} {
		got, err := lwm2m.ParsePath(in)
		if !errors.Is(err, lwm2m.ErrPath) {
			t.Errorf("ParsePath(%.40q) = %v, %v, want ErrPath", in, got, err)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("ParsePath(%.40q): the error takes %d bytes", in, len(err.Error()))
		}
	}
}

func TestMustPathPanics(t *testing.T) {
	t.Parallel()
	mustPanic(t, "MustPath", func() { lwm2m.MustPath("/x/y") })
	mustPanic(t, "a fifth identifier", func() { lwm2m.NewPath(1, 2, 3, 4, 5) })
	mustPanic(t, "Object of the root", func() { lwm2m.Path{}.Object() })
	mustPanic(t, "ResourceInstance of a resource", func() { lwm2m.NewPath(3, 0, 7).ResourceInstance() })
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

func TestPathParts(t *testing.T) {
	t.Parallel()
	p := lwm2m.MustPath("/dev1/3/0/7/1")
	if p.Object() != 3 || p.Instance() != 0 || p.Resource() != 7 || p.ResourceInstance() != 1 || p.Prefix() != "dev1" {
		t.Errorf("parts of %v: %d %d %d %d %q", p, p.Object(), p.Instance(), p.Resource(), p.ResourceInstance(), p.Prefix())
	}
	if p.IsRoot() || !(lwm2m.Path{}).IsRoot() || !(lwm2m.Path{}).WithPrefix("dev1").IsRoot() {
		t.Error("IsRoot is wrong")
	}
	want := []string{"/dev1", "/dev1/3", "/dev1/3/0", "/dev1/3/0/7", "/dev1/3/0/7/1"}
	for l := lwm2m.LevelRoot; l <= lwm2m.LevelResourceInstance; l++ {
		if at := p.At(l); at.String() != want[l] || at.Level() != l || at != lwm2m.MustPath(want[l]) {
			t.Errorf("%v.At(%v) = %v of level %v, want %v", p, l, at, at.Level(), want[l])
		}
	}
	for _, text := range slices.Backward(want) {
		if p.String() != text {
			t.Errorf("parent is %v, want %v", p, text)
		}
		p = p.Parent()
	}
	if root := lwm2m.MustPath("/dev1"); root.Parent() != root || root.At(lwm2m.LevelResource) != root {
		t.Error("the root is not its own parent")
	}
}

func TestPathContains(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		p, q string
		want bool
	}{
		{"/", "/", true},
		{"/", "/3/0/7/1", true},
		{"/3", "/3", true},
		{"/3", "/3/0", true},
		{"/3/0/7", "/3/0/7/0", true},
		{"/3/0", "/3", false},
		{"/3", "/30", false},
		{"/3/0", "/3/1/0", false},
		{"/3/0/7/1", "/3/0/7/10", false},
		{"/dev1", "/dev1/3/0", true},
		{"/", "/dev1/3", false},
		{"/dev1", "/3", false},
		{"/dev1/3", "/dev2/3/0", false},
	} {
		if got := lwm2m.MustPath(test.p).Contains(lwm2m.MustPath(test.q)); got != test.want {
			t.Errorf("%s contains %s: %t", test.p, test.q, got)
		}
	}
}

func TestPathOrder(t *testing.T) {
	t.Parallel()
	ordered := []string{
		"/", "/0", "/1", "/1/0", "/1/0/0", "/1/0/1", "/1/1", "/3", "/3/0/7", "/3/0/7/0", "/3/0/7/1", "/3/0/7/10",
		"/3/0/8", "/10", "/10/0", "/dev1", "/dev1/1", "/dev1/1/0", "/dev2/1",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			want := min(max(i-j, -1), 1)
			if got := lwm2m.MustPath(a).Compare(lwm2m.MustPath(b)); got != want {
				t.Errorf("compare %s with %s: %d, want %d", a, b, got, want)
			}
		}
	}
	var nodes []lwm2m.Node
	for _, p := range slices.Backward(ordered) {
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.MustPath(p), Value: lwm2m.Integer(1)})
	}
	nodes = append(nodes, lwm2m.Node{Path: lwm2m.MustPath("/3"), Value: lwm2m.Integer(2)})
	lwm2m.SortNodes(nodes)
	got := make([]string, 0, len(nodes))
	for _, n := range nodes {
		got = append(got, n.Path.String()+"="+n.Value.String())
	}
	want := "/=1 /0=1 /1=1 /1/0=1 /1/0/0=1 /1/0/1=1 /1/1=1 /3=1 /3=2 /3/0/7=1 /3/0/7/0=1 /3/0/7/1=1 /3/0/7/10=1 " +
		"/3/0/8=1 /10=1 /10/0=1 /dev1=1 /dev1/1=1 /dev1/1/0=1 /dev2/1=1"
	if strings.Join(got, " ") != want {
		t.Errorf("sorted: %s\nwant: %s", got, want)
	}
}

func TestPathMarshalText(t *testing.T) {
	t.Parallel()
	text, err := lwm2m.MustPath("/3/0/7").MarshalText()
	if err != nil || string(text) != "/3/0/7" {
		t.Errorf("MarshalText: %q, %v", text, err)
	}
	var p lwm2m.Path
	if err := p.UnmarshalText(text); err != nil || p != lwm2m.NewPath(3, 0, 7) {
		t.Errorf("UnmarshalText: %v, %v", p, err)
	}
	if err := p.UnmarshalText([]byte("/x/y")); !errors.Is(err, lwm2m.ErrPath) {
		t.Errorf("UnmarshalText of no path: %v", err)
	}
}

func TestParsePathDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { lwm2m.MustPath("/dev1/3303/12/5700/0") }); n != 0 {
		t.Errorf("ParsePath allocates %v times", n)
	}
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"", "/", "/3", "/3/0/7/1", "3/0/", "/dev1/3/0", "//3", "/65535", "/03", "/3/0/7/1/2", "/a%b/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := lwm2m.ParsePath(s)
		if err != nil {
			if p != (lwm2m.Path{}) || !errors.Is(err, lwm2m.ErrPath) {
				t.Fatalf("ParsePath(%q) = %v, %v", s, p, err)
			}
			return
		}
		again, err := lwm2m.ParsePath(p.String())
		if err != nil || again != p {
			t.Fatalf("ParsePath(%q) = %v, which reads back as %v, %v", s, p, again, err)
		}
		if got := "/" + strings.Trim(s, "/"); got != p.String() {
			t.Fatalf("ParsePath(%q) = %v", s, p)
		}
	})
}

func TestPacked(t *testing.T) {
	for path, want := range map[string]uint64{
		"/": 0, "/3": 3 << 48, "/3/1": 3<<48 | 1<<32, "/65534/1/2": 65534<<48 | 1<<32 | 2<<16, "/3/0/7/65534": 3<<48 | 7<<16 | 65534,
	} {
		if got := lwm2m.MustPath(path).Packed(); got != want {
			t.Errorf("%s is %#x, want %#x", path, got, want)
		}
	}
	if lwm2m.MustPath("/3/0/7/1").At(lwm2m.LevelInstance).Packed() != 3<<48 {
		t.Error("what was cut off is still there")
	}
}
