package link_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/link"
)

// payloads pairs payloads with what they say. All of them are as Append writes
// them.
var payloads = []struct {
	name string
	text string
	want []link.Link
}{
	{"nothing", "", nil},
	{"one object", "</3>", []link.Link{{Target: "/3"}}},
	{
		"register", `</>;rt="oma.lwm2m";ct=112,</1/0>,</3/0>,</3303>;ver=1.1,</3303/0>`,
		[]link.Link{
			{Target: "/", Attrs: []link.Attr{link.Quoted("rt", "oma.lwm2m"), link.Token("ct", "112")}},
			{Target: "/1/0"},
			{Target: "/3/0"},
			{Target: "/3303", Attrs: []link.Attr{link.Token("ver", "1.1")}},
			{Target: "/3303/0"},
		},
	},
	{
		"register with several formats below an alternate path", `</lwm2m>;rt="oma.lwm2m";ct="110 112 60",</lwm2m/1/0>`,
		[]link.Link{
			{Target: "/lwm2m", Attrs: []link.Attr{link.Quoted("rt", "oma.lwm2m"), link.ContentFormats(110, 112, 60)}},
			{Target: "/lwm2m/1/0"},
		},
	},
	{
		"discover", `</3/0>;pmin=10,</3/0/7>;dim=8;gt=50;lt=42.2,</3/0/8>`,
		[]link.Link{
			{Target: "/3/0", Attrs: []link.Attr{link.Int("pmin", 10)}},
			{Target: "/3/0/7", Attrs: []link.Attr{link.Int("dim", 8), link.Int("gt", 50), link.Token("lt", "42.2")}},
			{Target: "/3/0/8"},
		},
	},
	{
		"bootstrap discover", `</>;lwm2m=1.2,</0/0>;uri="coaps://[::1]:5684/a,b;c",</0/1>;ssid=101,</2/0>`,
		[]link.Link{
			{Target: "/", Attrs: []link.Attr{link.Token("lwm2m", "1.2")}},
			{Target: "/0/0", Attrs: []link.Attr{link.Quoted("uri", "coaps://[::1]:5684/a,b;c")}},
			{Target: "/0/1", Attrs: []link.Attr{link.Int("ssid", 101)}},
			{Target: "/2/0"},
		},
	},
	{
		"flags and escapes", `</a>;obs;title="say \"hi\" \\ 21 °C";b`,
		[]link.Link{{Target: "/a", Attrs: []link.Attr{link.Flag("obs"), link.Quoted("title", `say "hi" \ 21 °C`), link.Flag("b")}}},
	},
	{"an empty value", `</a>;if=""`, []link.Link{{Target: "/a", Attrs: []link.Attr{link.Quoted("if", "")}}}},
	{"an attribute twice", `</a>;if=b;if=c`, []link.Link{{Target: "/a", Attrs: []link.Attr{link.Token("if", "b"), link.Token("if", "c")}}}},
	{"an absolute target", "<coap://h/a?b=c#d>;anchor=e", []link.Link{{Target: "coap://h/a?b=c#d", Attrs: []link.Attr{link.Token("anchor", "e")}}}},
	{"no target", "<>", []link.Link{{Target: ""}}},
	{"a gateway's device", "</dev1/3/0>", []link.Link{{Target: "/dev1/3/0"}}},
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	for _, test := range payloads {
		if got := link.Append([]byte("x"), test.want); string(got) != "x"+test.text {
			t.Errorf("%s: written as %s", test.name, got)
		}
		got, err := link.Parse([]byte(test.text))
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
	}
}

