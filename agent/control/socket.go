package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"lwm2m-agent/agent/apps"
)

// SocketServer serves the control interface on a unix socket: a Task.
type SocketServer struct {
	backend Backend
	opts    SocketOptions
	ready   chan struct{}
}

// SocketOptions are what a SocketServer stands on.
type SocketOptions struct {
	Path string // of the socket
	// Listener, if not nil, was handed over by the service supervisor and is used
	// instead of Path. It is closed in the end.
	Listener net.Listener
	Apps     *apps.Apps // nil: none

	Firmware FirmwareBackend // nil: no updates

	Configuration ConfigurationBackend // nil: it is not in files
	Log           *slog.Logger         // nil discards
}

// The bounds of the server.
const (
	maxConnections = 64
	headerTime     = 5 * time.Second
	requestTime    = 30 * time.Second
	idleTime       = time.Minute
	endTime        = 2 * time.Second // for requests that are being served when the agent ends
	maxHeader      = 16 << 10
)

// NewSocketServer returns a server for the backend.
func NewSocketServer(b Backend, opts SocketOptions) *SocketServer {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &SocketServer{backend: b, opts: opts, ready: make(chan struct{})}
}

// Ready is closed when clients can connect.
func (s *SocketServer) Ready() <-chan struct{} { return s.ready }

// String returns "control".
func (s *SocketServer) String() string { return "control" }

// Run serves until ctx ends. It returns nil then, and otherwise why the socket
// cannot be served.
func (s *SocketServer) Run(ctx context.Context) error {
	l := s.opts.Listener
	if l == nil {
		made, err := listen(ctx, s.opts.Path)
		if err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		defer made.remove()
		l = made
	}
	done := make(chan struct{})
	server := &http.Server{
		Handler:     Handler(s.backend, byPeer, HandlerOptions{Log: s.opts.Log, Done: done, Apps: s.opts.Apps, Firmware: s.opts.Firmware, Configuration: s.opts.Configuration}),
		ConnContext: withPeer,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:    slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),

		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: executeTime + headerTime,
		IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
	}
	ended := make(chan error, 1)
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { ended <- server.Serve(Bounded(l, maxConnections)) })
	close(s.ready)
	select {
	case err := <-ended:
		return fmt.Errorf("control socket: %w", errors.Join(err, server.Close()))
	case <-ctx.Done():
	}
	close(done)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		return errors.Join(ignoreTimeout(err), server.Close())
	}
	return nil
}

// ignoreTimeout: a client that is still busy is cut off, which is no error of ours.
func ignoreTimeout(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// ownSocket is a listener on a socket that this process made.
type ownSocket struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// Listen makes a socket for members of GroupReading, in place of one that a dead agent left, and
// returns what removes it.
func Listen(ctx context.Context, path string) (l net.Listener, remove func(), err error) {
	made, err := listen(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	return made, made.remove, nil
}

// remove removes the socket, unless another agent has put its own there.
func (o *ownSocket) remove() {
	if now, err := os.Lstat(o.path); err == nil && os.SameFile(now, o.file) {
		_ = os.Remove(o.path)
	}
}

// maxSocketPath is what the kernel takes, without what is put behind it here
// (unix(7)).
const maxSocketPath = 107 - len(nextSocket)

const nextSocket = ".new"

// listen makes the socket at path. It is made beside and renamed, so that nobody
// finds it before its mode is right, and one that a dead agent left is replaced.
func listen(ctx context.Context, path string) (*ownSocket, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path %s has %d bytes, at most %d; give a shorter one with -socket PATH", path, len(path), maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // others need to reach the socket
		return nil, err
	}
	for _, p := range []string{path, path + nextSocket} {
		if err := vacant(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := os.Remove(path + nextSocket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + nextSocket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	file, err := place(path)
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(path+nextSocket))
	}
	return &ownSocket{UnixListener: l, path: path, file: file}, nil
}

// place gives the new socket its owner, mode and name.
func place(path string) (fs.FileInfo, error) {
	if group, err := user.LookupGroup(GroupReading); err == nil {
		if gid, err := strconv.Atoi(group.Gid); err == nil {
			_ = os.Lchown(path+nextSocket, -1, gid) // only root and its members may; else the group is the agent's own
		}
	}
	if err := os.Chmod(path+nextSocket, 0o660); err != nil { //nolint:gosec // for the group
		return nil, err
	}
	if err := os.Rename(path+nextSocket, path); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// vacant reports an error if something else than a dead socket is at path.
func vacant(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and no socket; remove it, or give another path with -socket PATH", path)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil // a dead agent's
	}
	if err != nil {
		return err
	}
	_ = c.Close()
	return fmt.Errorf("another agent serves %s; stop it, or give another path with -socket PATH", path)
}
