package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// The groups whose members may use the control socket. Those of the second one
// need to be in the first as well, which the socket's file belongs to. Neither may
// read keys and configuration: the service does by a group of its own.
const (
	GroupReading  = "lwm2m-agent"
	GroupChanging = "lwm2m-agent-admin"
	GroupService  = "lwm2m-agent-service"
)

// peer is who is at the other end of a connection, as the kernel says.
type peer struct {
	uid           uint32
	read, changes bool
	err           error // the kernel did not say
}

type peerKey struct{}

// withPeer is http.Server.ConnContext for a unix socket.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, identify(c))
}

func identify(c net.Conn) peer {
	if within, ok := c.(*counted); ok {
		c = within.Conn
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return peer{err: fmt.Errorf("%T is no unix socket", c)}
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return peer{err: err}
	}
	var cred *unix.Ucred
	err = raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || cred == nil {
		return peer{err: fmt.Errorf("peer credentials: %w", err)}
	}
	return rights(cred.Uid, uint32(os.Geteuid()), member(cred.Uid, cred.Gid)) //nolint:gosec // not negative on Linux
}

// rights are what a user may do: root and the agent's own user everything, others
// by group.
func rights(uid, own uint32, in func(group string) bool) peer {
	p := peer{uid: uid}
	p.changes = uid == 0 || uid == own || in(GroupChanging)
	p.read = p.changes || in(GroupReading)
	return p
}

// member tells the groups of a user: the one that the process has now, and those
// that the system's group file gives to the user.
func member(uid, gid uint32) func(group string) bool {
	return func(name string) bool {
		group, err := user.LookupGroup(name)
		if err != nil {
			return false
		}
		if group.Gid == strconv.FormatUint(uint64(gid), 10) {
			return true
		}
		u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
		if err != nil {
			return false
		}
		ids, err := u.GroupIds()
		return err == nil && slices.Contains(ids, group.Gid)
	}
}

// byPeer is the Authorizer of the control socket.
func byPeer(r *http.Request, need Access) error {
	p, ok := r.Context().Value(peerKey{}).(peer)
	switch {
	case !ok:
		return fmt.Errorf("nobody is known at the other end")
	case p.err != nil:
		return p.err
	case need == Changing && !p.changes:
		return fmt.Errorf("user %d may not change anything; root and members of group %s may", p.uid, GroupChanging)
	case !p.read:
		return fmt.Errorf("user %d may not read; root and members of group %s may", p.uid, GroupReading)
	}
	return nil
}
