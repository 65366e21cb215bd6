package host

import (
	"errors"
	"slices"
	"testing"
)

func TestRebootWith(t *testing.T) {
	const setParameter = "org.freedesktop.login1.Manager.SetRebootParameter"
	none := []any{[]inhibitor{}}
	for _, c := range []struct {
		what    string
		answers map[string][]any
		cause   error
		last    string
	}{
		{"allowed", map[string][]any{canReboot: {"yes"}, listInhibitors: none, setParameter: {}, reboot: {}}, nil, "Reboot[false]"},
		{"no reboot", map[string][]any{canReboot: {"no"}, setParameter: {}, reboot: {}}, ErrPermission, "ListInhibitors[]"},
		{
			"no argument",
			map[string][]any{canReboot: {"yes"}, listInhibitors: none, reboot: {}, setParameter: busErr("org.freedesktop.DBus.Error.AccessDenied")},
			ErrPermission, "SetRebootParameter[0 tryboot]",
		},
	} {
		b := &bus{answers: c.answers}
		s := &systemd{dial: b.dial}
		if err := s.RebootWith(t.Context(), "0 tryboot"); !errors.Is(err, c.cause) || b.calls[len(b.calls)-1] != c.last {
			t.Errorf("%s: %v after %q", c.what, err, b.calls)
		}
		if set := slices.Contains(b.calls, "SetRebootParameter[0 tryboot]"); set != (c.what != "no reboot") {
			t.Errorf("%s: %q", c.what, b.calls)
		}
	}
}
