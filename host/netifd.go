package host

import (
	"context"
	"fmt"
)

// Reconnect has OpenWrt's netifd make the connection of one of its interfaces anew, as its program ifup
// does. It returns when netifd has begun.
func Reconnect(ctx context.Context, name string) error {
	for _, do := range []string{"down", "up"} {
		if _, err := runProgram(ctx, "ubus", "call", "network.interface."+name, do); err != nil {
			return fmt.Errorf("take the interface %q %s: %w", name, do, err)
		}
	}
	return nil
}
