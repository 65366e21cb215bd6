package lwm2m_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"lwm2m-agent/lwm2m"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	// RFC 7252, section 12.1.2; RFC 7959, section 2.9; RFC 8132, section 2.
	for _, test := range []struct {
		code    lwm2m.Code
		number  uint8
		text    string
		success bool
	}{
		{lwm2m.Created, 65, "2.01 Created", true},
		{lwm2m.Deleted, 66, "2.02 Deleted", true},
		{lwm2m.Changed, 68, "2.04 Changed", true},
		{lwm2m.Content, 69, "2.05 Content", true},
		{lwm2m.Continue, 95, "2.31 Continue", true},
		{lwm2m.BadRequest, 128, "4.00 Bad Request", false},
		{lwm2m.Unauthorized, 129, "4.01 Unauthorized", false},
		{lwm2m.BadOption, 130, "4.02 Bad Option", false},
		{lwm2m.Forbidden, 131, "4.03 Forbidden", false},
		{lwm2m.NotFound, 132, "4.04 Not Found", false},
		{lwm2m.MethodNotAllowed, 133, "4.05 Method Not Allowed", false},
		{lwm2m.NotAcceptable, 134, "4.06 Not Acceptable", false},
		{lwm2m.RequestEntityIncomplete, 136, "4.08 Request Entity Incomplete", false},
		{lwm2m.PreconditionFailed, 140, "4.12 Precondition Failed", false},
		{lwm2m.RequestEntityTooLarge, 141, "4.13 Request Entity Too Large", false},
		{lwm2m.UnsupportedContentFormat, 143, "4.15 Unsupported Content-Format", false},
		{lwm2m.InternalServerError, 160, "5.00 Internal Server Error", false},
		{lwm2m.NotImplemented, 161, "5.01 Not Implemented", false},
		{lwm2m.ServiceUnavailable, 163, "5.03 Service Unavailable", false},
		{lwm2m.Code(0xFF), 255, "7.31", false},
	} {
		if uint8(test.code) != test.number || test.code.String() != test.text || test.code.Success() != test.success {
			t.Errorf("%d: %q, success %t", test.code, test.code, test.code.Success())
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	err := lwm2m.Errorf(lwm2m.BadRequest, "read %q: %w", "/3/0", io.ErrUnexpectedEOF)
	if got, want := err.Error(), `4.00 Bad Request: read "/3/0": unexpected EOF`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if errors.Unwrap(lwm2m.Errorf(lwm2m.BadRequest, "no cause")) != nil {
		t.Error("a cause from nowhere")
	}
	wrapped := fmt.Errorf("serve: %w", err)
	if lwm2m.CodeOf(wrapped) != lwm2m.BadRequest || lwm2m.CodeOf(io.EOF) != lwm2m.InternalServerError {
		t.Errorf("codes %v, %v", lwm2m.CodeOf(wrapped), lwm2m.CodeOf(io.EOF))
	}
	outer := lwm2m.Errorf(lwm2m.NotFound, "outer: %w", err)
	if lwm2m.CodeOf(outer) != lwm2m.NotFound || !errors.Is(outer, io.ErrUnexpectedEOF) {
		t.Errorf("the outer error: %v", outer)
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	// Core, section 7.5, and Transport, table of media types.
	for _, test := range []struct {
		format lwm2m.Format
		number uint16
		text   string
		is     lwm2m.Format
	}{
		{lwm2m.FormatText, 0, "text/plain", lwm2m.FormatText},
		{lwm2m.FormatLink, 40, "application/link-format", lwm2m.FormatLink},
		{lwm2m.FormatOpaque, 42, "application/octet-stream", lwm2m.FormatOpaque},
		{lwm2m.FormatCBOR, 60, "application/cbor", lwm2m.FormatCBOR},
		{lwm2m.FormatSenMLJSON, 110, "application/senml+json", lwm2m.FormatSenMLJSON},
		{lwm2m.FormatSenMLCBOR, 112, "application/senml+cbor", lwm2m.FormatSenMLCBOR},
		{lwm2m.FormatSenMLETCHJSON, 320, "application/senml-etch+json", lwm2m.FormatSenMLETCHJSON},
		{lwm2m.FormatSenMLETCHCBOR, 322, "application/senml-etch+cbor", lwm2m.FormatSenMLETCHCBOR},
		{lwm2m.FormatTLV, 11542, "application/vnd.oma.lwm2m+tlv", lwm2m.FormatTLV},
		{lwm2m.FormatOMAJSON, 11543, "application/vnd.oma.lwm2m+json", lwm2m.FormatOMAJSON},
		{lwm2m.FormatLwM2MCBOR, 11544, "application/vnd.oma.lwm2m+cbor", lwm2m.FormatLwM2MCBOR},
		{lwm2m.FormatOldText, 1541, "content-format 1541", lwm2m.FormatText},
		{lwm2m.FormatOldTLV, 1542, "content-format 1542", lwm2m.FormatTLV},
		{lwm2m.FormatOldJSON, 1543, "content-format 1543", lwm2m.FormatOMAJSON},
	} {
		if uint16(test.format) != test.number || test.format.String() != test.text || test.format.Canonical() != test.is {
			t.Errorf("%d: %q, canonical %d", test.format, test.format, test.format.Canonical())
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	ordered := []string{"0.0", "1.0", "1.1", "1.2", "1.10", "2.0", "255.255"}
	for i, a := range ordered {
		v, err := lwm2m.ParseVersion(a)
		if err != nil || v.String() != a || v.IsZero() != (i == 0) {
			t.Errorf("ParseVersion(%q) = %v, %v", a, v, err)
		}
		for j, b := range ordered {
			if w, _ := lwm2m.ParseVersion(b); v.Less(w) != (i < j) {
				t.Errorf("%v < %v: %t", v, w, v.Less(w))
			}
		}
	}
	if v, err := lwm2m.ParseVersion("2"); err != nil || v != (lwm2m.Version{Major: 2}) {
		t.Errorf("ParseVersion(2) = %v, %v", v, err)
	}
	for _, in := range []string{"", ".", "1.", ".1", "1.2.3", "-1.0", "1.x", "256.0", "1.256", " 1.0", "+1.0"} {
		if v, err := lwm2m.ParseVersion(in); err == nil {
			t.Errorf("ParseVersion(%q) = %v", in, v)
		}
	}
}

func TestShapesOf(t *testing.T) {
	t.Parallel()
	shapes := lwm2m.Shapes(func(p lwm2m.Path) (lwm2m.Shape, bool) {
		if p.Resource() != 5700 {
			return lwm2m.Shape{}, false
		}
		return lwm2m.Shape{Type: lwm2m.TypeFloat}, true
	})
	for _, test := range []struct {
		path string
		want bool
	}{{"/3303/0/5700", true}, {"/3303/0/5700/1", true}, {"/3303/0/5701", false}, {"/3303/0", false}, {"/", false}} {
		if shape, ok := shapes.Of(lwm2m.MustPath(test.path)); ok != test.want || ok != (shape.Type == lwm2m.TypeFloat) {
			t.Errorf("shape of %s: %v, %t", test.path, shape, ok)
		}
		if _, ok := lwm2m.Shapes(nil).Of(lwm2m.MustPath(test.path)); ok {
			t.Errorf("no shapes know %s", test.path)
		}
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	want := []string{"root", "object", "object instance", "resource", "resource instance", "level 5"}
	for l, word := range want {
		if got := lwm2m.Level(l).String(); got != word {
			t.Errorf("level %d is called %q", l, got)
		}
	}
}
