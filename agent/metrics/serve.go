package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// The bounds of the server.
const (
	patience  = 10 * time.Second // for a request, and for its answer
	endTime   = time.Second      // for requests that are being answered when the agent ends
	maxHeader = 8 << 10
)

// Serve answers GET /metrics on a listener until ctx ends, and closes it. Who asks by another
// name than that of this machine is refused: a page in a browser here, whose name leads to the
// loopback interface, reads nothing.
func Serve(ctx context.Context, l net.Listener, take func() Snapshot) error {
	server := &http.Server{
		Handler:           handler(take),
		ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
	}
	ended := make(chan error, 1)
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { ended <- server.Serve(l) })
	select {
	case err := <-ended:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if server.Shutdown(ending) != nil {
		return server.Close() // a client that does not take its answer is cut off
	}
	return nil
}

func handler(take func() Snapshot) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !ownName(r.Host) || r.Header.Get("Origin") != "":
			http.Error(w, "ask by the address of this machine", http.StatusForbidden)
		case r.URL.Path != "/metrics":
			http.Error(w, "there is /metrics only", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "GET only", http.StatusMethodNotAllowed)
		default:
			s := take()
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			_, _ = w.Write(Append(nil, &s)) // to a client that may have gone
		}
	})
}

// ownName reports whether a Host header names the loopback interface, or is what clients
// of a unix socket send for want of one, as in docs/metrics.md.
func ownName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Unmap().IsLoopback()
	}
	return name == "localhost" || name == "agent"
}
