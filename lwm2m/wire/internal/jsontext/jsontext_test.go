package jsontext_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m/wire/internal/jsontext"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{`""`, ""},
		{`"abc"`, "abc"},
		{`"21 °C"`, "21 °C"},
		{` "a" `, "a"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"a\u0000b"`, "a\x00b"},
		{`"\u00e4\u20AC"`, "ä€"},
		{`"\ud83d\ude00"`, "😀"},
		{`"\uFFFD"`, "\uFFFD"},
		{`"\\u0041"`, `\u0041`},
	} {
		r := jsontext.NewReader([]byte(test.in))
		if got := r.Text(); string(got) != test.want || r.Err() != nil {
			t.Errorf("%s: %q, %v", test.in, got, r.Err())
		}
		for n := range strings.TrimRight(test.in, " ") {
			r := jsontext.NewReader([]byte(test.in[:n]))
			if got := r.Text(); r.Err() == nil {
				t.Errorf("%s cut to %d bytes: %q", test.in, n, got)
			}
		}
	}
	for _, in := range []string{
		"", "abc", "1", `"`, `"a`, `"a\`, `"a\"`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u+123"`, `"\ud83d"`, `"\ud83dx"`,
		`"\ud83d\n"`, `"\ud83d\u0041"`, `"\ude00"`, "\"a\nb\"", "\"\\n\n\"", "\"\x00\"", "\"\xff\"", "\"a\\n\xc3\"", `"a" "b"`, "\xef\xbb\xbf\"a\"",
	} {
		r := jsontext.NewReader([]byte(in))
		if got := r.Text(); r.Err() == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"0", "-0", "7", "10", "-1", "1.0", "0.5", "1e5", "1E5", "1e+5", "1e-5", "0e0", "-1.25E-10", "123456789012345678901234567890",
	} {
		r := jsontext.NewReader([]byte(" " + in + "\n"))
		if got := r.Number(); string(got) != in || r.Err() != nil {
			t.Errorf("%s: %s, %v", in, got, r.Err())
		}
	}
	for _, in := range []string{
		"", "-", "+1", "01", "-01", "00", ".5", "1.", "1.e5", "1e", "1e+", "1e5.5", "0x1", "1_0", "Infinity", "NaN", "- 1", "1 2", `"1"`, "true",
	} {
		r := jsontext.NewReader([]byte(in))
		if got := r.Number(); r.Err() == nil {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestBool(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{"true": true, "\nfalse\t": false} {
		r := jsontext.NewReader([]byte(in))
		if got := r.Bool(); got != want || r.Err() != nil {
			t.Errorf("%s: %t, %v", in, got, r.Err())
		}
	}
	for _, in := range []string{"", "t", "tru", "True", "null", "1", "truefalse", "fals"} {
		r := jsontext.NewReader([]byte(in))
		if got := r.Bool(); r.Err() == nil || got && in != "truefalse" {
			t.Errorf("%s: %t, %v", in, got, r.Err())
		}
	}
}

func TestContainers(t *testing.T) {
	t.Parallel()
	r := jsontext.NewReader([]byte("\t[ { \"a\" : 1 ,\r\n \"b\\u0063\":true } , [] , {} ] "))
	var got []string
	for i := range r.Array() {
		got = append(got, strconv.Itoa(i))
		switch i {
		case 0:
			for name := range r.Object() {
				got = append(got, string(name))
				r.Skip()
			}
		case 1:
			for range r.Array() {
				t.Error("the empty array has an element")
			}
		default:
			for range r.Object() {
				t.Error("the empty object has a member")
			}
		}
	}
	if want := "0 a bc 1 2"; strings.Join(got, " ") != want || r.Err() != nil {
		t.Errorf("%v, %v", got, r.Err())
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   string
		want error
	}{
		{"", jsontext.ErrSyntax},
		{"[", jsontext.ErrSyntax},
		{"[1", jsontext.ErrSyntax},
		{"[1,", jsontext.ErrSyntax},
		{"[1,]", jsontext.ErrSyntax},
		{"[,1]", jsontext.ErrSyntax},
		{"[1 2]", jsontext.ErrKind},
		{"[1}", jsontext.ErrSyntax},
		{"[}", jsontext.ErrSyntax},
		{"[1]]", jsontext.ErrSyntax},
		{"[] x", jsontext.ErrSyntax},
		{"{}", jsontext.ErrKind},
		{"1", jsontext.ErrKind},
		{"x", jsontext.ErrSyntax},
		{"[x]", jsontext.ErrSyntax},
		{`[{"a"}]`, jsontext.ErrSyntax},
		{`[{"a":}]`, jsontext.ErrSyntax},
		{`[{"a" 1}]`, jsontext.ErrKind},
		{`[{"a":1,}]`, jsontext.ErrSyntax},
		{`[{1:1}]`, jsontext.ErrKind},
		{`[{a:1}]`, jsontext.ErrSyntax},
		{`[{"a":1]`, jsontext.ErrSyntax},
		{`[nul]`, jsontext.ErrKind},
		{"[\x00]", jsontext.ErrSyntax},
		{"[\"\xff\"]", jsontext.ErrSyntax},
		{strings.Repeat("[", 9) + strings.Repeat("]", 9), jsontext.ErrDepth},
		{"[" + strings.Repeat(`{"a":`, 8) + "1" + strings.Repeat("}", 8) + "]", jsontext.ErrDepth},
		{strings.Repeat("[", 1<<20), jsontext.ErrDepth},
	} {
		r := jsontext.NewReader([]byte(test.in))
		for range r.Array() {
			r.Skip()
		}
		if err := r.Err(); !errors.Is(err, test.want) || !r.Failed() {
			t.Errorf("%.40q: %v, want %v", test.in, err, test.want)
		}
	}
}

func TestAppendText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{"", `""`},
		{"abc", `"abc"`},
		{"\"\\\n\r\t\x00\x1f\x7f", "\"\\\"\\\\\\n\\r\\t\\u0000\\u001f\x7f\""},
		{"21 °C </a>&\u2028", "\"21 °C </a>&\u2028\""},
	} {
		if got := jsontext.AppendText([]byte("x"), test.in); string(got) != "x"+test.want {
			t.Errorf("%q: %s", test.in, got)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "-0.0"},
		{1, "1"},
		{-36.6, "-36.6"},
		{1e6, "1000000"},
		{999999999999999999999, "1e+21"},
		{1e15, "1000000000000000"},
		{1<<53 - 1, "9007199254740991"},
		{1 << 53, "9.007199254740992e+15"},
		{-1 << 63, "-9.223372036854776e+18"},
		{-1e21, "-1e+21"},
		{1e-6, "0.000001"},
		{-9e-7, "-9e-07"},
		{math.MaxFloat64, "1.7976931348623157e+308"},
		{5e-324, "5e-324"},
	} {
		got := jsontext.AppendFloat(nil, test.in)
		if string(got) != test.want || !json.Valid(got) {
			t.Errorf("%v: %s", test.in, got)
		}
	}
}

// The reader takes exactly what encoding/json takes, except for depth, half
// surrogate pairs and text that is not UTF-8, all of which it refuses.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		`[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"9","v":100},{"n":"6/0","vb":true}]`,
		`"\ud83d\ude00\n"`, "-1.25E-10", "[[],{}]", "null", `{"a":{"b":[1,2,{"c":null}]}}`, "\"\\ud83d\"", "[1 2]", "01",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := jsontext.NewReader(data)
		r.Skip()
		err := r.Err()
		if valid := json.Valid(data); err == nil && !valid {
			t.Fatalf("%q is not valid", data)
		} else if err != nil && valid && !stricter(data) {
			t.Fatalf("%q is valid: %v", data, err)
		}
		if r := jsontext.NewReader(data); err == nil && r.Kind() == jsontext.KindString {
			var want string
			if err := json.Unmarshal(data, &want); err != nil || string(r.Text()) != want {
				t.Fatalf("%q: %q, %v", data, want, err)
			}
			r = jsontext.NewReader(jsontext.AppendText(nil, want))
			if got := r.Text(); string(got) != want || r.Err() != nil {
				t.Fatalf("%q written and read: %q, %v", want, got, r.Err())
			}
		}
	})
}

func stricter(data []byte) bool {
	return bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > 8 || bytes.Contains(bytes.ToLower(data), []byte(`\ud`)) ||
		!bytes.Equal(bytes.ToValidUTF8(data, nil), data)
}
