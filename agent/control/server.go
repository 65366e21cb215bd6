package control

import (
	"context"
	"log/slog"
	"net"
)

// SocketServer serves the control interface on a unix socket: a Task.
type SocketServer struct{}

// SocketOptions are what a SocketServer stands on.
type SocketOptions struct {
	Path string // of the socket
	// Listener, if not nil, was handed over by the service supervisor and is used
	// instead of Path.
	Listener net.Listener
	Log      *slog.Logger // nil discards
}

// The groups whose members may use the control socket.
const (
	GroupReading  = "lwm2m-agent"
	GroupChanging = "lwm2m-agent-admin"
)

// NewSocketServer returns a server for the backend.
func NewSocketServer(b Backend, opts SocketOptions) *SocketServer { return &SocketServer{} }

// Run serves until ctx ends.
func (s *SocketServer) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Ready is closed when clients can connect.
func (s *SocketServer) Ready() <-chan struct{} { return nil }

// String returns "control".
func (s *SocketServer) String() string { return "control" }
