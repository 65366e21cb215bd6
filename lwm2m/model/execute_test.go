package model

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

func TestExecute(t *testing.T) {
	var got Arguments
	own := &owner{execute: func(_ context.Context, _ lwm2m.Path, args Arguments) error { got = args; return nil }}
	tree, _ := newTestTree(t, own)
	args := Arguments{{ID: 2, Value: "x", HasValue: true}}
	if err := tree.Execute(t.Context(), FromServer(1), lwm2m.MustPath("/100/0/4"), args); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(args, got); d != "" {
		t.Error(d)
	}
	for path, want := range map[string]lwm2m.Code{
		"/100/0": lwm2m.MethodNotAllowed, "/100/0/1": lwm2m.MethodNotAllowed, "/100/0/9": lwm2m.NotFound,
		"/100/3/4": lwm2m.NotFound, "/99/0/0": lwm2m.NotFound, "/0/0/0": lwm2m.Unauthorized,
	} {
		mustCode(t, want, tree.Execute(t.Context(), FromServer(1), lwm2m.MustPath(path), nil))
	}
	own.execute = func(context.Context, lwm2m.Path, Arguments) error { return errors.New("broken") }
	mustCode(t, lwm2m.InternalServerError, tree.Execute(t.Context(), FromServer(1), lwm2m.MustPath("/100/0/4"), nil))
}

func TestParseArguments(t *testing.T) {
	for text, want := range map[string]Arguments{
		"":                  nil,
		"5":                 {{ID: 5}},
		"2='10.3'":          {{ID: 2, Value: "10.3", HasValue: true}},
		"7,0='https://x/y'": {{ID: 7}, {ID: 0, Value: "https://x/y", HasValue: true}},
		"0=''":              {{ID: 0, HasValue: true}},
	} {
		got, err := ParseArguments(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", text, d)
		}
		if got.String() != text {
			t.Errorf("%q is written %q", text, got)
		}
	}
	for _, text := range []string{"a", "10", "0=", "0='", "0='a", "0=a", "0,0", "0,", ",0", "0;1", "0='a'b", "0='a b'", "0='\x00'", "1='\"'"} {
		if _, err := ParseArguments(text); err == nil {
			t.Errorf("%q was taken", text)
		} else {
			mustCode(t, lwm2m.BadRequest, err)
		}
	}
}

func FuzzParseArguments(f *testing.F) {
	for _, s := range []string{"", "5", "0='a',1", "0='", "9='x',9", "0=''", "1,2,3='https://example.org'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		args, err := ParseArguments(s)
		if err != nil {
			mustCode(t, lwm2m.BadRequest, err)
			return
		}
		if args.String() != s {
			t.Errorf("%q is written %q", s, args)
		}
		if len(args) > 10 {
			t.Errorf("%q gave %d arguments", s, len(args))
		}
	})
}
