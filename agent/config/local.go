package config

import (
	"net/netip"
	"path/filepath"
	"strings"
)

// Local is an address that only this machine reaches. The zero Local is none.
type Local struct {
	Network string // "tcp" or "unix"
	Address string
}

// unixScheme begins the address of a unix socket.
const unixScheme = "unix:"

// localAddress returns the kind of such an address, with a port for an example; it returns a Local.
func localAddress(example string) kind {
	words := `an address of the loopback interface with a port, such as "` + example + `", or "unix:" and an absolute path`
	return kind{words, func(v any) (any, bool) {
		text, ok := v.(string)
		if path, unix := strings.CutPrefix(text, unixScheme); unix {
			return Local{"unix", path}, filepath.IsAbs(path) && filepath.Clean(path) == path
		}
		a, err := netip.ParseAddrPort(text)
		return Local{"tcp", text}, ok && err == nil && a.Addr().Unmap().IsLoopback() && a.Port() != 0
	}}
}
