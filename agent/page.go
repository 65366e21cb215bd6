//go:build !small

package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m/client"
)

// The bounds of the page's server.
const (
	maxBrowsers    = 32 // connections; a page that is open has one for its events
	pageHeaderTime = 10 * time.Second
	pageIdleTime   = time.Minute
	maxPageHeader  = 16 << 10 // bytes
)

// servePage serves the page where the configuration at the start says. It calls works when it listens.
func (a *Agent) servePage(ctx context.Context, works func()) error {
	l, remove, err := listenLocally(ctx, a.opts.Config.Page.Listen)
	if err != nil {
		return fmt.Errorf("serve the page: %w; set another address in [page]", err)
	}
	defer remove()
	feed := &web.Feed{Now: a.opts.Now}
	v := view{a, feed}
	operator := web.NewLocal(a.tree, v.registration)
	handler, err := web.Handler(web.Config{
		Operator: operator, Direct: true, ReadOnly: !a.opts.Config.Page.Write, Definitions: a.registry, Feed: feed, Troubles: v.troubles,
		Token: string(a.opts.Config.Page.Token.Reveal()), Log: a.log,
		Hint: "put ?token= and the token behind the address of this page: it is in the file that token_file of [page] names",
	})
	if err != nil {
		return err
	}
	works()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return servePage(ctx, control.Bounded(l, maxBrowsers), handler, feed) })
	group.Go(func() error { return operator.Follow(ctx, feed) })
	group.Go(func() error { return v.follow(ctx) })
	return group.Wait()
}

// view keeps the page informed of an agent.
type view struct {
	*Agent
	feed *web.Feed
}

// registration is the state of the registration for the page: that at the first server,
// and in words that at others.
func (v view) registration() web.Registration {
	r := web.Registration{Endpoint: v.endpoint, State: "there is no server"}
	for i, s := range (&backend{v.Agent}).Status().Servers {
		if i == 0 {
			r = registrationOf(v.endpoint, &s)
			continue
		}
		r.Others = append(r.Others, s.URI+": "+s.Words)
	}
	return r
}

// troubles is what is wrong now.
func (v view) troubles() []control.Trouble { return control.Troubles(&backend{v.Agent}) }

func registrationOf(endpoint string, s *control.Server) web.Registration {
	r := web.Registration{
		Endpoint: endpoint, Server: s.URI, State: s.Words, Registered: isRegistered(s.State), Version: s.Version,
		Lifetime: s.Lifetime, Transport: s.Transport,
	}
	if s.CID != "" {
		r.Transport += ", Connection ID " + s.CID
	}
	if !s.Since.IsZero() {
		r.Since = s.Since.UTC().Format(time.RFC3339)
	}
	if !s.NextUpdate.IsZero() {
		r.Update = s.NextUpdate.UTC().Format(time.RFC3339)
	}
	return r
}

func isRegistered(state string) bool {
	registered := []client.State{client.Registered, client.Updating, client.Asleep}
	return slices.ContainsFunc(registered, func(s client.State) bool { return s.String() == state })
}

// follow tells the page each change of the registration and of what is wrong, and what a server has done to the device.
func (v view) follow(ctx context.Context) error {
	sub := (&backend{v.Agent}).Subscribe(nil)
	defer sub.Close()
	told := "" // of the bootstrap
	for {
		select {
		case <-sub.Wake():
		case <-ctx.Done():
			return nil
		}
		happened := sub.Take()
		if happened.Firmware != nil {
			v.feed.Note(firmwareNote(happened.Firmware))
		}
		if b := happened.Bootstrap; b != nil {
			note := bootstrapNote(b)
			if note != "" && note != told {
				v.feed.Note(note)
			}
			told = note
		}
		if len(happened.Servers) > 0 && v.feed.Watched() {
			v.feed.Registration(v.registration())
		}
		if len(happened.Health) > 0 && v.feed.Watched() {
			v.feed.Troubles(v.troubles())
		}
	}
}

// servePage serves a page until ctx ends.
func servePage(ctx context.Context, l net.Listener, h http.Handler, feed *web.Feed) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: pageHeaderTime, IdleTimeout: pageIdleTime, MaxHeaderBytes: maxPageHeader}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = feed.Close() // it cannot fail, and ends the event streams
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), partingTime)
		defer cancel()
		if srv.Shutdown(within) != nil {
			_ = srv.Close() // the listener is closed either way
		}
	})
	err := srv.Serve(l)
	if stop() {
		return fmt.Errorf("serve the page: %w", err)
	}
	<-ended // the pages have been told
	return nil
}

// bootstrapNote returns what a person is told of a bootstrap, "" if there is nothing to tell.
func bootstrapNote(b *control.Bootstrap) string {
	switch {
	case b.State == client.BootstrapDone.String():
		return fmt.Sprintf("bootstrapped by %s: %s", b.URI, b.Reason)
	case b.LastError != "" && !b.ErrorCleared:
		return fmt.Sprintf("bootstrap at %s failed: %s", b.URI, b.LastError)
	}
	return ""
}