// What other clients and servers write.
func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want []link.Link
	}{
		{" \r\n", nil},
		{
			` </> ; rt="oma.lwm2m" ;ct=11543, </1/0> ,` + "\n\t</3/0>\n",
			[]link.Link{
				{Target: "/", Attrs: []link.Attr{link.Quoted("rt", "oma.lwm2m"), link.Token("ct", "11543")}},
				{Target: "/1/0"},
				{Target: "/3/0"},
			},
		},
		{
			`</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</1>;ver="1.1",</1/0>`,
			[]link.Link{
				{Target: "/", Attrs: []link.Attr{link.Quoted("rt", "oma.lwm2m"), link.Quoted("ct", "60 110 112 11542 11543")}},
				{Target: "/1", Attrs: []link.Attr{link.Quoted("ver", "1.1")}},
				{Target: "/1/0"},
			},
		},
		{
			`lwm2m="1.0",</0/0>,</0/1>;ssid=101`,
			[]link.Link{
				{Target: "/", Attrs: []link.Attr{link.Quoted("lwm2m", "1.0")}},
				{Target: "/0/0"},
				{Target: "/0/1", Attrs: []link.Attr{link.Int("ssid", 101)}},
			},
		},
		{`</a>;title*=UTF-8'en'x;a="\n"`, []link.Link{{Target: "/a", Attrs: []link.Attr{link.Token("title*", "UTF-8'en'x"), link.Quoted("a", "n")}}}},
		{`</a>;if==`, []link.Link{{Target: "/a", Attrs: []link.Attr{link.Token("if", "=")}}}},
	} {
		got, err := link.Parse([]byte(test.text))
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", test.text, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want lwm2m.Code
	}{
		{"3/0", lwm2m.BadRequest},
		{"a=b,</3>", lwm2m.BadRequest},
		{",", lwm2m.BadRequest},
		{"</3>,", lwm2m.BadRequest},
		{",</3>", lwm2m.BadRequest},
		{"</3>,,</4>", lwm2m.BadRequest},
		{"</3></4>", lwm2m.BadRequest},
		{"</3", lwm2m.BadRequest},
		{"<", lwm2m.BadRequest},
		{"<</3>", lwm2m.BadRequest},
		{"</ 3>", lwm2m.BadRequest},
		{"</\n3>", lwm2m.BadRequest},
		{"</\"3>", lwm2m.BadRequest},
		{"</\x7f3>", lwm2m.BadRequest},
		{"</3>;", lwm2m.BadRequest},
		{"</3>;,", lwm2m.BadRequest},
		{"</3>;=1", lwm2m.BadRequest},
		{"</3>;a=", lwm2m.BadRequest},
		{"</3>;a=,</4>", lwm2m.BadRequest},
		{"</3>;a=;b=1", lwm2m.BadRequest},
		{"</3>;a=\"", lwm2m.BadRequest},
		{"</3>;a=\"b", lwm2m.BadRequest},
		{"</3>;a=\"b\\", lwm2m.BadRequest},
		{"</3>;a=\"b\\\"", lwm2m.BadRequest},
		{"</3>;a=\"b\"c", lwm2m.BadRequest},
		{"</3>;a=b\"c\"", lwm2m.BadRequest},
		{"</3>;a b", lwm2m.BadRequest},
		{"</3>;ä=1", lwm2m.BadRequest},
		{"</3>;a=ä", lwm2m.BadRequest},
		{"</3>;a/b=1", lwm2m.BadRequest},
		{"</3>;a=\"\xff\"", lwm2m.BadRequest},
		{"lwm2m=", lwm2m.BadRequest},
		{"</3>,lwm2m=1.0", lwm2m.BadRequest},
		{"</3>" + strings.Repeat(";a", link.MaxAttrs+1), lwm2m.BadRequest},
		{strings.Repeat("<>,", link.MaxLinks) + "<>", lwm2m.RequestEntityTooLarge},
		{"</3>;" + strings.Repeat("a", 1<<20) + "=", lwm2m.BadRequest},
		{"<" + strings.Repeat("a", 1<<20), lwm2m.BadRequest},
	} {
		got, err := link.Parse([]byte(test.text))
		if err == nil || lwm2m.CodeOf(err) != test.want || got != nil {
			t.Errorf("%.40q: %v, %v, want %v", test.text, got, err, test.want)
		}
		if err != nil && len(err.Error()) > 250 {
			t.Errorf("%.40q: the error takes %d bytes", test.text, len(err.Error()))
		}
	}
	for _, text := range []string{
		strings.Repeat("<>,", link.MaxLinks-1) + "<>",
		"</3>" + strings.Repeat(";a", link.MaxAttrs),
	} {
		if _, err := link.Parse([]byte(text)); err != nil {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// No value can end a link or begin another.
func TestAppendKeepsLinksApart(t *testing.T) {
	t.Parallel()
	hostile := "a>,</0>;b=\"c\\\n\x00\xff ä"
	links := []link.Link{{Target: "/" + hostile, Attrs: []link.Attr{link.Token("t", hostile), link.Quoted("q", hostile)}}}
	text := link.Append(nil, links)
	got, err := link.Parse([]byte(strings.ToValidUTF8(string(text), "?")))
	if err != nil || len(got) != 1 || len(got[0].Attrs) != 2 {
		t.Fatalf("%q: %v, %v", text, got, err)
	}
	if want := "/a%3E,%3C/0%3E;b=%22c%5C%0A%00%FF%20%C3%A4"; got[0].Target != want {
		t.Errorf("target %q, want %q", got[0].Target, want)
	}
	for _, a := range got[0].Attrs {
		if want := "a>,</0>;b=\"c\\  ? ä"; a.Value != want || a.Form != link.FormQuoted {
			t.Errorf("%s = %q, want %q", a.Name, a.Value, want)
		}
	}
}

func TestTo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ root, path, want string }{
		{"", "/", "/"},
		{"/", "/", "/"},
		{"", "/3/0", "/3/0"},
		{"/", "/3/0", "/3/0"},
		{"/lwm2m", "/", "/lwm2m"},
		{"/lwm2m", "/3/0/7/1", "/lwm2m/3/0/7/1"},
		{"/lwm2m/", "/dev1/3", "/lwm2m/dev1/3"},
	} {
		l := link.To(test.root, lwm2m.MustPath(test.path), link.Flag("a"))
		if l.Target != test.want || len(l.Attrs) != 1 {
			t.Errorf("To(%q, %q) = %v, want %q", test.root, test.path, l, test.want)
		}
		if p, err := l.Path(test.root); err != nil || p != lwm2m.MustPath(test.path) {
			t.Errorf("the path of %q below %q: %v, %v", l.Target, test.root, p, err)
		}
	}
	for _, test := range []struct{ root, target string }{
		{"/lwm2m", "/3/0"}, {"/lwm2m", "/lwm2m3/0"}, {"", "/a/b"}, {"", "coap://h/3"}, {"/lwm2m", "/lwm2m/3/x"},
	} {
		if p, err := (link.Link{Target: test.target}).Path(test.root); !errors.Is(err, lwm2m.ErrPath) {
			t.Errorf("the path of %q below %q: %v, %v", test.target, test.root, p, err)
		}
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	l := link.Link{Attrs: []link.Attr{link.Flag("obs"), link.Token("a", "1"), link.Token("a", "2")}}
	if v, ok := l.Attr("a"); v != "1" || !ok {
		t.Errorf("a is %q, %t", v, ok)
	}
	if v, ok := l.Attr("obs"); v != "" || !ok {
		t.Errorf("obs is %q, %t", v, ok)
	}
	if v, ok := l.Attr("b"); v != "" || ok {
		t.Errorf("b is %q, %t", v, ok)
	}
	for _, test := range []struct {
		ct   link.Attr
		want []lwm2m.Format
	}{
		{link.ContentFormats(), nil},
		{link.ContentFormats(112), []lwm2m.Format{112}},
		{link.ContentFormats(110, 112, 60), []lwm2m.Format{110, 112, 60}},
		{link.Quoted("ct", " 112  11542 "), []lwm2m.Format{112, 11542}},
		{link.Flag("x"), nil},
	} {
		got, err := link.Link{Attrs: []link.Attr{test.ct}}.Formats()
		if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v: %v\n%s", test.ct, err, diff)
		}
	}
	for _, value := range []string{"x", "-1", "65536", "110,112"} {
		if got, err := (link.Link{Attrs: []link.Attr{link.Quoted("ct", value)}}).Formats(); lwm2m.CodeOf(err) != lwm2m.BadRequest {
			t.Errorf("ct=%q: %v, %v", value, got, err)
		}
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, want string
		ok         bool
	}{
		{`</lwm2m>;rt="oma.lwm2m",</lwm2m/1/0>`, "/lwm2m", true},
		{`</>;ct=112,</lwm2m>;rt="oma.lwm2m"`, "/lwm2m", true},
		{`</1/0>,</>;ct=112`, "/", true},
		{`</1/0>,</3/0>;rt="other"`, "", false},
		{"", "", false},
	} {
		links, err := link.Parse([]byte(test.text))
		root, ok := link.Root(links)
		if err != nil || root.Target != test.want || ok != test.ok {
			t.Errorf("%s: %v, %t, %v", test.text, root, ok, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range payloads {
		f.Add([]byte(p.text))
	}
	f.Add([]byte(`lwm2m="1.0",</0/0>;a="\"\\"; b = c`))
	f.Fuzz(func(t *testing.T, data []byte) {
		links, err := link.Parse(data)
		if err != nil {
			if lwm2m.CodeOf(err) != lwm2m.BadRequest && lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge {
				t.Fatal(err)
			}
			return
		}
		for _, l := range links {
			l.Formats()
			l.Path("")
		}
		// Control characters in values and characters that no URI has are written
		// otherwise; after that, what is read is what was written.
		once := link.Append(nil, links)
		again, err := link.Parse(once)
		if err != nil || len(again) != len(links) {
			t.Fatalf("%q is written as %q, which has %d links, %v", data, once, len(again), err)
		}
		if twice := link.Append(nil, again); string(twice) != string(once) {
			t.Fatalf("%q is written as %q, then %q", data, once, twice)
		}
	})
}
