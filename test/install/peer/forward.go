package main

import (
	"context"
	"io"
	"net"
	"os"
)

// forward carries connections from one unix socket to another until ctx ends, as
// "ssh -L" does for those who reach neither.
func forward(ctx context.Context, from, to string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", from)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	if err := os.Chmod(from, 0o666); err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go carry(ctx, c, to)
	}
}

func carry(ctx context.Context, c net.Conn, to string) {
	defer c.Close()
	other, err := new(net.Dialer).DialContext(ctx, "unix", to)
	if err != nil {
		return
	}
	defer other.Close()
	go func() {
		_, _ = io.Copy(other, c)
		_ = other.Close()
	}()
	_, _ = io.Copy(c, other)
}
