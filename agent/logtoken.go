package agent

import (
	"context"
	"log/slog"

	"lwm2m-agent/lwm2m/client"
)

// tokenHandler adds to each line the token of the server's request that it is about, so that one request can be followed from the message,
// which "lwm2m-agent trace" shows with its token, to the device.
type tokenHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h tokenHandler) Handle(ctx context.Context, r slog.Record) error {
	if token, ok := client.TokenOf(ctx); ok {
		r = r.Clone()
		r.AddAttrs(slog.String("token", token))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h tokenHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tokenHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h tokenHandler) WithGroup(name string) slog.Handler {
	return tokenHandler{h.Handler.WithGroup(name)}
}
